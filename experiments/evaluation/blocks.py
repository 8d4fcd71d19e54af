"""Units that follow each other, such as the frames of a drive: what is drawn, left out and swapped are blocks of them.

Neighbouring frames err alike, so that a data set of 200 frames says far less than one of 200 independent images. Blocks
that are longer than the frames depend on each other are nearly independent.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

FACTOR = 1.6
"""Of the square root of the number of frames, whatever is tested (Lazarus, Lewis, Stock & Watson, "HAR inference:
recommendations for practice", J. Bus. Econ. Stat. 2018). Their 1.3 is a little short for frames that are correlated by 0.8
from one to the next: see ``python -m experiments coverage``."""


class Blocks(NamedTuple):
    """Units in sequences, and the blocks that are made of them; blocks of one are independent units.

    A block begins at every unit and goes on at the beginning of its sequence where that ends (circular blocks: Politis &
    Romano 1992), so that all units of a sequence are in equally many. A sequence shorter than a block is one block.

    Args:
        sequences: number of units of each sequence, in the order of the units.
        length: units of a block.
    """

    sequences: tuple[int, ...]
    length: int = 1

    @property
    def number(self) -> int:
        """Number of units, which is that of the blocks."""
        return sum(self.sequences)

    @property
    def own_lengths(self) -> np.ndarray:
        """Units (N,) of the block that begins at each unit."""
        return np.repeat([min(self.length, one) for one in self.sequences], self.sequences)

    @property
    def effective_number(self) -> float:
        """How many independent blocks tell as much as the overlapping ones.

        Of N units in long sequences 3 N L / (2 L^2 + 1), as for a spectral estimate with a triangular window (Priestley,
        "Spectral analysis and time series", 1981, table 6.2); a sequence within one block counts once.
        """
        window = 3 * self.length / (2 * self.length**2 + 1)
        return float(sum(one * window if one > self.length or self.length == 1 else 1.0 for one in self.sequences))

    @property
    def are_whole_sequences(self) -> bool:
        """Whether no sequence is longer than a block: then sequences are what is drawn, as independent units are."""
        return self.length == 1 or max(self.sequences, default=0) <= self.length

    def sum_blocks(self, part: np.ndarray) -> np.ndarray:
        """Sums (N, ...) over the units (N, ...) of the block that begins at each."""
        return part if self.length == 1 else self._sum_windows(part, forwards=True)

    def count_units(self, starts: np.ndarray) -> np.ndarray:
        """How often each unit is in blocks: (R, N) of how often each block is taken to (R, N) of units."""
        return starts if self.length == 1 else self._sum_windows(starts.T, forwards=False).T

    def _sum_windows(self, part: np.ndarray, forwards: bool) -> np.ndarray:
        found, at = np.empty_like(part), 0
        for number in self.sequences:
            reach, own = min(self.length, number), part[at : at + number]
            around = np.concatenate([own, own[: reach - 1]] if forwards else [own[number - reach + 1 :], own])
            total = np.concatenate([np.zeros_like(around[:1]), around.cumsum(0)])
            found[at : at + number] = total[reach:] - total[:-reach]
            at += number
        return found

    def draw(self, resamples: int, chunk: int, seed: int) -> np.ndarray:
        """How often each unit is drawn in each resample, int32 (R, N): as many units as there are, on average.

        Args:
            resamples: R.
            chunk: resamples that are drawn at a time.
            seed: of the draw.
        """
        random = np.random.Generator(np.random.PCG64(seed))
        weights = 1 / self.own_lengths
        blocks, probabilities = max(1, round(weights.sum())), weights / weights.sum()
        sizes = [min(chunk, resamples - at) for at in range(0, resamples, chunk)]
        drawn = (random.multinomial(blocks, probabilities, size=size).astype(np.int32) for size in sizes)
        return np.concatenate([self.count_units(one) for one in drawn])

    def draw_swaps(self, number: int, random: np.random.Generator) -> np.ndarray:
        """Whether each unit is swapped, 0 or 1 (R, N): blocks side by side with probability one half each.

        Where the first one begins is drawn for each sequence, so that nothing depends on it.
        """
        if self.length == 1:
            return random.integers(0, 2, (number, self.number))
        found = []
        for units in self.sequences:
            first = random.integers(0, min(self.length, units), (number, 1))
            coins = random.integers(0, 2, (number, math.ceil(units / self.length) + 1))
            found.append(np.take_along_axis(coins, (np.arange(units) + first) // self.length, axis=1))
        return np.concatenate(found, axis=1)


def make_independent(number: int) -> Blocks:
    """Units that do not depend on each other."""
    return Blocks((number,))


def make_blocks(sequences: Sequence[int]) -> Blocks:
    """Blocks of as many units as `find_block_length` says."""
    return Blocks(tuple(sequences), find_block_length(sum(sequences)))


def find_block_length(number: int) -> int:
    """Units of a block, for so many units in sequences."""
    return math.ceil(FACTOR * math.sqrt(number))


def order_sequences(names: Sequence[str], places: Sequence[int]) -> tuple[np.ndarray, list[int]]:
    """The order (N,) in which units stand in their sequences, and the number of units of each sequence.

    Args:
        names: of the sequence of each unit.
        places: of each unit in its sequence; units of one place stay in the order that they came in.
    """
    order = np.lexsort((np.asarray(places), np.asarray(names)))
    return order, np.unique(np.asarray(names), return_counts=True)[1].tolist()
