"""Tiny made-up data in the original layouts of medical data sets: folders and names are theirs, pixels are noise."""

import io
import json
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (24, 32)
CVC_FRAMES = (*range(20, 31), *range(51, 54), 68, *range(200, 206), *range(590, 596), 612)


def write_pair(image: Path, mask: Path, values: Sequence[int], soft: bool = False) -> None:
    """An image of noise and a mask of blocks of the values, which survive a JPEG; all differ by the image's name.

    Args:
        image: to write.
        mask: to write.
        values: of the mask, from left to right.
        soft: whether levels between two values occur, as at edges that were resized.
    """
    seed = zlib.crc32(str(image.relative_to(image.parents[1])).encode())
    levels = np.random.default_rng(seed).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    blocks = np.repeat(np.array(values, np.uint8), SIZE[1] // len(values))
    labels = np.tile(np.append(blocks, blocks[-1:].repeat(SIZE[1] - len(blocks))), (SIZE[0], 1))
    if soft:
        labels[0, :2] = (3, 250)
    for path, array in ((image, levels), (mask, labels)):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).save(path, **({"quality": 95} if path.suffix == ".jpg" else {}))


def make_isic2018(root: Path) -> Path:
    for called, number in (("Training", 4), ("Validation", 2), ("Test", 3)):
        images, masks = root / f"ISIC2018_Task1-2_{called}_Input", root / f"ISIC2018_Task1_{called}_GroundTruth"
        for place in range(number):
            name = f"ISIC_{len(called):03d}{place:04d}"
            write_pair(images / f"{name}.jpg", masks / f"{name}_segmentation.png", (0, 255))
        (images / "ATTRIBUTION.txt").write_text("by")
        (masks / "LICENSE.txt").write_text("terms")
    return root


def make_cvc_clinicdb(root: Path, frames: Iterable[int] = CVC_FRAMES) -> Path:
    for number in frames:
        write_pair(root / f"Original/{number}.tif", root / f"Ground Truth/{number}.tif", (0, 255), soft=True)
    return root


def make_polypgen(root: Path) -> Path:
    for centre in range(1, 7):
        folder = root / f"data_C{centre}"
        for place in range(5):
            name = f"C{centre}_EndoCV2021_{place:05d}"
            odd = "_" if (centre, place) == (3, 2) else ""  # as C3_EndoCV2021_00489_.jpg is named
            images, masks = folder / f"images_C{centre}", folder / f"masks_C{centre}"
            write_pair(images / f"{name}{odd}.jpg", masks / f"{name}_mask.jpg", (0, 255))
        (folder / f"bbox_C{centre}").mkdir()
    for video in ("seq1", "seq2", "seq10"):
        folder = root / "sequenceData/positive" / video
        for place in range(3):
            name = f"{video}_endocv2021_positive_{place}"
            images, masks = folder / f"images_{video}", folder / f"masks_{video}"
            write_pair(images / f"{name}.jpg", masks / f"{name}_mask.jpg", (0, 255))
    return root


def make_refuge(root: Path) -> Path:
    parts = (
        *((f"Training400/{kind}", f"Annotation-Training400/Disc_Cup_Masks/{kind}", kind[0].lower(), range(1, 6))
          for kind in ("Glaucoma", "Non-Glaucoma")),
        ("REFUGE-Validation400", "REFUGE-Validation400-GT/Disc_Cup_Masks", "V", range(1, 4)),
        ("Test400", "REFUGE-Test-GT/Disc_Cup_Masks/G", "T", range(1, 3)),
        ("Test400", "REFUGE-Test-GT/Disc_Cup_Masks/N", "T", range(3, 6)),
    )  # fmt: skip
    for images, masks, letter, numbers in parts:
        for number in numbers:
            name = f"{letter}{number:04d}"
            write_pair(root / images / f"{name}.jpg", root / masks / f"{name}.bmp", (255, 128, 0))
    return root


