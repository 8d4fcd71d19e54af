"""What is looked at in the data before a training begins; `check` reads all of it."""

from concurrent.futures import ThreadPoolExecutor

from datamodules.aspect import describe_framing
from datamodules.base import SegmentationDataModule
from datamodules.leaks import find_leaks, require_apart
from datamodules.reading.sizes import read_size
from experiments.data_check.file_kinds import find_left_out


def check_data(data: SegmentationDataModule) -> list[str]:
    """What is to be said of the data before training: files that are not read, and what two splits share if that is meant.

    It takes names, sizes and ``meta.csv``, and opens only files that may be equal.

    Raises:
        UserError: two splits share an image or a unit, and the data do not say that this is meant.
    """
    leaks = find_leaks(data)
    if data.leaks == "refuse":
        require_apart(leaks)
    said = [leak.said for leak in leaks]
    if data.test_is_val:
        said.append("the splits 'val' and 'test' are one by design: choose settings on a part of the training split")
    said += [found.says for found in find_left_out(data, ("train", "val")) if found.level == "look"]
    said.append(describe_framing(_sizes(data), data.size, data.aspect))
    return [f"note: {sentence}" for sentence in said if sentence]


def _sizes(data: SegmentationDataModule) -> list[tuple[int, int]]:
    """Of training images that are brought to a size, by their headers."""
    if data.size is None:
        return []
    paths = [one.image for one in getattr(data.open_split("train"), "pairs", ())]
    with ThreadPoolExecutor() as pool:
        return [size for size in pool.map(read_size, paths) if size is not None]
