"""What is looked at in the data before a training begins; `check` reads all of it."""

from datamodules.base import SegmentationDataModule
from datamodules.leaks import find_leaks, require_apart


def check_data(data: SegmentationDataModule) -> list[str]:
    """What is to be said of the splits before training: what two of them share, where that is not refused.

    Raises:
        UserError: two splits share an image or a unit, and the data do not say that this is meant.
    """
    leaks = find_leaks(data)
    if data.leaks == "refuse":
        require_apart(leaks)
    said = [leak.said for leak in leaks]
    if data.test_is_val:
        said.append("the splits 'val' and 'test' are one by design: choose settings on a part of the training split")
    return [f"note: {sentence}" for sentence in said]
