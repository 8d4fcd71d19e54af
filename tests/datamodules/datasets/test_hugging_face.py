"""Tables in the formats of the library `datasets`, held against the rows that were written, and against the library."""

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from medical_trees import SIZE, draw_rows, encode, make_saved, write_parquet, write_saved
from PIL import Image

from datamodules.dataset import IGNORED
from datamodules.datasets import hugging_face
from datamodules.datasets.hugging_face import HuggingFaceDataModule
from datamodules.fingerprint import take_fingerprint
from datamodules.image_files import ImageFiles
from datamodules.leaks import find_leaks
from user_error import UserError

SPLITS = ("train", "val", "test")
CLASSES = ["background", "lesion"]


def open_data(root: Path, **settings) -> HuggingFaceDataModule:
    return HuggingFaceDataModule(str(root), **{"classes": CLASSES, "num_workers": 0, **settings})


def make_hub_layout(root: Path) -> Path:
    """As on the hub, in row groups of three."""
    for split, number, first in (("train", 12, 0), ("validation", 4, 12), ("test", 4, 16)):
        write_parquet(root / f"data/{split}-00000-of-00001.parquet", draw_rows(number, first), row_group_size=3)
    return root


def make_folders(root: Path) -> Path:
    for split, number, first in (("train", 12, 0), ("validation", 4, 12), ("test", 4, 16)):
        write_parquet(root / split / "0000.parquet", draw_rows(number, first))
    return root


def make_image_folder(root: Path) -> Path:
    """An image folder of three folders, with a table in each."""
    for split, number, first in (("train", 12, 0), ("validation", 4, 12), ("test", 4, 16)):
        lines = []
        (root / split / "masks").mkdir(parents=True)
        for place, row in enumerate(draw_rows(number, first)):
            (root / split / f"{place}.png").write_bytes(row["image"]["bytes"])
            (root / split / f"masks/{place}.png").write_bytes(row["mask"]["bytes"])
            lines.append({"file_name": f"{place}.png", "mask_file_name": f"masks/{place}.png", "patient": row["patient"],
                          "scanner": row["scanner"], "age": row["age"]})  # fmt: skip
        if split == "train":
            (root / split / "metadata.jsonl").write_text("\n".join(map(json.dumps, lines)))
        else:
            table = [",".join(lines[0]), *(",".join(map(str, line.values())) for line in lines)]
            (root / split / "metadata.csv").write_text("\n".join(table))
    return root


LAYOUTS = {"saved": make_saved, "hub": make_hub_layout, "folders": make_folders, "images": make_image_folder}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout: str, tmp_path: Path) -> None:
    """The same rows come out of every layout, in order, and splits of the data set are kept."""
    data = open_data(LAYOUTS[layout](tmp_path / "data"), unit="patient")
    first = 0
    for split, number in zip(SPLITS, (12, 4, 4), strict=True):
        dataset, rows = data.open_split(split), draw_rows(number, first)
        assert len(dataset) == number
        for place in (*range(number), 0):
            sample = dataset[place]
            for key, cell in (("image", "image"), ("mask", "mask")):
                expected = np.asarray(Image.open(io.BytesIO(rows[place][cell]["bytes"])))
                np.testing.assert_array_equal(sample[key], expected)
        meta = data.read_meta(split)
        assert [meta[name]["scanner"] for name in dataset.ids] == [row["scanner"] for row in rows]
        assert [meta[name]["age"] for name in dataset.ids] == [str(row["age"]) for row in rows]
        assert data.list_units(split) == [row["patient"] for row in rows]
        first += number
    assert find_leaks(data) == []
    assert isinstance(data.open_split("train"), ImageFiles) == (layout == "images")
    assert take_fingerprint({}, data.open_split("test"), data.root).files


def test_missing_splits_are_drawn_by_patient(tmp_path: Path) -> None:
    root = write_saved(tmp_path / "data", draw_rows(40)).parent / "data"
    data = open_data(root, unit="patient", shares={"train": 6, "val": 2, "test": 2})
    units = {split: set(data.list_units(split)) for split in SPLITS}
    assert [len(units[split]) for split in SPLITS] == [12, 4, 4]
    assert len(set.union(*units.values())) == 20
    again = open_data(root, unit="patient", shares={"train": 6, "val": 2, "test": 2}, seed=1)
    assert {split: set(again.list_units(split)) for split in SPLITS} != units
    alone = open_data(root)
    assert sorted(name for split in SPLITS for name in alone.open_split(split).ids) == [
        f"all/{row:06d}" for row in range(40)
    ]


