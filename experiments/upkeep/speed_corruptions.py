"""Our corruptions against the reference implementation, image by image."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from datamodules.corruptions.base import Corruption
from datamodules.corruptions.conditions import Corrupted
from experiments.measuring.photographs import photographs
from experiments.measuring.reference import reference
from experiments.measuring.turns import take_turns

BARS = {256: 8.0, 512: 5.0}
"""How many times faster the mean corruption of ImageNet-C shall be, by height and width."""

SLOWEST = 1.1
"""How many times slower than the reference no corruption shall be."""

SHORTEST = 0.02
"""Seconds that a measurement lasts at least."""


@dataclass(frozen=True)
class Cost:
    """Milliseconds an image of one corruption."""

    name: str
    counted: bool  # among those whose mean has a bar
    ours: float
    theirs: float

    @property
    def speedup(self) -> float:
        """How many times faster ours is."""
        return self.theirs / self.ours


def measure_corruptions(
    corruptions: Sequence[tuple[Corruption, bool]],
    size: int,
    batch_size: int,
    severities: Sequence[int],
    rounds: int,
    device: torch.device,
) -> list[Cost]:
    """Cost of each corruption, the mean over `severities`.

    Ours meets the batch as a sweep does, on `device`; the reference meets one image after the other, on the CPU.

    Args:
        corruptions: each with whether its mean has a bar.
        size: height and width of the images.
        batch_size: number of images.
        severities: some of 1 to 5.
        rounds: measurements of each.
        device: of our images.
    """
    images = photographs(batch_size, size)
    batch = torch.from_numpy(np.stack([image.transpose(2, 0, 1) for image in images])).contiguous().to(device)
    costs = []
    for corruption, counted in tqdm(corruptions, desc=f"corruptions at {size}", unit="corruption"):
        pairs = [_compare(corruption, severity, images, batch, rounds) for severity in severities]
        ours, theirs = (1000 * statistics.mean(side) / batch_size for side in zip(*pairs, strict=True))
        costs.append(Cost(corruption.name, counted, ours, theirs))
    return costs


def _compare(
    corruption: Corruption, severity: int, images: Sequence[np.ndarray], batch: Tensor, rounds: int
) -> tuple[float, float]:
    """Median seconds of the batch: ours and the reference's."""
    condition, corrupt = Corrupted(corruption, severity), reference()
    masks = torch.zeros((len(batch), *batch.shape[2:]), dtype=torch.int64, device=batch.device)
    ids = [str(place) for place in range(len(batch))]

    def ours() -> None:
        condition(batch, masks, ids, 0)

    def theirs() -> None:
        for image in images:
            corrupt(image, severity, corruption.name)

    ours()
    corrupt(images[0], severity, corruption.name)  # numba compiles, tables are built: outside of the timing
    turns = take_turns(ours, theirs, range(rounds), batch.device, SHORTEST)
    return turns.ours_median, turns.theirs_median


def corruptions_table(costs: Sequence[Cost], size: int) -> list[str]:
    """Markdown lines: a row for each corruption, then what the bars ask for."""
    rows = [f"| {cost.name} | {cost.ours:.3f} | {cost.theirs:.3f} | {cost.speedup:.1f} |" for cost in costs]
    counted = [cost for cost in costs if cost.counted]
    slowest = min(costs, key=lambda cost: cost.speedup)
    lines = [
        f"### {size} x {size}",
        "",
        "| corruption | ours (ms an image) | reference (ms an image) | times faster |",
        "|---|---:|---:|---:|",
        *rows,
        "",
    ]
    if counted:
        ours, theirs = (statistics.mean(getattr(cost, side) for cost in counted) for side in ("ours", "theirs"))
        bar = BARS.get(size)
        asked = "" if bar is None else f" (bar {bar:g}: {verdict(theirs / ours >= bar)})"
        lines.append(
            f"- Mean of the {len(counted)}: {ours:.3f} against {theirs:.3f} ms an image, "
            f"**{theirs / ours:.1f} times faster**{asked}."
        )
        lines.append(f"- Median of their ratios: {statistics.median(cost.speedup for cost in counted):.1f}.")
    lines.append(
        f"- The least gain: {slowest.name}, {slowest.speedup:.2f} times faster "
        f"(none slower than {SLOWEST} times: {verdict(slowest.speedup >= 1 / SLOWEST)})."
    )
    return [*lines, ""]


def verdict(met: bool) -> str:
    """Whether a bar is met, in words."""
    return "met" if met else "not met"
