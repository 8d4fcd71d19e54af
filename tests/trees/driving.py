"""Tiny made-up trees in the layouts of driving data sets and of ADE20K, one function each.

A mask holds the numbers that its publishers store; `TREES` says what they mean.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

SIZE = (32, 40)
IGNORED = 255


class Tree(NamedTuple):
    """A data set: its class, how its tree is made, what is in it, and what a complete one must say when it is not there."""

    module: str
    make: Callable[[Path], None]
    splits: Mapping[str, Sequence[str]]  # ids; of splits without labels none
    classes: int
    named: Mapping[int, str]  # some classes by id
    stored: Mapping[int, int]  # class ids by numbers in the masks
    missing: str  # in the sentence for an empty folder
    settings: Mapping[str, object] = {}
    meta: Mapping[str, Mapping[str, str]] = {}  # of some images of the test split
    sequences: Sequence[str] | None = None  # of the test split, in order


def draw(path: Path, numbers: Sequence[int] | None = None, size: tuple[int, int] = SIZE) -> None:
    """An image of noise, or a mask with vertical stripes of numbers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if numbers is None:
        noise = np.random.default_rng([*path.name.encode()]).integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(noise).save(path)
        return
    row = np.array(numbers, np.uint8)[np.arange(size[1]) * len(numbers) // size[1]]
    Image.fromarray(np.broadcast_to(row, size).copy()).save(path)


LABEL_IDS = {0: IGNORED, 4: IGNORED, 7: 0, 23: 10, 29: IGNORED, 33: 18}
TRAIN_IDS = {0: 0, 10: 10, 18: 18, 255: IGNORED}
CITYSCAPES = {0: "road", 10: "sky", 18: "bicycle"}


def make_cityscapes(root: Path) -> None:
    """Three cities, of which one has two sequences."""
    names = {"train": ["bochum_000000_000019"], "val": ["ulm_000000_000019", "ulm_000001_000019", "jena_000000_000019"]}
    for split, images in names.items():
        for name in images:
            city = name.partition("_")[0]
            draw(root / "leftImg8bit" / split / city / f"{name}_leftImg8bit.png")
            draw(root / "gtFine" / split / city / f"{name}_gtFine_labelIds.png", [*LABEL_IDS])


def make_ade20k(root: Path) -> None:
    """Two images to train on, two to test."""
    for part, names in {
        "training": ["ADE_train_00000001", "ADE_train_00000002"],
        "validation": ["ADE_val_00000001", "ADE_val_00000002"],
    }.items():
        for name in names:
            draw(root / "ADEChallengeData2016" / "images" / part / f"{name}.jpg")
            draw(root / "ADEChallengeData2016" / "annotations" / part / f"{name}.png", [0, 1, 150])


def make_acdc(root: Path) -> None:
    """An image of each condition and split; fog has two sequences, and a reference with labels."""
    for condition, folder in {"fog": "GOPR0475", "night": "GOPR0351", "rain": "GP010400", "snow": "GOPR0122"}.items():
        places = [("train", folder, 1), ("val", folder, 41), *([("val", "GOPR0476", 7)] if condition == "fog" else [])]
        for split, sequence, frame in places:
            name = f"{sequence}_frame_{frame:06}"
            images, masks = root / "rgb_anon" / condition, root / "gt" / condition
            draw(images / split / sequence / f"{name}_rgb_anon.png")
            draw(images / f"{split}_ref" / sequence / f"{name}_rgb_ref_anon.png")
            draw(masks / split / sequence / f"{name}_gt_labelTrainIds.png", [*TRAIN_IDS])
            draw(masks / split / sequence / f"{name}_gt_labelIds.png", [7, 23, 33, 0])
            draw(masks / split / sequence / f"{name}_gt_invIds.png", [0, 0, 0, 1])
            (masks / f"{split}_ref").mkdir(exist_ok=True)
            if condition == "fog" and sequence == folder:
                draw(masks / f"{split}_ref" / sequence / f"{name}_gt_ref_labelTrainIds.png", [*TRAIN_IDS])
        draw(root / "rgb_anon" / condition / "test" / folder / f"{folder}_frame_000002_rgb_anon.png")


def make_dark_zurich(root: Path) -> None:
    """One image at night, and its unlabelled reference by day."""
    name, base = "GOPR0356_frame_000321", root / "Dark_Zurich_val_anon"
    draw(base / "rgb_anon/val/night/GOPR0356" / f"{name}_rgb_anon.png")
    draw(base / "rgb_anon/val_ref/day/GOPR0356_ref" / f"{name}_ref_rgb_anon.png")
    draw(base / "gt/val/night/GOPR0356" / f"{name}_gt_labelTrainIds.png", [*TRAIN_IDS])
    draw(base / "gt/val/night/GOPR0356" / f"{name}_gt_labelColor.png", [1, 2])


def make_foggy_zurich(root: Path) -> None:
    """Three images, of which two are listed as labelled."""
    names = [f"GP010229/1508040913.0_frame_{frame:06}" for frame in (955, 960, 965)]
    for name in names:
        draw(root / "RGB" / f"{name}.png")
    for name in names[:2]:
        draw(root / "gt_labelIds" / f"{name}.png", [*LABEL_IDS])
    (root / "lists_file_names").mkdir()
    lines = "".join(f"RGB/{name}.png\n" for name in names[:2])
    (root / "lists_file_names" / "RGB_testv2_filenames.txt").write_text(lines)


def make_foggy_driving(root: Path) -> None:
    """A finely and a coarsely labelled image."""
    for part, kind, record in (("test", "gtFine", "public"), ("test_extra", "gtCoarse", "web")):
        name = f"{record}_000000_1"
        draw(root / "leftImg8bit" / part / record / f"{name}_leftImg8bit.png")
        draw(root / kind / part / record / f"{name}_{kind}_labelIds.png", [*LABEL_IDS])


def make_bdd100k(root: Path) -> None:
    """Two images of each split."""
    for part in ("train", "val", "test"):
        for name in (f"{part}-7d06fefd", f"{part}-7d2f7975"):
            draw(root / "bdd100k" / "images/10k" / part / f"{name}.jpg")
            if part != "test":
                draw(root / "bdd100k" / "labels/sem_seg/masks" / part / f"{name}.png", [*TRAIN_IDS])


def make_bdd100k_first(root: Path) -> None:
    """The layout of the first release."""
    for part in ("train", "val"):
        draw(root / "seg/images" / part / f"{part}-7d06fefd.jpg")
        draw(root / "seg/labels" / part / f"{part}-7d06fefd_train_id.png", [*TRAIN_IDS])


def make_muses(root: Path) -> None:
    """Two recordings."""
    for part in ("train", "val"):
        for inside, name in (("fog/night", "REC0008_frame_079714"), ("clear/day", "REC0001_frame_000001")):
            draw(root / "frame_camera" / part / inside / f"{name}_frame_camera.png")
            draw(root / "gt_semantic" / part / inside / f"{name}_gt_labelTrainIds.png", [*TRAIN_IDS])
            draw(root / "gt_semantic" / part / inside / f"{name}_gt_labelIds.png", [7, 23, 33, 0])


def make_idd(root: Path) -> None:
    """Two images of each split, with masks of both sets of classes."""
    for part in ("train", "val"):
        for name in ("frame0029", "frame0299"):
            draw(root / "IDD_Segmentation/leftImg8bit" / part / "119" / f"{name}_leftImg8bit.png")
            masks = root / "IDD_Segmentation/gtFine" / part / "119"
            draw(masks / f"{name}_gtFine_labellevel3Ids.png", [0, 8, 25, 255])
            draw(masks / f"{name}_gtFine_labelcsTrainIds.png", [*TRAIN_IDS])


_VISTAS = ["0035fkbjWljhaftpVM37-g", "00qclUcInksIYnm19b1Xfw"]


def make_mapillary_vistas(root: Path) -> None:
    """Three labels, of which the last is not evaluated."""
    labels = [("Bird", [165, 42, 42], True), ("Ego Vehicle", [120, 10, 10], True), ("Unlabeled", [0, 0, 0], False)]
    keys = ("readable", "color", "evaluate")
    root.mkdir(parents=True, exist_ok=True)
    config = {"labels": [dict(zip(keys, one, strict=True)) for one in labels], "version": "1.2"}
    (root / "config_v1.2.json").write_text(json.dumps(config))
    for part in ("training", "validation"):
        for name in _VISTAS:
            draw(root / part / "images" / f"{name}.jpg")
            draw(root / part / "v1.2/labels" / f"{name}.png", [0, 1, 2])


BRAVO = {
    "bravo_ACDC/fog/test/GOPR0475/GOPR0475_frame_000247": ("_rgb_anon.png", "_gt_labelTrainIds", "_gt_invIds"),
    "bravo_ACDC/night/test/GOPR0355/GOPR0355_frame_000138": ("_rgb_anon.png", "_gt_labelTrainIds", "_gt_invIds"),
    "bravo_SMIYC/RoadAnomaly21/images/zebra0000": (".jpg", "_labels_semantic_fake", "_labels_semantic"),
    "bravo_synobjs/armchair/1": (".png", "_gt", "_mask"),
    "bravo_synflare/munster/munster_000018_000019": ("_leftImg8bit.png", "_gt_labelTrainIds", "_gt_invIds"),
    "bravo_synrain/munster/munster_000018_000019": ("_leftImg8bit.png", "_gt_labelTrainIds", "_gt_invIds"),
}
"""Of each image, the ending of its name, of its labels' and of its mask's of invalid pixels."""


def make_bravo(root: Path, truth: Path | None = None) -> None:
    """An image of each of six subsets; the last of four stripes is invalid, the third void."""
    for name, (image, labels, invalid) in BRAVO.items():
        draw(root / f"{name}{image}")
        draw((truth or root) / f"{name}{labels}.png", [0, 10, 255, 18])
        draw((truth or root) / f"{name}{invalid}.png", [0, 0, 0, 1])


_SETS = "datamodules.datasets"
_ACDC = [
    "fog/GOPR0475/GOPR0475_frame_000041",
    "fog/GOPR0476/GOPR0476_frame_000007",
    "night/GOPR0351/GOPR0351_frame_000041",
    "rain/GP010400/GP010400_frame_000041",
    "snow/GOPR0122/GOPR0122_frame_000041",
]
_REFERENCE = "fog_ref/GOPR0475/GOPR0475_frame_000041"
_FOGGY = [f"GP010229/1508040913.0_frame_{frame:06}" for frame in (955, 960)]
_ULM = ["jena_000000_000019", "ulm_000000_000019", "ulm_000001_000019"]
_DARK = ["GOPR0356/GOPR0356_frame_000321"]
_IDD = ["119/frame0029", "119/frame0299"]
_MUSES = ["clear/day/REC0001_frame_000001", "fog/night/REC0008_frame_079714"]

TREES = {
    "cityscapes": Tree(
        f"{_SETS}.cityscapes.CityscapesDataModule",
        make_cityscapes,
        {"train": ["bochum_000000_000019"], "val": _ULM, "test": _ULM},
        19,
        CITYSCAPES,
        LABEL_IDS,
        "cityscapes-dataset.com",
        meta={"ulm_000001_000019": {"city": "ulm"}},
        sequences=["jena", "ulm", "ulm"],
    ),
    "ade20k": Tree(
        f"{_SETS}.ade20k.ADE20KDataModule",
        make_ade20k,
        {
            "train": ["ADE_train_00000001", "ADE_train_00000002"],
            **dict.fromkeys(("val", "test"), ("ADE_val_00000001", "ADE_val_00000002")),
        },
        150,
        {0: "wall", 20: "car", 149: "flag"},
        {0: IGNORED, 1: 0, 150: 149},
        "ADEChallengeData2016.zip from http://sceneparsing",
    ),
    "acdc": Tree(
        f"{_SETS}.acdc.ACDCDataModule",
        make_acdc,
        {
            "train": [one.replace("000041", "000001") for one in _ACDC if "GOPR0476" not in one],
            **dict.fromkeys(("val", "test"), _ACDC),
        },
        19,
        CITYSCAPES,
        TRAIN_IDS,
        r"rgb_anon_trainvaltest.zip and gt_trainval.zip from https://acdc",
        meta={_ACDC[3]: {"condition": "rain", "sequence": "GP010400"}},
        sequences=["GOPR0475", "GOPR0476", "GOPR0351", "GP010400", "GOPR0122"],
    ),
    "acdc with references": Tree(
        f"{_SETS}.acdc.ACDCDataModule",
        make_acdc,
        {"test": [_ACDC[0], _ACDC[1], _REFERENCE, *_ACDC[2:]]},
        19,
        CITYSCAPES,
        TRAIN_IDS,
        "https://acdc",
        settings={"references": True},
        meta={_REFERENCE: {"condition": "fog_ref", "sequence": "GOPR0475"}},
    ),
    "dark_zurich": Tree(
        f"{_SETS}.dark_zurich.DarkZurichDataModule",
        make_dark_zurich,
        {"train": [], "val": _DARK, "test": _DARK},
        19,
        CITYSCAPES,
        TRAIN_IDS,
        "Dark_Zurich_val_anon.zip from",
        sequences=["GOPR0356"],
    ),
    "foggy_zurich": Tree(
        f"{_SETS}.foggy_zurich.FoggyZurichDataModule",
        make_foggy_zurich,
        {"train": [], "val": [], "test": _FOGGY},
        19,
        CITYSCAPES,
        LABEL_IDS,
        "Foggy_Zurich.zip from",
        sequences=["GP010229", "GP010229"],
    ),
    "foggy_driving": Tree(
        f"{_SETS}.foggy_driving.FoggyDrivingDataModule",
        make_foggy_driving,
        {"train": [], "val": [], "test": ["public/public_000000_1", "web/web_000000_1"]},
        19,
        CITYSCAPES,
        LABEL_IDS,
        "Foggy_Driving.zip from",
        meta={"web/web_000000_1": {"labels": "coarse", "record": "web"}},
    ),
    "bdd100k": Tree(
        f"{_SETS}.bdd100k.BDD100KDataModule",
        make_bdd100k,
        {
            "train": ["train-7d06fefd", "train-7d2f7975"],
            **dict.fromkeys(("val", "test"), ("val-7d06fefd", "val-7d2f7975")),
        },
        19,
        CITYSCAPES,
        TRAIN_IDS,
        "https://bdd-data",
    ),
    "bdd100k of the first release": Tree(
        f"{_SETS}.bdd100k.BDD100KDataModule",
        make_bdd100k_first,
        {"train": ["train-7d06fefd"], "test": ["val-7d06fefd"]},
        19,
        CITYSCAPES,
        TRAIN_IDS,
        "https://bdd-data",
    ),
    "muses": Tree(
        f"{_SETS}.muses.MUSESDataModule",
        make_muses,
        {"train": _MUSES, "val": _MUSES, "test": _MUSES},
        19,
        CITYSCAPES,
        TRAIN_IDS,
        "gt_semantic from https://muses",
        meta={_MUSES[1]: {"weather": "fog", "time_of_day": "night", "sequence": "REC0008"}},
        sequences=["REC0001", "REC0008"],
    ),
    "idd": Tree(
        f"{_SETS}.idd.IDDDataModule",
        make_idd,
        {"train": _IDD, "val": _IDD, "test": _IDD},
        26,
        {0: "road", 8: "autorickshaw", 25: "sky"},
        {0: 0, 8: 8, 25: 25, 255: IGNORED},
        "createLabels",
        sequences=["119", "119"],
    ),
    "idd with the classes of Cityscapes": Tree(
        f"{_SETS}.idd.IDDDataModule",
        make_idd,
        {"test": _IDD},
        19,
        CITYSCAPES,
        TRAIN_IDS,
        "createLabels",
        settings={"labels": "cityscapes"},
    ),
    "mapillary_vistas": Tree(
        f"{_SETS}.mapillary_vistas.MapillaryVistasDataModule",
        make_mapillary_vistas,
        {"train": _VISTAS, "test": _VISTAS},
        2,
        {0: "Bird", 1: "Ego Vehicle"},
        {0: 0, 1: 1, 2: IGNORED},
        "config_v1.2.json is looked for",
    ),
}

PUBLISHED: Mapping[str, Callable[[Path], None]] = {
    **{name: tree.make for name, tree in TREES.items() if " " not in name and name != "cityscapes"},
    "acdc_references": make_acdc,
    "bravo": make_bravo,
}
"""How the tree of a YAML's data is made."""