def test_a_split_that_is_missing_beside_others(tmp_path: Path) -> None:
    write_parquet(tmp_path / "train.parquet", draw_rows(12))
    write_parquet(tmp_path / "test.parquet", draw_rows(4, 12))
    data = open_data(tmp_path, unit="patient")
    assert [len(data.open_split(split)) for split in SPLITS] == [10, 2, 4]
    assert len(open_data(tmp_path, shares={"train": 1, "val": 0, "test": 0}).open_split("val")) == 0


def test_a_column_of_splits_and_names(tmp_path: Path) -> None:
    rows = [{**row, "fold": ("a", "b", "c")[place % 3], "name": f"n{place}"} for place, row in enumerate(draw_rows(9))]
    write_parquet(tmp_path / "x.parquet", rows)
    data = open_data(tmp_path, split_column="fold", splits={"train": "a", "val": "b", "test": "b"}, id_column="name")
    assert data.open_split("train").ids == ["n0", "n3", "n6"]
    assert data.open_split("val").ids == data.open_split("test").ids == ["n1", "n4", "n7"]
    assert data.test_is_val
    with pytest.raises(UserError, match=r"the data have the splits 'a', 'b', 'c': say which is which by .*splits"):
        open_data(tmp_path, split_column="fold").open_split("train")
    with pytest.raises(UserError, match="splits names 'a' as `train` and as another split"):
        open_data(tmp_path, split_column="fold", splits={"train": "a", "val": "a"}).open_split("train")
    with pytest.raises(UserError, match="the column 'scanner' holds 'A' twice, and an image is known by it"):
        open_data(tmp_path, id_column="scanner").open_split("train")


def test_masks_of_lists_and_names_of_classes(tmp_path: Path) -> None:
    """As features of labels in nested lists, whose names are the classes."""
    mask = np.arange(6).reshape(2, 3) % 3
    features = {
        "mask": {
            "feature": {"feature": {"names": ["a", "b", "c"], "_type": "ClassLabel"}, "_type": "List"},
            "_type": "List",
        }
    }
    image = {"bytes": encode(np.zeros((2, 3, 3), np.uint8)), "path": None}
    table = pa.Table.from_pylist([{"image": image, "mask": mask.tolist()}] * 3)
    table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, tmp_path / "train.parquet")
    data = open_data(tmp_path, classes=None, ignore_index=[9])
    assert data.classes == ("a", "b", "c")
    np.testing.assert_array_equal(data.open_split("train")[0]["mask"], mask)


def test_settings_of_masks(tmp_path: Path) -> None:
    """Values by name, ignored ones, palettes."""
    mask = np.array([[0, 7, 255], [7, 7, 0]], np.uint8)
    coloured = Image.fromarray(mask, "P")
    coloured.putpalette(np.random.default_rng(0).integers(0, 256, 768, dtype=np.uint8).tobytes())
    coloured.save(tmp_path / "m.png")
    image = encode(np.zeros((2, 3, 3), np.uint8))
    write_parquet(tmp_path / "x.parquet", [{"image": image, "mask": (tmp_path / "m.png").read_bytes()}] * 3)
    settings = {"classes": {0: "none", 7: "road"}, "ignore_index": [255]}
    expected = np.array([[0, 1, IGNORED], [1, 1, 0]])
    np.testing.assert_array_equal(
        open_data(tmp_path, **settings, mask_levels="stored").open_split("train")[0]["mask"], expected
    )
    with pytest.raises(UserError, match=r"has a palette of colours: pass --data\.init_args\.mask_levels stored"):
        open_data(tmp_path, **settings).open_split("train")[0]


