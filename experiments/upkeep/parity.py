"""Hold the corruptions of ImageNet-C against imagecorruptions, the implementation that published numbers come from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from experiments.command_line.verb_parser import Option, call_verb
from experiments.files.replaceable import print_and_save
from experiments.measuring.reference import psnr, reference
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

DRAWN = frozenset(
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
"""Corruptions that draw; the others map an image to one result."""

TAKE_SEED = ("impulse_noise", "glass_blur")
"""Reference functions that draw from a generator of their own, and take its seed as an argument."""


@dataclass(frozen=True)
class Same:
    """How far two results of one corruption that draws nothing are apart."""

    largest: int  # levels
    share: float  # of the values that differ
    psnr: float  # between the two, dB; infinite if equal


@dataclass(frozen=True)
class Alike:
    """How far the mean statistics of two samplers are apart, in standard deviations of the reference's draws."""

    mean: float  # of the levels
    deviation: float  # standard deviation of what the corruption changed
    psnr: float  # to the clean image


def photos(size: tuple[int, int]) -> dict[str, np.ndarray]:
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


def theirs(image: np.ndarray, severity: int, name: str, draw: int = 0) -> np.ndarray:
    """The reference's result (H, W, 3) uint8; `draw` seeds it."""
    np.random.seed(draw)  # noqa: NPY002 (what the reference draws from)
    seed = {"seed": draw} if name in TAKE_SEED else {}
    return reference()(image, severity, name, **seed)


def ours(image: np.ndarray, severity: int, corruption: "Corruption", draws: int = 1) -> np.ndarray:
    """Our results (draws, H, W, 3) uint8."""
    import torch

    from datamodules.corruptions.base import draw_key

    planes = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
    keys = torch.tensor([draw_key(0, str(draw), corruption.name, severity) for draw in range(draws)])
    met = corruption(planes.expand(draws, -1, -1, -1), severity, keys)
    return met.permute(0, 2, 3, 1).numpy()


def sameness(image: np.ndarray, severity: int, corruption: "Corruption") -> Same:
    """Ours against the reference, for a corruption that draws nothing."""
    mine, wanted = ours(image, severity, corruption)[0], theirs(image, severity, corruption.name)
    apart = np.abs(mine.astype(int) - wanted)
    return Same(int(apart.max()), float((apart > 0).mean()), psnr(mine, wanted))


def alikeness(image: np.ndarray, severity: int, corruption: "Corruption", draws: int = DRAWS) -> Alike:
    """Ours against the reference, for a corruption that draws."""
    wanted = _statistics(image, [theirs(image, severity, corruption.name, draw) for draw in range(draws)])
    mine = _statistics(image, ours(image, severity, corruption, draws))
    spread = wanted.std(0, ddof=1)
    return Alike(*(np.abs(mine.mean(0) - wanted.mean(0)) / spread).tolist())


def _statistics(image: np.ndarray, results: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    """(draws, 3): mean level, standard deviation of the change, PSNR to the clean image."""
    rows = [(one.mean(), (one - image.astype(np.float64)).std(), psnr(one, image)) for one in results]
    return np.array(rows, dtype=np.float64)


def reference_corruptions(names: Sequence[str] = ()) -> "list[Corruption]":
    """Those of ImageNet-C that are called `names`; all nineteen if none is.

    Raises:
        UserError: there is no such corruption.
    """
    from experiments.sweeping.suites import find_suite

    known = {one.name: one for suite in SUITES for one in find_suite(suite).corruptions}
    for name in names:
        if name not in known:
            raise UserError(f"{name!r} is no corruption of ImageNet-C: name some of {', '.join(known)}")
    return [known[name] for name in names or known]


def measured(corruptions: "Sequence[Corruption]") -> "Iterator[tuple[Corruption, int, list[Same | Alike]]]":
    """Each corruption and severity with a comparison for every photo at every size."""
    from tqdm import tqdm

    shown = [image for size in SIZES for image in photos(size).values()]
    cells = [(corruption, severity) for corruption in corruptions for severity in SEVERITIES]
    for corruption, severity in tqdm(cells, desc="parity", unit="condition"):
        compare = alikeness if corruption.name in DRAWN else sameness
        yield corruption, severity, [compare(image, severity, corruption) for image in shown]


def table(rows: "Sequence[tuple[Corruption, int, list[Same | Alike]]]") -> str:
    """Markdown: the worst over all photos of each corruption and severity."""
    lines: dict[bool, list[str]] = {False: [], True: []}
    for corruption, severity, found in rows:
        drawn = corruption.name in DRAWN
        cells = _alike(found) if drawn else _same(found)
        lines[drawn].append("| " + " | ".join([corruption.name, str(severity), *cells]) + " |")
    sizes = " and ".join(f"{height} x {width}" for height, width in SIZES)
    return "\n".join(
        [
            "# Parity with imagecorruptions",
            "",
            f"The worst over {len(photos(SIZES[0]))} photographs at {sizes}, against `imagecorruptions-imaug` 1.1.5;",
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
            f"about {np.sqrt(2 / DRAWS):.2f}; the worst of {len(photos(SIZES[0])) * len(SIZES)} comparisons is shown.",
            "",
            "| corruption | severity | mean | deviation | PSNR |",
            "|---|---:|---:|---:|---:|",
            *lines[True],
            "",
        ]
    )


def _same(found: Sequence[Any]) -> list[str]:
    worst = min(one.psnr for one in found)
    share = max(one.share for one in found)
    decibel = "equal" if worst == float("inf") else f"{worst:.1f}"
    return [str(max(one.largest for one in found)), f"{100 * share:.2f}", decibel]


def _alike(found: Sequence[Any]) -> list[str]:
    return [f"{max(getattr(one, what) for one in found):.2f}" for what in ("mean", "deviation", "psnr")]


def compare_with_reference(
    *, corruption: Annotated[Sequence[str], Option(repeated=True)] = (), output: Path | None = None
) -> None:
    """Compare the corruptions of ImageNet-C with the reference implementation on photographs, at all severities.

    Args:
        corruption: one of them (default: all nineteen).
        output: write the table to this file as well.
    """
    reference()
    text = table(list(measured(reference_corruptions(corruption))))
    print_and_save(text, output)


def main(argv: list[str]) -> None:
    """The verb."""
    call_verb("parity", compare_with_reference, EXAMPLES, argv)
