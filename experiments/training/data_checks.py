"""Quick checks of the data before a training begins; the verb `check` reads all of them."""

from concurrent.futures import ThreadPoolExecutor

from datamodules.aspect import describe_framing
from datamodules.base import SegmentationDataModule
from datamodules.leaks import find_leaks, is_blank, require_apart
from datamodules.reading.sizes import read_size
from experiments.data_check.file_kinds import find_left_out
from user_error import UserError

INSPECTED = 4
"""Number of training images whose pixels are inspected."""


def check_data(data: SegmentationDataModule) -> list[str]:
    """Notes on the data before training: files that are not read, and allowed overlaps of two splits.

    Uses names, sizes and ``meta.csv``, and opens only files that may be equal, and few others.

    Raises:
        UserError: two splits share an image or a unit, and the data do not allow it; or the window of the images leaves
            them blank.
    """
    leaks = find_leaks(data)
    if data.leaks == "refuse":
        require_apart(leaks)
    notes = [leak.message for leak in leaks]
    if data.test_is_val:
        notes.append("the splits 'val' and 'test' are one by design: choose settings on a part of the training split")
    notes += [found.says for found in find_left_out(data, ("train", "val")) if found.level == "look"]
    notes.append(describe_framing(_read_sizes(data), data.size, data.aspect))
    _require_visible(data)
    return [f"note: {sentence}" for sentence in notes if sentence]


def _require_visible(data: SegmentationDataModule) -> None:
    """Refuse a window in which a few training images, spread over the split, are completely black or white.

    Raises:
        UserError: they all are.
    """
    window = data.reading.window
    if window is None:
        return
    dataset = data.open_split("train")
    last = len(dataset) - 1
    places = {round(last * place / (INSPECTED - 1)) for place in range(INSPECTED) if last >= 0}
    if places and all(is_blank(dataset[place]["image"]) for place in places):
        raise UserError(
            f"training images, {dataset.ids[min(places)]!r} among them, have one level in each channel by the window "
            f"[{window[0]:g}, {window[1]:g}]: give `window` in dataset.yaml two levels that occur ('check' tells more)"
        )


def _read_sizes(data: SegmentationDataModule) -> list[tuple[int, int]]:
    """Sizes of the training images from their headers; empty where images are not resized."""
    if data.size is None:
        return []
    paths = [one.image for one in getattr(data.open_split("train"), "pairs", ())]
    with ThreadPoolExecutor() as pool:
        return [size for size in pool.map(read_size, paths) if size is not None]
