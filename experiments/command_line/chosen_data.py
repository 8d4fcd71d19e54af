"""What a verb gets that reads data."""

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from datamodules.base import SegmentationDataModule


class ChosenData(NamedTuple):
    """The data of a verb that reads some, and class and settings that they were built from.

    A parameter of this type adds ``--data``; by default they are the data in the run folder of the verb's checkpoint.
    """

    module: "SegmentationDataModule"
    settings: dict[str, Any]
