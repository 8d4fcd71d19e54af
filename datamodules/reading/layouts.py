"""Recognition of folder layouts of other programs, with the key, class or command that reads them."""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from datamodules.reading.found_files import SUFFIXES, get_suffix
from datamodules.reading.lists import SPLIT_NAMES
from datamodules.reading.origins import ORIGINS
from datamodules.reading.published_layouts import PUBLISHED

MOST_ENTRIES = 2000
"""Largest number of entries of a folder that are examined."""

VOLUMES = {
    ".nii": "NIfTI",
    ".nii.gz": "NIfTI",
    ".nrrd": "NRRD",
    ".mha": "MetaImage",
    ".mhd": "MetaImage",
    ".dcm": "DICOM",
}
SIDES = (
    ("images", "image", "imgs", "img", "inputs", "photos"),
    ("masks", "mask", "labels", "label", "annotations", "gt"),
)
"""Common names of folders of images and of folders of masks."""

WORDS = (*SIDES[0], *SIDES[1])

LAYOUT = "train/images, train/masks, likewise val and test"


def explain_layout(root: Path) -> str | None:
    """Describe which known layout a folder has and how it is read; `None` for an unknown layout.

    Args:
        root: a folder that is no complete data folder of this project.
    """
    for recognise in (
        *(
            _recognise_published,
            _recognise_oxford_pet,
            _recognise_voc,
            _recognise_cityscapes,
            _recognise_nnunet,
            _recognise_tables,
            _recognise_coco,
            _recognise_labelme,
            _recognise_yolo,
            _recognise_volumes,
        ),
        *(
            _recognise_missing_description,
            _recognise_capitals,
            _recognise_side_by_side,
            _recognise_other_names,
            _recognise_swapped,
        ),
    ):
        explanation = recognise(root)
        if explanation is not None:
            return explanation
    return None


def _list_entries(folder: Path) -> list[Path]:
    try:
        return sorted(islice((one for one in folder.iterdir() if not one.name.startswith(".")), MOST_ENTRIES))
    except OSError:
        return []


def _walk_files(root: Path, levels: int = 3) -> Iterator[Path]:
    """Iterate over the files of a folder and of its subfolders, down to a number of levels."""
    for entry in _list_entries(root):
        if entry.is_file():
            yield entry
        elif levels and entry.is_dir():
            yield from _walk_files(entry, levels - 1)


def _list_pictures(folder: Path) -> list[Path]:
    return [one for one in _list_entries(folder) if get_suffix(one) in SUFFIXES]


def _find_root(root: Path, *parts: str) -> Path | None:
    """The folder that contains all `parts`: `root`, its parent, or a folder up to two levels below it."""
    inside = [one for one in _list_entries(root) if one.is_dir()]
    deeper = (one for folder in inside for one in _list_entries(folder) if one.is_dir())
    for folder in (root, root.parent, *inside, *deeper):
        if all((folder / part).is_dir() for part in parts):
            return folder
    return None


def _recognise_published(root: Path) -> str | None:
    for name, parts in PUBLISHED:
        found = _find_root(root, *parts)
        if found is not None:
            return (
                f"{found} holds {ORIGINS[name].name}: pass --data experiments/configs/data/{name}.yaml "
                f"--data.init_args.root {found}"
            )
    return None


def _recognise_oxford_pet(root: Path) -> str | None:
    found = _find_root(root, "annotations/trimaps", "images")
    if found is None:
        return None
    return (
        f"{found} holds Oxford-IIIT Pet: pass --data experiments/configs/data/oxford_pet.yaml --data.init_args.root "
        f"{found.parent} (the folder must be named oxford-iiit-pet)"
    )


def _recognise_voc(root: Path) -> str | None:
    found = _find_root(root, "JPEGImages", "SegmentationClass")
    if found is None:
        return None
    location = "" if found.parent.name == "VOCdevkit" else " (which lies in VOCdevkit/VOC2012)"
    lists = "ImageSets/Segmentation"
    return (
        f"{found} is laid out as Pascal VOC: its own 21 classes are read by --data experiments/configs/data/voc.yaml with "
        f"--data.init_args.root at the folder that holds VOCdevkit{location}; for classes of yours add the lines `image_folder: "
        "JPEGImages`, `mask_folder: SegmentationClass` and `splits: {"
        + ", ".join(f"{name}: {lists}/{name}.txt" for name in ("train", "val", "test"))
        + "}` to dataset.yaml"
    )


