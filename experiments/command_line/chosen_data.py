"""The value of the option ``--data``."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from datamodules.base import SegmentationDataModule


class ChosenData(NamedTuple):
    """A data module, and the class and settings that it was built from.

    A parameter of this type adds ``--data``; by default they are the data in the run folder of the verb's checkpoint.
    """

    module: "SegmentationDataModule"
    settings: dict[str, Any]


class DataOption(NamedTuple):
    """What ``--data`` says, for a verb that can do without data, or needs them with some of its options alone.

    A parameter of this type adds ``--data``, too.

    Args:
        given: whether the command line names data.
        choose: builds them; raises a `UserError` where there are none.
    """

    given: bool
    choose: Callable[[], ChosenData]
