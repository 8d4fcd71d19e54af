"""The images of a sweep: their counts, and how they depend on each other."""

from typing import NamedTuple

from experiments.evaluation.blocks import Blocks, make_blocks, make_independent, order_sequences
from experiments.evaluation.scores.base import Counts
from experiments.evaluation.scores.ratios import Ratio
from experiments.evaluation.statistics import sum_by_unit


class Images(NamedTuple):
    """What is known of each image of a sweep.

    ``units`` say which images belong together; with ``places``, in which sequence they stand, and where.
    """

    ids: list[str]
    counts: Counts  # by name, (N, conditions, ...)
    units: list[str] | None = None
    places: list[int] | None = None

    @property
    def grouping(self) -> tuple[list[str] | None, list[int] | None]:
        """Units and places: two records are compared where they agree on both."""
        return self.units, self.places

    @property
    def blocks(self) -> Blocks:
        """How the units of `sum_by_unit` depend on each other."""
        if self.units is None:
            return make_independent(len(self.ids))
        if self.places is None:
            return make_independent(len({*self.units}))
        return make_blocks(order_sequences(self.units, self.places)[1])

    def sum_by_unit(self, ratio: Ratio) -> Ratio:
        """A ratio of `counts`, summed over the images of each unit; of sequences, each image in their order."""
        if self.units is None:
            return ratio
        if self.places is None:
            return sum_by_unit(ratio, self.units)
        order, _ = order_sequences(self.units, self.places)
        return ratio.apply(lambda part: part[order])