def write_volume(path: Path, levels: np.ndarray, axes: str = "RAS", spacing: Sequence[float] = (1, 1, 3)) -> None:
    """A NIfTI file whose array, with the axes of RAS, is `levels`, stored with other axes."""
    import nibabel

    image = nibabel.Nifti1Image(levels, np.diag([*spacing, 1.0]))
    turn = nibabel.orientations.ornt_transform(
        nibabel.orientations.axcodes2ornt("RAS"), nibabel.orientations.axcodes2ornt(axes)
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(image.as_reoriented(turn), path)


def make_nnunet(
    root: Path,
    cases: Sequence[str] = tuple(f"la_{number:03d}" for number in range(10)),
    channels: Sequence[str] = ("MRI",),
    labels: dict | None = None,
    ending: str = ".nii.gz",
    shape: tuple[int, int, int] = (10, 12, 4),
    **further: object,
) -> Path:
    """Volumes of noise, one and two slices of which are labelled; files differ in the order of their axes."""
    described = {
        "channel_names": dict(enumerate(channels)),
        "labels": labels or {"background": 0, "atrium": 1},
        "numTraining": len(cases),
        "file_ending": ending,
        **further,
    }
    (root / "labelsTr").mkdir(parents=True, exist_ok=True)
    (root / "dataset.json").write_text(json.dumps(described))
    for number, name in enumerate(cases):
        random = np.random.default_rng(number)
        axes = ("RAS", "LPS", "SPL")[number % 3]
        for channel in range(len(channels)):
            levels = random.integers(-500, 1500, shape).astype(np.int16)
            write_volume(root / f"imagesTr/{name}_{channel:04d}{ending}", levels, axes)
        mask = np.zeros(shape, np.uint8)
        mask[2:6, 3:9, 1 : 2 + number % 2] = 1
        write_volume(root / f"labelsTr/{name}{ending}", mask, axes)
    return root


def encode(array: np.ndarray, kind: str = "PNG") -> bytes:
    """The bytes of an image file."""
    file = io.BytesIO()
    Image.fromarray(array).save(file, kind)
    return file.getvalue()


def draw_rows(number: int, first: int = 0) -> list[dict[str, object]]:
    """Rows as the library `datasets` stores images: two of each patient, from two scanners."""
    rows = []
    for place in range(first, first + number):
        random = np.random.default_rng(place)
        image, mask = random.integers(0, 256, (*SIZE, 3), dtype=np.uint8), random.integers(0, 2, SIZE, dtype=np.uint8)
        cells = {
            "image": {"bytes": encode(image), "path": f"{place}.png"},
            "mask": {"bytes": encode(mask), "path": None},
        }
        rows.append({**cells, "patient": f"p{place // 2:02d}", "scanner": "AB"[place % 4 // 2], "age": 40 + place})
    return rows


def write_parquet(path: Path, rows: list[dict[str, object]], **further: object) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path, **further)
    return path


def write_saved(folder: Path, rows: list[dict[str, object]], files: int = 1) -> Path:
    """A folder as `save_to_disk` writes one: Arrow streams, and a list of them."""
    import pyarrow as pa

    folder.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(rows)
    names = [f"data-{number:05d}-of-{files:05d}.arrow" for number in range(files)]
    size = -(-table.num_rows // files)
    for number, name in enumerate(names):
        with pa.OSFile(str(folder / name), "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
            stream.write_table(table.slice(number * size, size))
    (folder / "state.json").write_text(
        json.dumps({"_data_files": [{"filename": name} for name in names], "_split": None})
    )
    (folder / "dataset_info.json").write_text("{}")
    return folder


def make_saved(root: Path) -> Path:
    for split, number, first in (("train", 12, 0), ("validation", 4, 12), ("test", 4, 16)):
        write_saved(root / split, draw_rows(number, first), files=2)
    (root / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "validation", "test"]}))
    return root


PUBLISHED: dict[str, Callable[[Path], Path]] = {
    "isic2018": make_isic2018,
    "cvc_clinicdb": make_cvc_clinicdb,
    "polypgen": make_polypgen,
    "refuge": make_refuge,
    "refuge_camera": make_refuge,
}
"""Published data sets, by the name of the YAML that reads them."""

TREES: dict[str, Callable[[Path], Path]] = {
    **PUBLISHED,
    "nnunet": lambda root: make_nnunet(root, channels=("T1", "T2", "FLAIR"), shape=(24, 32, 2)),
    "hugging_face": make_saved,
}
"""Likewise, with general sources."""
