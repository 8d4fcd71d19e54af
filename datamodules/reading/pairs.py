"""Pairs of images and masks, matched by their names."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from datamodules.reading.found_files import SUFFIXES, FoundFiles, as_id, find_files, get_suffix
from user_error import UserError

KINDS = ", ".join(suffix[1:] for suffix in SUFFIXES)


class Pair(NamedTuple):
    """An image, its mask, and the id that names both."""

    id: str
    image: Path
    mask: Path


class Case(NamedTuple):
    """A case, such as a patient: a file for each channel, all of one geometry, and that of the labels."""

    id: str
    images: tuple[Path, ...]
    label: Path


class Naming(NamedTuple):
    """Folders of images and masks, and how the names of a pair differ.

    Args:
        image_folder: folder of images within the folder of a split.
        mask_folder: likewise, of masks; it may be the same.
        image_suffix: ending of the names of images, before the extension, that is not part of the id.
        mask_suffix: likewise, of masks, such as ``_mask``.
    """

    image_folder: str = "images"
    mask_folder: str = "masks"
    image_suffix: str = ""
    mask_suffix: str = ""

    def split(self, images: FoundFiles, masks: FoundFiles) -> tuple[dict[str, Path], dict[str, Path]]:
        """The images and the masks by the id of their pair."""
        by_mask = _strip_suffix(masks.by_id, self.mask_suffix)
        of_masks = set(by_mask.values()) if images.folder == masks.folder else set()
        others = {name: path for name, path in images.by_id.items() if path not in of_masks}
        return _strip_suffix(others, self.image_suffix), by_mask


def _strip_suffix(found: dict[str, Path], suffix: str) -> dict[str, Path]:
    return {name.removesuffix(suffix): path for name, path in found.items() if name.endswith(suffix)}


def _refuse_missing(missing: Sequence[str], what: str, folder: Path, remedy: str) -> None:
    if missing:
        raise UserError(f"{len(missing)} {what} in {folder}, the first is {missing[0]!r}: {remedy}")


def pair(root: Path, names: Collection[str] | None = None, naming: Naming | None = None) -> list[Pair]:
    """Match images and masks of the same names in two folders, sorted by id.

    Args:
        root: the folder that contains both; images in nested folders have ids such as ``berlin/0001``.
        names: the listed images; all if `None`.
        naming: names of the folders and files.

    Raises:
        UserError: a folder is missing, two files have the same name, an image has no mask or a mask no image, or a
            listed image does not exist.
    """
    naming = naming or Naming()
    image_files = find_files(root / naming.image_folder)
    same = naming.image_folder == naming.mask_folder
    mask_files = image_files if same else find_files(root / naming.mask_folder)
    images, masks = naming.split(image_files, mask_files)
    if not same and not masks:
        _refuse_unread(image_files, mask_files)
    if names is None:
        _refuse_lost(image_files, mask_files, same)
        orphans = sorted(masks.keys() - images.keys())
        _refuse_another_suffix(orphans, images, mask_files, naming)
        _refuse_missing(
            orphans,
            "masks have no image",
            image_files.folder,
            _suggest_remedy("image", image_files, orphans, "remove the mask"),
        )
        wanted = sorted(images)
    else:
        wanted = find_listed(names, images, image_files.folder)
    bare = [name for name in wanted if name not in masks]
    if bare and names is not None:
        _refuse_another_suffix(sorted(masks.keys() - images.keys()), images, mask_files, naming)
    _refuse_missing(
        bare, "images have no mask", mask_files.folder, _suggest_remedy("mask", mask_files, bare, "remove the image")
    )
    return [Pair(name, images[name], masks[name]) for name in wanted]


def _suggest_remedy(what: str, found: FoundFiles, missing: Sequence[str], otherwise: str) -> str:
    """The remedy for missing files; it names a file of the same name in an unsupported format."""
    first = missing[0] if missing else ""
    for name, path in found.left_out.items():
        if name.startswith(f"{first}."):
            return f"{path} is not read; convert it to one of {KINDS}"
    return f"add the {what} ({KINDS}) or {otherwise}"


def _refuse_unread(images: FoundFiles, masks: FoundFiles) -> None:
    kinds = masks.kinds_left_out.most_common(3)
    if kinds and (images.by_id or images.left_out):
        told = ", ".join(f"{times} of {kind}" for kind, times in kinds)
        raise UserError(f"{masks.folder} holds no file that is read ({told}): convert the masks to one of {KINDS}")


def _refuse_lost(images: FoundFiles, masks: FoundFiles, same: bool) -> None:
    """Refuse pairs in unsupported formats, which would otherwise be left out silently."""
    if same:
        return
    stems = {_get_stem(path, images.folder) for path in images.left_out.values()}
    lost = sorted(path for path in masks.left_out.values() if _get_stem(path, masks.folder) in stems)
    if lost:
        raise UserError(
            f"{len(lost)} pairs in {images.folder} and {masks.folder} are of kinds that are not read, the first is "
            f"{lost[0].name!r}: convert them to one of {KINDS}, or move them out of the folders"
        )


def _get_stem(path: Path, folder: Path) -> str:
    name = path.relative_to(folder).as_posix()
    return as_id(name.removesuffix(name[len(name) - len(get_suffix(path)) :]) if get_suffix(path) else name)


def _refuse_another_suffix(orphans: Sequence[str], images: dict[str, Path], found: FoundFiles, naming: Naming) -> None:
    """Refuse masks whose names have a further ending, with the line for ``dataset.yaml`` that reads them."""
    if naming.mask_suffix or not orphans:
        return
    endings = set()
    for orphan in orphans:
        fitting = [orphan[len(name) :] for name in _list_prefixes(orphan) if name in images]
        if not fitting:
            return
        endings.add(fitting[0])
    if len(endings) == 1:
        ending = endings.pop()
        raise UserError(
            f"the masks in {found.folder} are named after their images and {ending!r}: add the line "
            f"`mask_suffix: {ending}` to dataset.yaml"
        )


def _list_prefixes(name: str) -> list[str]:
    return [name[:end] for end in range(len(name) - 1, 0, -1)]


def find_listed(names: Collection[str], images: dict[str, Path], folder: Path) -> list[str]:
    """The sorted ids of listed images, whose names may have an extension and slashes of either kind.

    Raises:
        UserError: a listed image is missing.
    """
    found = {name: _find_name(name, images) for name in names}
    absent = sorted(name for name, meant in found.items() if meant is None)
    if absent:
        padded = {name.lstrip("0") or "0": name for name in images if name.isdigit() and name.startswith("0")}
        if absent[0] in padded:
            raise UserError(
                f"{len(absent)} listed images are missing in {folder}, the first is {absent[0]!r} where the file is named "
                f"{padded[absent[0]]!r}: a spreadsheet or YAML has read names as numbers and dropped their zeros; write "
                "them as texts, in YAML between quotes"
            )
        raise UserError(
            f"{len(absent)} listed images are missing in {folder}, the first is {absent[0]!r}: add the file ({KINDS}) "
            "or correct the list"
        )
    return sorted({meant for meant in found.values() if meant is not None})


def _find_name(name: str, images: dict[str, Path]) -> str | None:
    for spelt in (as_id(name), as_id(name.replace("\\", "/"))):
        if spelt in images:
            return spelt
        suffix = get_suffix(Path(spelt))
        if suffix in SUFFIXES and spelt[: -len(suffix)] in images:
            return spelt[: -len(suffix)]
    return None


def require_present(pairs: Sequence[Pair]) -> list[Pair]:
    """Check that all files of `pairs` exist, and return the pairs sorted by id.

    Raises:
        UserError: a file does not exist.
    """
    missing = [path for one in pairs for path in (one.image, one.mask) if not path.is_file()]
    if missing:
        raise UserError(f"{len(missing)} listed files are missing, the first is {missing[0]}: complete the data set")
    return sorted(pairs)
