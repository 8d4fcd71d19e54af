"""Time of the project's corruptions and of the reference implementation."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from datamodules.corruptions.base import Corruption
from datamodules.corruptions.conditions import Corrupted
from experiments.measuring.photographs import load_photographs
from experiments.measuring.reference import import_reference
from experiments.measuring.turns import take_turns

BARS = {256: 8.0, 512: 5.0}
"""Required speedup of the mean corruption of ImageNet-C, by height and width."""

SLOWEST = 1.1
"""Largest allowed ratio of a corruption's time to that of the reference."""

SHORTEST = 0.02
"""Least seconds of a measurement."""


@dataclass(frozen=True)
class Cost:
    """Milliseconds per image of one corruption, here and in the reference implementation."""

    name: str
    counted: bool  # in the mean that has a limit
    milliseconds: float
    reference_milliseconds: float

    @property
    def speedup(self) -> float:
        """How many times faster than the reference it is."""
        return self.reference_milliseconds / self.milliseconds


def measure_corruptions(
    corruptions: Sequence[tuple[Corruption, bool]],
    size: int,
    batch_size: int,
    severities: Sequence[int],
    rounds: int,
    device: torch.device,
) -> list[Cost]:
    """Cost of each corruption, the mean over `severities`.

    The project corrupts the batch as in a sweep, on `device`; the reference one image after the other, on the CPU.

    Args:
        corruptions: each with whether it is in the mean that has a limit.
        size: height and width of the images.
        batch_size: number of images.
        severities: some of 1 to 5.
        rounds: measurements of each.
        device: for the project's corruptions.
    """
    images = load_photographs(batch_size, size)
    batch = torch.from_numpy(np.stack([image.transpose(2, 0, 1) for image in images])).contiguous().to(device)
    costs = []
    for corruption, counted in tqdm(corruptions, desc=f"corruptions at {size}", unit="corruption"):
        pairs = [_compare(corruption, severity, images, batch, rounds) for severity in severities]
        own, other = (1000 * statistics.mean(side) / batch_size for side in zip(*pairs, strict=True))
        costs.append(Cost(corruption.name, counted, own, other))
    return costs


def _compare(
    corruption: Corruption, severity: int, images: Sequence[np.ndarray], batch: Tensor, rounds: int
) -> tuple[float, float]:
    """Median seconds for the batch: of the project and of the reference."""
    condition, corrupt = Corrupted(corruption, severity), import_reference()
    masks = torch.zeros((len(batch), *batch.shape[2:]), dtype=torch.int64, device=batch.device)
    ids = [str(place) for place in range(len(batch))]

    def corrupt_batch() -> None:
        condition(batch, masks, ids, 0)

    def corrupt_one_by_one() -> None:
        for image in images:
            corrupt(image, severity, corruption.name)

    corrupt_batch()
    corrupt(images[0], severity, corruption.name)  # numba compiles and tables are built before the timing
    turns = take_turns(corrupt_batch, corrupt_one_by_one, range(rounds), batch.device, SHORTEST)
    return turns.candidate_median, turns.baseline_median


def make_corruptions_table(costs: Sequence[Cost], size: int) -> list[str]:
    """Markdown lines: a row for each corruption, then the limits."""
    rows = [
        f"| {cost.name} | {cost.milliseconds:.3f} | {cost.reference_milliseconds:.3f} | {cost.speedup:.1f} |"
        for cost in costs
    ]
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
        own = statistics.mean(cost.milliseconds for cost in counted)
        other = statistics.mean(cost.reference_milliseconds for cost in counted)
        bar = BARS.get(size)
        asked = "" if bar is None else f" (bar {bar:g}: {describe_bar(other / own >= bar)})"
        lines.append(
            f"- Mean of the {len(counted)}: {own:.3f} against {other:.3f} ms an image, "
            f"**{other / own:.1f} times faster**{asked}."
        )
        lines.append(f"- Median of their ratios: {statistics.median(cost.speedup for cost in counted):.1f}.")
    lines.append(
        f"- The least gain: {slowest.name}, {slowest.speedup:.2f} times faster "
        f"(none slower than {SLOWEST} times: {describe_bar(slowest.speedup >= 1 / SLOWEST)})."
    )
    return [*lines, ""]


def describe_bar(is_met: bool) -> str:
    """Whether a limit is met, in words."""
    return "met" if is_met else "not met"
