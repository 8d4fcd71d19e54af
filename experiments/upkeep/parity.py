"""Compare the corruptions of ImageNet-C with imagecorruptions, the implementation behind published numbers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from experiments.command_line.verb_parser import Option, call_verb
from experiments.files.replaceable import print_and_save
from experiments.measuring.reference import import_reference, psnr
from user_error import UserError

if TYPE_CHECKING:
    from datamodules.corruptions.base import Corruption

EXAMPLES = """
--output docs/parity.md
--corruption fog --corruption snow
"""

SUITES = ("imagenet_c", "imagenet_c_extra")
SEVERITIES = (1, 2, 3, 4, 5)
DRAWS = 32
SIZES = ((120, 160), (75, 61))
"""Height and width; the second has odd sides."""

RANDOM = frozenset(
    {
        "gaussian_noise",
        "shot_noise",
        "impulse_noise",
        "speckle_noise",
        "glass_blur",
        "motion_blur",
        "snow",
        "frost",
        "fog",
    }
    | {"elastic_transform", "spatter"}
)
"""Corruptions with random draws; the others are deterministic."""

TAKE_SEED = ("impulse_noise", "glass_blur")
"""Reference functions with their own random generator, which take its seed as an argument."""


@dataclass(frozen=True)
class ResultDifference:
    """Difference between two results of a deterministic corruption."""

    largest: int  # levels
    fraction: float  # of the values that differ
    psnr: float  # between the two, dB; infinite if equal


@dataclass(frozen=True)
class StatisticsDifference:
    """Differences between mean statistics of two samplers, in standard deviations of the reference's draws."""

    mean: float  # of the levels
    deviation: float  # standard deviation of what the corruption changed
    psnr: float  # to the clean image


Difference = ResultDifference | StatisticsDifference


def load_crops(size: tuple[int, int]) -> dict[str, np.ndarray]:
    """Crops of photographs that come with scikit-image, (H, W, 3) uint8, by name.

    Raises:
        UserError: scikit-image is not installed.
    """
    try:
        from skimage import data
    except ImportError as error:
        raise UserError("scikit-image is not installed: run pip install -r requirements.txt") from error
    crops = {"astronaut": (20, 130), "coffee": (100, 200), "chelsea": (60, 120), "rocket": (180, 260)}
    (height, width), found = size, {}
    for name, (top, left) in crops.items():
        found[name] = np.ascontiguousarray(getattr(data, name)()[top : top + height, left : left + width])
    return found


def corrupt_by_reference(image: np.ndarray, severity: int, name: str, draw: int = 0) -> np.ndarray:
    """The reference's result (H, W, 3) uint8; `draw` seeds it."""
    np.random.seed(draw)  # noqa: NPY002 (what the reference draws from)
    seed = {"seed": draw} if name in TAKE_SEED else {}
    return import_reference()(image, severity, name, **seed)


def corrupt_by_project(image: np.ndarray, severity: int, corruption: "Corruption", draws: int = 1) -> np.ndarray:
    """The project's results (draws, H, W, 3) uint8."""
    import torch

    from datamodules.corruptions.base import draw_key

    planes = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
    keys = torch.tensor([draw_key(0, str(draw), corruption.name, severity) for draw in range(draws)])
    corrupted = corruption(planes.expand(draws, -1, -1, -1), severity, keys)
    return corrupted.permute(0, 2, 3, 1).numpy()


def compare_results(image: np.ndarray, severity: int, corruption: "Corruption") -> ResultDifference:
    """Compare a deterministic corruption with the reference."""
    results, expected = (
        corrupt_by_project(image, severity, corruption)[0],
        corrupt_by_reference(image, severity, corruption.name),
    )
    difference = np.abs(results.astype(int) - expected)
    return ResultDifference(int(difference.max()), float((difference > 0).mean()), psnr(results, expected))


def compare_statistics(
    image: np.ndarray, severity: int, corruption: "Corruption", draws: int = DRAWS
) -> StatisticsDifference:
    """Compare a random corruption with the reference."""
    expected = _compute_statistics(
        image, [corrupt_by_reference(image, severity, corruption.name, draw) for draw in range(draws)]
    )
    results = _compute_statistics(image, corrupt_by_project(image, severity, corruption, draws))
    spread = expected.std(0, ddof=1)
    return StatisticsDifference(*(np.abs(results.mean(0) - expected.mean(0)) / spread).tolist())