def _recognise_cityscapes(root: Path) -> str | None:
    found = _find_root(root, "leftImg8bit", "gtFine")
    if found is None:
        return None
    return (
        f"{found} is laid out as Cityscapes: pass --data experiments/configs/data/cityscapes.yaml --data.init_args.root "
        f"{found}"
    )


def _recognise_nnunet(root: Path) -> str | None:
    found = _find_root(root, "imagesTr", "labelsTr")
    if found is None:
        return None
    entries = _list_entries(found / "imagesTr")
    channels = sorted({mark[1] for one in entries if (mark := re.search(r"_(\d{4})\.", one.name))})
    described = (found / "dataset.json").is_file()
    if len(channels) == 1 and not described and not any(get_suffix(one) in VOLUMES for one in entries):
        return (
            f"{found} is laid out as nnU-Net's raw format: add the lines `image_folder: imagesTr`, `mask_folder: labelsTr`, "
            f"`image_suffix: _{channels[0]}` and `splits: {{train: [...], val: [...], test: [...]}}` to dataset.yaml, with "
            "the name of a case on each line of the lists"
        )
    first = "" if described else "write its dataset.json, and "
    return (
        f"{found} is laid out as nnU-Net's raw format: {first}pass --data experiments/configs/data/nnunet.yaml "
        f"--data.init_args.root {found}; for CT with --data.init_args.window [low, high] --data.init_args.percentiles null"
    )


def _recognise_tables(root: Path) -> str | None:
    """Recognise tables of Hugging Face data sets."""
    names = {one.name for one in _walk_files(root, 2)}
    if not (
        names & {"dataset_dict.json", "state.json", "metadata.jsonl"}
        or any(name.endswith(".parquet") for name in names)
    ):
        return None
    return (
        f"{root} holds tables of the library datasets: pass --data experiments/configs/data/hugging_face.yaml "
        f"--data.init_args.root {root}, with the settings image, mask and classes, and unit for the column of patients"
    )


def _recognise_coco(root: Path) -> str | None:
    for path in islice((one for one in _walk_files(root, 2) if one.suffix.lower() == ".json"), 50):
        try:
            with path.open("rb") as file:
                head = file.read(65536)
        except OSError:
            continue
        if (
            path.name.endswith("coco.json")
            or sum(word in head for word in (b'"images"', b'"annotations"', b'"categories"')) > 1
        ):
            return (
                f"{path} looks like annotations of COCO, which are polygons: draw them as masks, the category of each pixel as "
                f"its value, such as with pycocotools (`coco.annToMask(annotation) * annotation['category_id']`), into {LAYOUT}"
            )
    return None


def _recognise_labelme(root: Path) -> str | None:
    files = list(islice(_walk_files(root), MOST_ENTRIES))
    stems = {one.with_suffix("") for one in files if get_suffix(one) in SUFFIXES}
    beside = [one for one in files if one.suffix.lower() == ".json" and one.with_suffix("") in stems]
    if not beside:
        return None
    return (
        f"{beside[0].parent} holds a JSON file beside each image, as LabelMe writes polygons: draw them as masks with "
        f"`labelme_export_json` or labelme's examples/semantic_segmentation/labelme2voc.py, into {LAYOUT}"
    )


def _recognise_yolo(root: Path) -> str | None:
    for folder in (root / "labels", root / "train" / "labels"):
        found = [one for one in _list_entries(folder) if one.suffix.lower() == ".txt"]
        if found and not _list_pictures(folder):
            return (
                f"{folder} holds text files, as YOLO lists polygons or boxes: draw the polygons as masks (cv2.fillPoly, with the "
                f"class as the value), into {LAYOUT}"
            )
    return None


def _recognise_volumes(root: Path) -> str | None:
    kinds = Counter(get_suffix(one) for one in islice(_walk_files(root), MOST_ENTRIES))
    found = [kind for kind in VOLUMES if kinds[kind]]
    if not found or sum(kinds[kind] for kind in SUFFIXES) > sum(kinds[kind] for kind in found):
        return None
    reader = "pydicom" if found[0] == ".dcm" else "nibabel" if found[0].startswith(".nii") else "SimpleITK"
    return (
        f"{root} holds {VOLUMES[found[0]]} files ({found[0]}), which are not read in this place: arrange NIfTI files as "
        f"nnU-Net's raw format (imagesTr, labelsTr, dataset.json), or write slices as .npy arrays with {reader}, images and "
        f"masks under the same names, into {LAYOUT}, with `window: [low, high]` in dataset.yaml and a column `patient` in "
        "meta.csv"
    )


