"""The image files that are meant by paths of files and folders and by patterns, each once, and what is left out of them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from glob import glob, has_magic
from itertools import takewhile
from pathlib import Path

from datamodules.reading.found_files import as_id, find_files, get_suffix
from datamodules.reading.layouts import SIDES
from experiments.predicting.kinds import CONVERT, KINDS, find_suffix
from experiments.predicting.marked_results import is_marked
from user_error import UserError

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
        failures: broken links, and files whose results would have the name of another's, with the reason.
    """

    files: dict[str, Path] = field(default_factory=dict)
    unread: Counter[str] = field(default_factory=Counter)
    results: list[Path] = field(default_factory=list)
    masks: list[Path] = field(default_factory=list)
    repeated: list[Path] = field(default_factory=list)
    failures: dict[Path, str] = field(default_factory=dict)

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
                lines.append(f"left out: {format_count(len(paths), 'file')} {reason}, the first is {str(paths[0])!r}")
        if self.unread:
            kinds = ", ".join(f"{times} {kind}" for kind, times in sorted(self.unread.items()))
            lines.append(
                f"left out: {format_count(self.unread.total(), 'file')} of kinds that are not read ({kinds}): {CONVERT}"
            )
        return lines


def format_count(number: int, what: str) -> str:
    """A number and what is counted, as one or as several."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def find_inputs(given: Sequence[Path]) -> Inputs:
    """The images among files and folders, which are searched as those of data sets are.

    Raises:
        UserError: a path does not exist, or a folder holds no image.
    """
    found, seen = Inputs(), set[Path]()
    for path in given:
        for place, file in _find_places(path, found).items():
            real = file.resolve()
            if real in seen:
                found.repeated.append(file)
                continue
            seen.add(real)
            if is_marked(file):
                found.results.append(file)
            elif place in found.files:
                found.failures[file] = _describe_shared(found.files[place], file, place)
            else:
                found.files[place] = file
    _leave_masks_out(found)
    if not found.files:
        reasons = [*found.describe_left_out(), *found.failures.values()]
        raise UserError(f"there is no image to segment ({'; '.join(reasons)})")
    return found


def _describe_shared(one: Path, other: Path, place: str) -> str:
    return f"{str(other)!r} would be written as {place!r}, as {str(one)!r} is: predict them apart"


def _find_places(path: Path, found: Inputs) -> dict[str, Path]:
    """The files that a path or a pattern names, by their place; what is left out is added to what was found."""
    if path.is_dir():
        problems = dict[Path, str]()
        files = find_files(path, find_suffix, problems)
        found.unread.update(files.kinds_left_out)
        for file, problem in problems.items():
            place = as_id(_remove_suffix(file.relative_to(path).as_posix(), get_suffix(file), file))
            shared = files.by_id.get(place)
            found.failures[file] = problem if shared is None else _describe_shared(shared, file, place)
        if not files.by_id and not files.left_out and not problems:
            raise UserError(f"the folder {str(path)!r} holds no image ({KINDS}): check the path")
        return _sort_links_last(path, files.by_id)
    if path.is_file():
        return {as_id(_remove_suffix(path.name, get_suffix(path), path)): path}
    if path.is_symlink():
        raise UserError(f"{str(path)!r} is a link to {str(path.readlink())!r}, which does not exist: mend the link")
    if has_magic(str(path)):
        return _find_matches(path, found)
    raise UserError(f"no image and no folder {str(path)!r}: check the path")


def _remove_suffix(name: str, suffix: str, path: Path) -> str:
    """A name without the suffix; a number that ends the name of a DICOM file, such as ``IM.17``, is no suffix."""
    ending = find_suffix(path)
    length = len(suffix if ending is None else ending)
    return name[: len(name) - length]


def _find_matches(pattern: Path, found: Inputs) -> dict[str, Path]:
    """What a pattern matches that no shell expanded; places begin behind its part without a wildcard."""
    plain = list(takewhile(lambda part: not has_magic(part), pattern.parts))
    root = Path(*plain)
    places: dict[str, Path] = {}
    matches = sorted(Path(one) for one in glob(str(pattern), recursive=True))
    for match in matches:
        inside = match.relative_to(root).parent if match.is_file() else match.relative_to(root)
        if match.is_file() and find_suffix(match) is None:
            found.unread[get_suffix(match) or "no suffix"] += 1
            continue
        if match.is_dir() and "**" in pattern.parts:
            continue  # its files match themselves
        if match.is_symlink() and not match.exists():
            found.failures[match] = (
                f"{match} is a link to {str(match.readlink())!r}, which does not exist: mend the link"
            )
            continue
        for place, file in _find_places(match, found).items():
            name = as_id((inside / place).as_posix())
            if name in places and places[name].resolve() != file.resolve():
                found.failures[file] = _describe_shared(places[name], file, name)
            else:
                places[name] = file
    if not matches:
        raise UserError(f"no file matches the pattern {str(pattern)!r}: check the path")
    return places


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
