"""Parity of the nineteen corruptions of ImageNet-C with the implementation that published numbers come from."""

from pathlib import Path

import numpy as np
import pytest
from command_line import ROOT, read_refusal, run_command

from experiments.upkeep import parity
from experiments.upkeep.parity import (
    RANDOM,
    SIZES,
    compare_results,
    compare_statistics,
    corrupt_by_project,
    corrupt_by_reference,
    find_reference_corruptions,
    load_crops,
)

pytest.importorskip("imagecorruptions", reason="the oracle is installed by requirements-oracle.txt")

CORRUPTIONS = {corruption.name: corruption for corruption in find_reference_corruptions()}
BIT_EXACT = ("contrast", "pixelate", "jpeg_compression")
GREY = (
    "contrast",
    "jpeg_compression",
    "brightness",
    "defocus_blur",
    "gaussian_blur",
    "zoom_blur",
    "pixelate",
    "saturate",
)

severities = pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
sizes = pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")


def test_all_nineteen_are_here() -> None:
    from imagecorruptions import get_corruption_names

    assert set(CORRUPTIONS) == set(get_corruption_names("all"))


@sizes
@severities
@pytest.mark.parametrize("name", [name for name in CORRUPTIONS if name not in RANDOM])
def test_what_draws_nothing_is_the_same(name: str, severity: int, size: tuple[int, int]) -> None:
    for photo, image in load_crops(size).items():
        found = compare_results(image, severity, CORRUPTIONS[name])
        if name in BIT_EXACT:
            assert found.largest == 0, photo
        assert found.largest <= 1, photo
        assert found.psnr > 55, photo


@severities
@pytest.mark.parametrize("name", sorted(RANDOM))
def test_what_draws_is_alike(name: str, severity: int) -> None:
    """Each statistic's mean within one standard deviation of the reference's draws, on every photo; sizes take turns."""
    for photo, image in load_crops(SIZES[severity % len(SIZES)]).items():
        found = compare_statistics(image, severity, CORRUPTIONS[name])
        assert max(found.mean, found.deviation, found.psnr) < 1, (photo, found)


@severities
@pytest.mark.parametrize("channels", [1, 5])
@pytest.mark.parametrize("name", GREY)
def test_channels_are_grey_images(name: str, severity: int, channels: int) -> None:
    """The reference stacks a grey image to three channels."""
    image = load_crops((80, 91))["coffee"][..., 1]
    wanted = corrupt_by_reference(image, severity, name)[..., :1].astype(int)
    found = corrupt_by_project(np.repeat(image[..., None], channels, 2), severity, CORRUPTIONS[name])[0]
    assert np.abs(found - wanted).max() <= (0 if name in BIT_EXACT else 1)


def test_the_table_is_committed() -> None:
    """Every corruption and severity is in the document, which `parity` writes."""
    text = (ROOT / "docs" / "parity.md").read_text()
    assert all(f"| {name} | {severity} |" in text for name in CORRUPTIONS for severity in range(1, 6))


def test_verb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parity, "DRAWS", 3)
    output = tmp_path / "parity.md"
    parity.main(["--corruption=contrast", "--corruption=gaussian_noise", f"--output={output}"])
    lines = output.read_text().splitlines()
    assert "| contrast | 3 | 0 | 0.00 | equal |" in lines
    assert sum(line.startswith("| gaussian_noise |") for line in lines) == 5
    assert "no corruption of ImageNet-C" in read_refusal("parity", "--corruption=rain")
    assert "examples:" in run_command("parity", "--help").stdout
