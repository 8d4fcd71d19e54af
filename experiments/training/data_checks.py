"""What is looked at in the data before a training begins; `check` reads all of it."""

from concurrent.futures import ThreadPoolExecutor

from datamodules.aspect import describe_framing
from datamodules.base import SegmentationDataModule
from datamodules.leaks import find_leaks, is_blank, require_apart
from datamodules.reading.sizes import read_size
from experiments.data_check.file_kinds import find_left_out
from user_error import UserError

LOOKED_AT = 4
"""Training images whose pixels are looked at."""


def check_data(data: SegmentationDataModule) -> list[str]:
    """What is to be said of the data before training: files that are not read, and what two splits share if that is meant.

    It takes names, sizes and ``meta.csv``, and opens files that may be equal, and few others.

    Raises:
        UserError: two splits share an image or a unit, and the data do not say that this is meant; or the window of the
            images shows nothing.
    """
    leaks = find_leaks(data)
    if data.leaks == "refuse":
        require_apart(leaks)
    said = [leak.message for leak in leaks]
    if data.test_is_val:
        said.append("the splits 'val' and 'test' are one by design: choose settings on a part of the training split")
    said += [found.says for found in find_left_out(data, ("train", "val")) if found.level == "look"]
    said.append(describe_framing(_sizes(data), data.size, data.aspect))
    _require_something_to_see(data)
    return [f"note: {sentence}" for sentence in said if sentence]


def _require_something_to_see(data: SegmentationDataModule) -> None:
    """Refuse a window in which a few training images, from all over the split, are black or white as a whole.

    Raises:
        UserError: they are.
    """
    window = data.reading.window
    if window is None:
        return
    dataset = data.open_split("train")
    last = len(dataset) - 1
    places = {round(last * place / (LOOKED_AT - 1)) for place in range(LOOKED_AT) if last >= 0}
    if places and all(is_blank(dataset[place]["image"]) for place in places):
        raise UserError(
            f"training images, {dataset.ids[min(places)]!r} among them, have one level in each channel by the window "
            f"[{window[0]:g}, {window[1]:g}]: give `window` in dataset.yaml two levels that occur ('check' tells more)"
        )


def _sizes(data: SegmentationDataModule) -> list[tuple[int, int]]:
    """Of training images that are brought to a size, by their headers."""
    if data.size is None:
        return []
    paths = [one.image for one in getattr(data.open_split("train"), "pairs", ())]
    with ThreadPoolExecutor() as pool:
        return [size for size in pool.map(read_size, paths) if size is not None]
