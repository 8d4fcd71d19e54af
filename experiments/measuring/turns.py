"""Two ways to the same result, timed in turns: absolute times mean little on shared machines, ratios do."""

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Turns:
    """Seconds of every round of both."""

    ours: list[float]
    theirs: list[float]

    @property
    def ours_median(self) -> float:
        """Seconds."""
        return statistics.median(self.ours)

    @property
    def theirs_median(self) -> float:
        """Seconds."""
        return statistics.median(self.theirs)

    @property
    def speedup(self) -> float:
        """How many times faster ours is: the quotient of the medians."""
        return self.theirs_median / self.ours_median

    @property
    def overheads(self) -> list[float]:
        """Ours over theirs in every round."""
        return [mine / other for mine, other in zip(self.ours, self.theirs, strict=True)]


def timed(work: Callable[[], object], device: torch.device, repeats: int = 1) -> float:
    """Seconds of one call of `work`, the mean over `repeats`; what a GPU still has to do is waited for."""
    _finish(device)
    started = time.perf_counter()
    for _ in range(repeats):
        work()
    _finish(device)
    return (time.perf_counter() - started) / repeats


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def take_turns(
    ours: Callable[[], object],
    theirs: Callable[[], object],
    rounds: Iterable[int],
    device: torch.device,
    shortest: float = 0.0,
) -> Turns:
    """Time both in each of `rounds`; who begins changes from round to round.

    Args:
        ours: warmed up by the caller.
        theirs: likewise.
        rounds: numbers of the rounds, such as a progress bar over a range.
        device: whose work is waited for.
        shortest: seconds that a measurement lasts at least, by repeating what is shorter.
    """
    sides = (ours, theirs)
    repeats = [max(1, round(shortest / max(timed(side, device), 1e-6))) if shortest else 1 for side in sides]
    seconds: tuple[list[float], list[float]] = ([], [])
    for number in rounds:
        for side in (0, 1) if number % 2 == 0 else (1, 0):
            seconds[side].append(timed(sides[side], device, repeats[side]))
    return Turns(*seconds)