def _compute_statistics(image: np.ndarray, results: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    """(draws, 3): mean level, standard deviation of the change, PSNR to the clean image."""
    rows = [(one.mean(), (one - image.astype(np.float64)).std(), psnr(one, image)) for one in results]
    return np.array(rows, dtype=np.float64)


def find_reference_corruptions(names: Sequence[str] = ()) -> "list[Corruption]":
    """The corruptions of ImageNet-C with these names; all nineteen if none are given.

    Raises:
        UserError: there is no such corruption.
    """
    from experiments.sweeping.suites import find_suite

    known = {one.name: one for suite in SUITES for one in find_suite(suite).corruptions}
    for name in names:
        if name not in known:
            raise UserError(f"{name!r} is no corruption of ImageNet-C: name some of {', '.join(known)}")
    return [known[name] for name in names or known]


def iterate_comparisons(
    corruptions: "Sequence[Corruption]",
) -> "Iterator[tuple[Corruption, int, list[Difference]]]":
    """Yield each corruption and severity with a comparison for every photograph at every size."""
    from tqdm import tqdm

    shown = [image for size in SIZES for image in load_crops(size).values()]
    cells = [(corruption, severity) for corruption in corruptions for severity in SEVERITIES]
    for corruption, severity in tqdm(cells, desc="parity", unit="condition"):
        compare = compare_statistics if corruption.name in RANDOM else compare_results
        yield corruption, severity, [compare(image, severity, corruption) for image in shown]


def make_table(rows: "Sequence[tuple[Corruption, int, list[Difference]]]") -> str:
    """A Markdown table: the largest difference over all photographs for each corruption and severity."""
    lines: dict[bool, list[str]] = {False: [], True: []}
    for corruption, severity, found in rows:
        drawn = corruption.name in RANDOM
        cells = _format_statistics(found) if drawn else _format_results(found)
        lines[drawn].append("| " + " | ".join([corruption.name, str(severity), *cells]) + " |")
    sizes = " and ".join(f"{height} x {width}" for height, width in SIZES)
    return "\n".join(
        [
            "# Parity with imagecorruptions",
            "",
            f"The worst over {len(load_crops(SIZES[0]))} photographs at {sizes}, against `imagecorruptions-imaug` 1.1.5;",
            "written by `python -m experiments parity --output docs/parity.md`.",
            "",
            "## Corruptions that draw nothing",
            "",
            "| corruption | severity | largest difference (levels) | values that differ (%) | PSNR between the two (dB) |",
            "|---|---:|---:|---:|---:|",
            *lines[False],
            "",
            "## Corruptions that draw",
            "",
            f"Difference between the means of {DRAWS} draws each, in standard deviations of the reference's draws, of the",
            "mean level, of the standard deviation of the change and of the PSNR to the clean image. Chance alone gives",
            f"about {np.sqrt(2 / DRAWS):.2f}; the worst of {len(load_crops(SIZES[0])) * len(SIZES)} comparisons is shown.",
            "",
            "| corruption | severity | mean | deviation | PSNR |",
            "|---|---:|---:|---:|---:|",
            *lines[True],
            "",
        ]
    )


def _format_results(found: Sequence[Any]) -> list[str]:
    worst = min(one.psnr for one in found)
    fraction = max(one.fraction for one in found)
    decibel = "equal" if worst == float("inf") else f"{worst:.1f}"
    return [str(max(one.largest for one in found)), f"{100 * fraction:.2f}", decibel]


def _format_statistics(found: Sequence[Any]) -> list[str]:
    return [f"{max(getattr(one, what) for one in found):.2f}" for what in ("mean", "deviation", "psnr")]


def compare_with_reference(
    *, corruption: Annotated[Sequence[str], Option(repeated=True)] = (), output: Path | None = None
) -> None:
    """Compare the corruptions of ImageNet-C with the reference implementation on photographs, at all severities.

    Args:
        corruption: one of them (default: all nineteen).
        output: write the table to this file as well.
    """
    import_reference()
    text = make_table(list(iterate_comparisons(find_reference_corruptions(corruption))))
    print_and_save(text, output)


def main(argv: list[str]) -> None:
    """The verb."""
    call_verb("parity", compare_with_reference, EXAMPLES, argv)
