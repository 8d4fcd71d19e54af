"""The image files that are meant by paths of files and folders, each once, and what is left out of them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from datamodules.reading.found_files import SUFFIXES, as_id, find_files, get_suffix
from datamodules.reading.layouts import SIDES
from experiments.predicting.marked_results import is_marked
from user_error import UserError

KINDS = ", ".join(suffix[1:] for suffix in SUFFIXES)
CONVERT = f"convert what is an image to one of {KINDS}, a volume slice by slice"
MASK = "_mask"
"""What ends the names of masks that lie beside their images."""


@dataclass
class Inputs:
    """Images to segment.

    Args:
        files: by their place below the output folder, which is their path inside the given one without its suffix.
        unread: how many files of which suffix are of no kind that is read.
        results: files that an earlier `predict` wrote.
        masks: files that are named after an image beside them, or lie in a folder of masks, as ground truth does.
        repeated: files that were found before, such as through a link.
    """

    files: dict[str, Path] = field(default_factory=dict)
    unread: Counter[str] = field(default_factory=Counter)
    results: list[Path] = field(default_factory=list)
    masks: list[Path] = field(default_factory=list)
    repeated: list[Path] = field(default_factory=list)

    def describe_left_out(self) -> list[str]:
        """A line for each reason for which files are left out."""
        lines = []
        for paths, reason in (
            (self.results, "from an earlier predict"),
            (
                self.masks,
                f"named after an image beside it and {MASK!r}, or in a folder of masks beside one of images, as ground truth "
                "is (given alone, it is segmented)",
            ),
            (self.repeated, "met before under another path"),
        ):
            if paths:
                lines.append(f"left out: {_format_count(len(paths), 'file')} {reason}, the first is {str(paths[0])!r}")
        if self.unread:
            kinds = ", ".join(f"{times} {kind}" for kind, times in sorted(self.unread.items()))
            lines.append(
                f"left out: {_format_count(self.unread.total(), 'file')} of kinds that are not read ({kinds}): {CONVERT}"
            )
        return lines


def _format_count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def find_inputs(given: Sequence[Path]) -> Inputs:
    """The images among files and folders, which are searched as those of data sets are.

    Raises:
        UserError: a path does not exist, a folder holds no image, or two results would share a name.
    """
    found, seen = Inputs(), set[Path]()
    for path in given:
        for place, file in _find_places(path, found.unread).items():
            real = file.resolve()
            if real in seen:
                found.repeated.append(file)
                continue
            seen.add(real)
            if is_marked(file):
                found.results.append(file)
            elif place in found.files:
                raise UserError(
                    f"{str(found.files[place])!r} and {str(file)!r} would both be written as {place!r}: predict them apart; "
                    "nothing was written"
                )
            else:
                found.files[place] = file
    _leave_masks_out(found)
    if not found.files:
        raise UserError(f"there is no image to segment ({'; '.join(found.describe_left_out())})")
    return found


def _find_places(path: Path, unread: Counter[str]) -> dict[str, Path]:
    """The files that a path names, by their place."""
    if path.is_dir():
        files = find_files(path)
        unread.update(files.kinds_left_out)
        if not files.by_id and not files.left_out:
            raise UserError(f"the folder {str(path)!r} holds no image ({KINDS}): check the path")
        return _sort_links_last(path, files.by_id)
    if path.is_file():
        suffix = get_suffix(path)
        return {as_id(path.name[: -len(suffix)] if suffix else path.name): path}
    if path.is_symlink():
        raise UserError(f"{str(path)!r} is a link to {str(path.readlink())!r}, which does not exist: mend the link")
    raise UserError(f"no image and no folder {str(path)!r}: check the path")


def _sort_links_last(folder: Path, files: dict[str, Path]) -> dict[str, Path]:
    """Files before links to them, so that a picture is known by its own name."""
    base = folder.resolve()
    linked = {place: file.resolve() != base / file.relative_to(folder) for place, file in files.items()}
    return {place: files[place] for place in sorted(files, key=lambda place: linked[place])}


def _leave_masks_out(found: Inputs) -> None:
    holds_masks = cache(_holds_masks)  # of one call: folders change between them
    for place, file in list(found.files.items()):
        image = found.files.get(place.removesuffix(MASK))
        beside = place.endswith(MASK) and image is not None and image.parent == file.parent
        if beside or any(holds_masks(folder) for folder in file.parents[: len(Path(place).parts) - 1]):
            found.masks.append(found.files.pop(place))


def _holds_masks(folder: Path) -> bool:
    """Whether a folder is named as one of masks and lies beside one of images, as in data sets."""
    images, masks = SIDES
    return folder.name.lower() in masks and any(
        one.is_dir() and one.name.lower() in images for one in folder.parent.iterdir()
    )