def test_the_library_writes_what_is_read(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    rows = draw_rows(6)
    image, depth = datasets.Image(), datasets.Array2D((2, 2), "uint8")
    features = datasets.Features({"image": image, "mask": image, "patient": datasets.Value("string"), "depth": depth})
    kept = [
        {**{key: row[key] for key in ("image", "mask", "patient")}, "depth": np.ones((2, 2), np.uint8)} for row in rows
    ]
    written = datasets.Dataset.from_list(kept, features=features)
    written.save_to_disk(tmp_path / "saved")
    written.to_parquet(tmp_path / "parquet/data/train-00000-of-00001.parquet")
    for folder in ("saved", "parquet"):
        data = open_data(tmp_path / folder, shares={"train": 1, "val": 0, "test": 0})
        for sample, row in zip(data.open_split("train"), written, strict=False):
            np.testing.assert_array_equal(sample["image"], np.asarray(row["image"]))
            np.testing.assert_array_equal(sample["mask"], np.asarray(row["mask"]))
        assert data.read_meta("train")[data.open_split("train").ids[2]] == {"patient": "p01"}
    from datamodules.reading.tables import TableFile

    assert TableFile(next((tmp_path / "saved").glob("*.arrow"))).read_cell(0, "depth").tolist() == [[1, 1], [1, 1]]


def forge_state(root: Path, name: object) -> None:
    (root / "train/state.json").write_text(json.dumps({"_data_files": [{"filename": name}]}))


WRONG_FOLDERS = {
    r"state\.json lists '\.\./\.\./x\.arrow', which leads out": lambda root: forge_state(root, "../../x.arrow"),
    r"state\.json lists 'x\.arrow', which does not exist": lambda root: forge_state(root, "x.arrow"),
    r"state\.json has the files \[\{'filename': 1\}\]": lambda root: forge_state(root, 1),
    r"dataset_dict\.json has the splits \['/etc'\]": lambda root: (root / "dataset_dict.json").write_text(
        '{"splits": ["/etc"]}'
    ),
    r"train/state\.json does not exist": lambda root: (root / "train/state.json").unlink(),
    r"the table .*data-00000-of-00002\.arrow cannot be read": lambda root: (
        root / "train/data-00000-of-00002.arrow"
    ).write_bytes(b"ARROW1" * 50),
}


@pytest.mark.parametrize("sentence", WRONG_FOLDERS)
def test_wrong_folders(sentence: str, tmp_path: Path) -> None:
    root = make_saved(tmp_path / "data")
    WRONG_FOLDERS[sentence](root)
    with pytest.raises(UserError, match=sentence):
        open_data(root).open_split("train")


WRONG_CELLS = {
    r"\(row 0, column 'mask'\) holds no image: choose splits whose images have masks": {"mask": None},
    r"the image .*\(row 0, column 'image'\) cannot be read \(cannot identify": {
        "image": {"bytes": b"no image", "path": "x.npy"}
    },
    r"the image or the mask of .*\(row 0\) is a name": {"image": {"bytes": None, "path": "/etc/passwd"}},
    r"is 2 x 2 pixels \(height x width\) and its mask 24 x 32": {
        "image": {"bytes": encode(np.zeros((2, 2, 3), np.uint8)), "path": ""}
    },
    r"the mask .* holds the value 5, which is no class": {
        "mask": {"bytes": encode(np.full(SIZE, 5, np.uint8)), "path": ""}
    },
}


@pytest.mark.parametrize("sentence", WRONG_CELLS)
def test_wrong_cells(sentence: str, tmp_path: Path) -> None:
    rows = draw_rows(3)
    write_parquet(tmp_path / "train.parquet", [{**rows[0], **WRONG_CELLS[sentence]}, *rows[1:]])
    with pytest.raises(UserError, match=sentence):
        open_data(tmp_path, shares={"train": 1, "val": 0, "test": 0}).open_split("train")[0]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"image": "picture"}, r"has no column 'picture': its columns are image, mask, patient"),
        ({"unit": "person"}, r"has no column 'person'"),
        ({"classes": None}, r"does not name the classes of 'mask': give --data\.init_args\.classes"),
        ({"classes": ["a", "a"]}, r"classes names two alike"),
        ({"splits": {"training": "train"}}, r"splits names 'training': the splits are train, val, test"),
        ({"splits": {"train": "no"}}, r"the data have the splits 'train' and no 'no'"),
        ({"window": (2, 1)}, r"window is \[2, 1\]"),
        ({"shares": {"train": -1}}, r"the shares of the splits are \{train: -1\}"),
    ],
)
def test_wrong_settings(settings: dict, sentence: str, tmp_path: Path) -> None:
    write_parquet(tmp_path / "train.parquet", draw_rows(3))
    with pytest.raises(UserError, match=sentence):
        open_data(tmp_path, **settings).open_split("train")


