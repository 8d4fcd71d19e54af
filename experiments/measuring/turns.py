"""Two functions timed in turns: absolute times are unreliable on shared machines, ratios are not."""

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Turns:
    """Seconds of every round of the candidate and of the baseline."""

    candidate: list[float]
    baseline: list[float]

    @property
    def candidate_median(self) -> float:
        """Median seconds of the candidate."""
        return statistics.median(self.candidate)

    @property
    def baseline_median(self) -> float:
        """Median seconds of the baseline."""
        return statistics.median(self.baseline)

    @property
    def speedup(self) -> float:
        """How many times faster the candidate is: the quotient of the medians."""
        return self.baseline_median / self.candidate_median

    @property
    def overheads(self) -> list[float]:
        """Candidate over baseline in every round."""
        return [one / other for one, other in zip(self.candidate, self.baseline, strict=True)]


def measure_seconds(work: Callable[[], object], device: torch.device, repeats: int = 1) -> float:
    """Seconds of one call of `work`, the mean over `repeats`, with synchronisation of a GPU."""
    _synchronise(device)
    started = time.perf_counter()
    for _ in range(repeats):
        work()
    _synchronise(device)
    return (time.perf_counter() - started) / repeats


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def take_turns(
    candidate: Callable[[], object],
    baseline: Callable[[], object],
    rounds: Iterable[int],
    device: torch.device,
    shortest: float = 0.0,
) -> Turns:
    """Time both in each of `rounds`, in alternating order.

    Args:
        candidate: warmed up by the caller.
        baseline: likewise.
        rounds: numbers of the rounds, such as a progress bar over a range.
        device: to synchronise with.
        shortest: least seconds of a measurement; shorter calls are repeated.
    """
    sides = (candidate, baseline)
    repeats = [max(1, round(shortest / max(measure_seconds(side, device), 1e-6))) if shortest else 1 for side in sides]
    seconds: tuple[list[float], list[float]] = ([], [])
    for number in rounds:
        for side in (0, 1) if number % 2 == 0 else (1, 0):
            seconds[side].append(measure_seconds(sides[side], device, repeats[side]))
    return Turns(*seconds)
