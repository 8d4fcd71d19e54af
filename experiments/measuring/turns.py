"""Two functions timed in turns: absolute times are unreliable on shared machines, ratios are not."""

import statistics
import time
from collections.abc import Callable, Iterable, Mapping
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
    sides = {"candidate": candidate, "baseline": baseline}
    repeats = {
        name: max(1, round(shortest / max(measure_seconds(side, device), 1e-6))) if shortest else 1
        for name, side in sides.items()
    }
    return Turns(**time_in_turns(sides, rounds, device, repeats))


def time_in_turns(
    sides: Mapping[str, Callable[[], object]],
    rounds: Iterable[int],
    device: torch.device,
    repeats: Mapping[str, int] | None = None,
) -> dict[str, list[float]]:
    """Seconds of each side in each of `rounds`, in alternating order.

    Args:
        sides: by name, each warmed up by the caller.
        rounds: numbers of the rounds, such as a progress bar over a range.
        device: to synchronise with.
        repeats: calls of a measurement by name; one if `None`.
    """
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for number in rounds:
        for name in sides if number % 2 == 0 else reversed([*sides]):
            seconds[name].append(measure_seconds(sides[name], device, (repeats or {}).get(name, 1)))
    return seconds