@pytest.mark.parametrize("name", ["../a.png", "/etc/passwd", "C:\\a.png", "missing.png"])
def test_image_folders_name_files_inside(name: str, tmp_path: Path) -> None:
    Image.new("RGB", (2, 2)).save(tmp_path / "a.png")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/metadata.csv").write_text(f"file_name,mask_file_name\n{name},{name}\n")
    with pytest.raises(UserError, match=r"row 0\) names .* which (leads out of the folder|does not exist)"):
        open_data(tmp_path / "data", shares={"train": 1, "val": 0, "test": 0}).open_split("train")


def test_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no table: set --data\.init_args\.root"):
        open_data(tmp_path).open_split("train")
    with pytest.raises(UserError, match=r"the data folder .* does not exist"):
        open_data(tmp_path / "no").open_split("train")
    for settings in ({"root": None}, {"root": "x", "hub": "y"}):
        with pytest.raises(UserError, match="in a folder or on the hub: give"):
            HuggingFaceDataModule(**settings, classes=CLASSES)


def test_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data set of the hub is its folder in the cache; nothing is asked for before a split is opened."""
    asked = []
    monkeypatch.setattr(
        hugging_face, "download_tables", lambda *given: asked.append(given) or make_hub_layout(tmp_path)
    )
    data = HuggingFaceDataModule(hub="me/polyps", revision="refs/convert/parquet", classes=CLASSES)
    assert not asked
    assert len(data.open_split("train")) == 12
    assert asked == [("me/polyps", "refs/convert/parquet")]
    assert data.compute_fingerprint("test").files
    with pytest.raises(UserError, match="name the classes of a data set of the hub"):
        HuggingFaceDataModule(hub="me/polyps")


def test_the_hub_cannot_be_reached(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UserError, match=r"'no/such-data' is not in the cache, and the hub cannot be reached"):
        HuggingFaceDataModule(hub="no/such-data", classes=CLASSES).open_split("train")
    with pytest.raises(UserError, match=r"the hub has no data set '\.\./x'.* that you may read"):
        HuggingFaceDataModule(hub="../x", classes=CLASSES).open_split("train")


def test_no_pickle_in_tables(tmp_path: Path) -> None:
    """pyarrow once unpickled extension types; what a table says of its types is not executed."""
    trap = tmp_path / "trap"
    payload = b"cposix\nsystem\n(S'touch " + str(trap).encode() + b"'\ntR."
    rows = pa.Table.from_pylist(draw_rows(3))
    field = rows.schema.field("age").with_metadata(
        {"ARROW:extension:name": "arrow.py_extension_type", "ARROW:extension:metadata": payload}
    )
    rows = rows.cast(rows.schema.set(rows.schema.get_field_index("age"), field))
    root = write_saved(tmp_path / "data", draw_rows(3))
    with (
        pa.OSFile(str(root / "data-00000-of-00001.arrow"), "wb") as file,
        pa.ipc.new_stream(file, rows.schema) as stream,
    ):
        stream.write_table(rows)
    data = open_data(root, shares={"train": 1, "val": 0, "test": 0})
    try:
        assert data.open_split("train")[0]["image"].shape == (*SIZE, 3)
    finally:
        assert not trap.exists()


def test_two_splits_of_one_meaning(tmp_path: Path) -> None:
    for place, name in enumerate(("train", "val", "validation")):
        write_parquet(tmp_path / f"{name}.parquet", draw_rows(2, 2 * place))
    with pytest.raises(UserError, match="the data have the splits 'val' and 'validation': say which is 'val'"):
        open_data(tmp_path).open_split("train")
