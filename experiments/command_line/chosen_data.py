"""The value of the option ``--data``."""

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from datamodules.base import SegmentationDataModule


class ChosenData(NamedTuple):
    """A data module, and the class and settings that it was built from.

    A parameter of this type adds ``--data``; by default they are the data in the run folder of the verb's checkpoint.
    """

    module: "SegmentationDataModule"
    settings: dict[str, Any]