def _list_split_folders(root: Path) -> list[tuple[str, Path]]:
    """The folders of splits, or `root` itself where there are none."""
    found = [(name, root / name) for name in SPLIT_NAMES if (root / name).is_dir()]
    return found or [("", root)]


def _recognise_missing_description(root: Path) -> str | None:
    """Recognise the layout of this project where only the description is missing."""
    if (root / "dataset.yaml").is_file():
        return None
    if (root / "dataset.yml").is_file():
        return "it holds dataset.yml: rename that to dataset.yaml"
    for name, place in _list_split_folders(root):
        if _list_pictures(place / "images") and _list_pictures(place / "masks"):
            lists = "" if name else " and say in lists which image belongs to which split"
            return f"its images and masks lie where they are read: add a dataset.yaml{lists}"
    return None


def _recognise_capitals(root: Path) -> str | None:
    """Recognise folders such as ``Train/Images``, whose names must be in lower case."""
    for split in (one for one in _list_entries(root) if one.is_dir() and one.name.lower() in (*SPLIT_NAMES, *WORDS)):
        for folder in (split, *(one for one in _list_entries(split) if one.is_dir() and one.name.lower() in WORDS)):
            if folder.name != folder.name.lower():
                return f"{folder} is written with capitals: rename it to {folder.name.lower()}, and others like it"
    return None


def _recognise_side_by_side(root: Path) -> str | None:
    for name, place in _list_split_folders(root):
        folders = [place, *(one for one in _list_entries(place) if one.is_dir() and one.name.lower() in SIDES[0])]
        for folder in folders:
            ending = find_ending(folder)
            if ending is not None:
                inside = folder.relative_to(place).as_posix()
                lines = f"`image_folder: {inside}`, `mask_folder: {inside}`, `mask_suffix: {ending}`"
                lists = "" if name else " and `splits: {train: train.txt, val: val.txt, test: test.txt}`"
                return f"{folder} holds images and masks side by side: add the lines {lines}{lists} to dataset.yaml"
    return None


def find_ending(folder: Path) -> str | None:
    """The ending, such as ``_mask``, that distinguishes masks from the images beside them."""
    stems = {one.name.removesuffix("".join(one.suffixes[-1:])) for one in _list_pictures(folder)}
    endings = Counter(
        stem[end:] for stem in stems for end in range(1, len(stem)) if stem[:end] in stems and not stem[end].isalnum()
    )
    for ending, times in endings.most_common(1):
        if 3 * times >= len(stems) and not re.search(r"\d", ending) and 2 * times >= len(stems) - times:
            return ending
    return None


def _recognise_other_names(root: Path) -> str | None:
    for name, place in _list_split_folders(root):
        inside = {one.name.lower(): one.name for one in _list_entries(place) if one.is_dir()}
        sides = [next((inside[word] for word in words if word in inside), None) for words in SIDES]
        if (
            not all(sides)
            or sides == ["images", "masks"]
            or not any(_list_pictures(place / str(side)) for side in sides)
        ):
            continue
        lists = "" if name else " and `splits: {train: train.txt, val: val.txt, test: test.txt}`"
        return (
            f"{place} holds images in {sides[0]} and masks in {sides[1]}: add the lines `image_folder: {sides[0]}`, "
            f"`mask_folder: {sides[1]}`{lists} to dataset.yaml"
        )
    return None


def _recognise_swapped(root: Path) -> str | None:
    """Recognise ``images/train`` and ``masks/train`` in place of ``train/images`` and ``train/masks``."""
    for images in (one for one in _list_entries(root) if one.is_dir() and one.name.lower() in SIDES[0]):
        for masks in (one for one in _list_entries(root) if one.is_dir() and one.name.lower() in SIDES[1]):
            splits = [
                one.name for one in _list_entries(images) if one.name in SPLIT_NAMES and (masks / one.name).is_dir()
            ]
            if splits:
                moves = " && ".join(
                    f"mkdir -p {split} && mv {images.name}/{split} {split}/images && mv {masks.name}/{split} {split}/masks"
                    for split in splits
                )
                return f"{root} holds {images.name}/{splits[0]} where {splits[0]}/images is read: run `cd {root} && {moves}`"
    return None
