from pathlib import Path

import numpy as np
import pytest
import yaml

from datamodules.dataset import IGNORED
from datamodules.datasets.folder import FolderDataModule
from user_error import UserError


def opened(root: Path, **settings) -> FolderDataModule:
    return FolderDataModule(str(root), num_workers=0, batch_size=2, **settings)


def test_folders(folder):
    data = opened(folder(palette=[[0, 0, 0], [255, 0, 0]]))
    assert data.classes == ("background", "thing")
    assert data.channels == ("red", "green", "blue")
    assert data.palette == [[0, 0, 0], [255, 0, 0]]
    assert data.make_dataset("train").ids == ["train_0", "train_1"]
    (batch,) = data.test_dataloader()
    assert batch["id"] == ["test_0", "test_1"]
    assert batch["image"].shape == (2, 3, 40, 48)


def test_lists_in_the_description(folder):
    root = folder("flat", splits={"train": ["val_0", "train_0"], "test": "lists/test.txt"})
    (root / "lists").mkdir()
    (root / "lists" / "test.txt").write_text("test_1\n\n")
    assert opened(root).make_dataset("train").ids == ["train_0", "val_0"]
    assert opened(root).make_dataset("test").ids == ["test_1"]
    with pytest.raises(UserError, match="lists no split 'val'"):
        opened(root).make_dataset("val")


def test_lists_in_text_files(folder):
    root = folder("flat")
    for split in ("train", "val", "test"):
        (root / f"{split}.txt").write_text(f"{split}_1\n{split}_0\n")
    assert opened(root).make_dataset("val").ids == ["val_0", "val_1"]


def test_lists_in_a_table(folder):
    root = folder("flat")
    rows = [f"{split},{split}_{number},7" for split in ("train", "val", "test") for number in range(2)]
    (root / "meta.csv").write_text("\n".join(["split,stem,patient", *rows]))
    assert opened(root).make_dataset("test").ids == ["test_0", "test_1"]
    (root / "meta.csv").write_text("split,name\ntrain,train_0\n")
    with pytest.raises(UserError, match=r"meta\.csv lacks the columns split,stem"):
        opened(root).make_dataset("test")
    (root / "meta.csv").write_text("split,stem\nheld_out,train_0\n")
    with pytest.raises(UserError, match="unknown split 'held_out'"):
        opened(root).make_dataset("test")


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "a/../../b", "..\\outside", "C:\\outside", ""])
@pytest.mark.parametrize("way", ["list", "file", "table"])
def test_no_list_leads_out_of_the_folder(folder, name: str, way: str):
    root = folder("flat", **({"splits": {"train": [name]}} if way == "list" else {}))
    if way == "file":
        (root / "dataset.yaml").write_text(
            yaml.safe_dump({"num_classes": 2, "classes": ["a", "b"], "splits": {"train": name}})
        )
    if way == "table":
        (root / "meta.csv").write_text(f'split,stem\ntrain,"{name}"\n')
    with pytest.raises(UserError, match="leads out of the folder"):
        opened(root).make_dataset("train")


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ({"train": ["train_0", "gone"]}, "1 listed images are missing .* 'gone'"),
        ({"train": ["train_0", "train_0"]}, "'train_0' twice"),
        ({"train": ["train_0"], "test": ["train_0"]}, "'train_0' in the splits 'train' and 'test'"),
        ({"train": "gone.txt"}, r"gone\.txt does not exist"),
    ],
)
def test_lists_that_do_not_fit(folder, splits: dict, message: str):
    with pytest.raises(UserError, match=message):
        opened(folder("flat", splits=splits)).make_dataset("train")


@pytest.mark.parametrize(("ignore", "raw"), [(11, (11,)), (255, (255,)), ([7, 255], (7, 255)), (None, ())])
def test_ignored_values(folder, ignore: object, raw: tuple[int, ...]):
    root = folder(values=(0, 1, *raw), ignore_index=ignore)
    expected = {0, 1} | ({IGNORED} if raw else set())
    assert set(np.unique(opened(root).make_dataset("train")[0]["mask"])) == expected


def test_values_become_consecutive_classes(folder):
    root = folder(values=(0, 3, 9), num_classes=2, classes={9: "second", 3: "first"}, ignore_index=0)
    data = opened(root)
    assert data.classes == ("first", "second")
    assert set(np.unique(data.make_dataset("train")[0]["mask"])) == {0, 1, IGNORED}


def test_undescribed_value(folder):
    with pytest.raises(UserError, match="value 255, which is no class"):
        opened(folder(values=(0, 1, 255))).make_dataset("train")[0]


def test_five_channels(folder):
    (batch,) = opened(folder(bands=5, extension="npy")).val_dataloader()
    assert batch["image"].shape == (2, 5, 40, 48)


def test_one_channel(folder):
    data = opened(folder(bands=1))
    (batch,) = data.val_dataloader()
    assert batch["image"].shape == (2, 1, 40, 48)
    assert data.in_channels == 1


def test_window_is_recorded(folder):
    data = opened(folder(window=[50, 100]))
    assert data.make_dataset("train").images.window == data.description.window == (50, 100)


def test_mixed_sizes_need_a_size(folder):
    root = folder(sizes=((40, 48), (30, 60)))
    with pytest.raises(UserError, match=r"different sizes .* 'test_1' is 30 x 60.*give the data a size"):
        next(iter(opened(root).test_dataloader()))
    (batch,) = opened(root, size=(32, 32)).test_dataloader()
    assert batch["image"].shape == (2, 3, 32, 32)
    assert [len(batch["id"]) for batch in FolderDataModule(str(root), batch_size=1, num_workers=0).test_dataloader()]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": None}, "classes None"),
        ({"classes": {"a": "b"}}, "classes"),
        ({"num_classes": 3}, "names 2 classes but says num_classes 3"),
        ({"ignore_index": "void"}, "ignore_index 'void'"),
        ({"ignore_index": 1}, "1 is the class 'thing' and also ignored"),
        ({"ignored_index": 3}, "unknown key 'ignored_index': did you mean 'ignore_index'"),
        ({"channels": "rgb"}, "channels 'rgb'"),
        ({"palette": [[0, 0, 0]]}, "palette that does not fit: write 2 colours"),
        ({"palette": [[0, 0, 0], [0, 0, 256]]}, "palette that does not fit"),
        ({"window": [5, 5]}, r"window \[5, 5\]"),
        ({"splits": {"held_out": []}}, "unknown split 'held_out'"),
        ({"splits": ["train"]}, "malformed splits"),
    ],
)
def test_malformed_descriptions(folder, changes: dict, message: str):
    with pytest.raises(UserError, match=rf"dataset\.yaml .*{message}"):
        opened(folder(**changes))


@pytest.mark.parametrize(
    ("text", "message"),
    [("- a", "not a mapping"), ("a: [", "not valid YAML"), ("num_classes: 2", "no key 'classes'"), (None, "not exist")],
)
def test_unreadable_descriptions(folder, text: str | None, message: str):
    root = folder()
    (root / "dataset.yaml").unlink()
    if text is not None:
        (root / "dataset.yaml").write_text(text)
    with pytest.raises(UserError, match=message):
        opened(root)


def test_no_object_is_built_from_a_description(folder):
    root = folder()
    (root / "dataset.yaml").write_text("classes: !!python/object/apply:os.getcwd []")
    with pytest.raises(UserError, match="not valid YAML"):
        opened(root)


def test_missing_parts(folder, tmp_path: Path):
    with pytest.raises(UserError, match=r"nowhere does not exist: set --data\.init_args\.root"):
        opened(tmp_path / "nowhere")
    with pytest.raises(
        UserError, match=r"camvid does not exist: get CamVid from http\S+, .* set ROBUST_SEGMENTATION_DATA"
    ):
        opened(tmp_path / "camvid")
    root = folder()
    with pytest.raises(UserError, match="no split 'dev'"):
        opened(root).make_dataset("dev")
    (root / "val" / "masks").rename(root / "val" / "elsewhere")
    with pytest.raises(UserError, match=r"val.masks does not exist"):
        opened(root).make_dataset("val")
    (root / "test").rename(root / "held_out")
    with pytest.raises(UserError, match="neither test/images nor images"):
        opened(root).make_dataset("test")


def test_empty_split(folder):
    root = folder("flat", splits={"train": ["train_0"], "val": [], "test": []})
    with pytest.raises(UserError, match="the split 'val' of FolderDataModule holds no image"):
        opened(root).val_dataloader()


TABLE = """split,stem,light
train,train_0,day
train,train_1,dusk
test,test_0,day
test,test_1,day
"""


def test_what_the_table_knows_of_the_images(folder):
    root = folder()
    assert opened(root).read_meta("test") == {}
    (root / "meta.csv").write_text(TABLE)
    assert opened(root).read_meta("train") == {"train_0": {"light": "day"}, "train_1": {"light": "dusk"}}
    data = opened(root, where={"train": {"light": ["dusk"]}})
    assert data.make_dataset("train").ids == ["train_1"]
    assert data.make_dataset("test").ids == ["test_0", "test_1"]
    assert list(data.read_meta("train")) == ["train_1"]


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"training": {}}, "unknown split 'training'"),
        ({"train": {"weather": ["rain"]}}, r"weather with value 'rain'.*no value"),
        ({"train": {"light": ["night"]}}, r"light with value 'night'.*day, dusk"),
        ({"train": {"light": []}}, "light with no value"),
    ],
)
def test_refuses_to_select_what_is_not_there(folder, where, message: str):
    root = folder()
    (root / "meta.csv").write_text(TABLE)
    with pytest.raises(UserError, match=message):
        opened(root, where=where).make_dataset("train")


def test_units_are_those_of_a_column(folder):
    root = folder()
    (root / "meta.csv").write_text(TABLE)
    assert FolderDataModule(str(root)).list_units("test") is None
    data = FolderDataModule(str(root), unit="light")
    rows = data.read_meta("train")
    assert data.list_units("train") == [rows[name]["light"] for name in data.make_dataset("train").ids]
    with pytest.raises(UserError, match=r"do not know the 'patient'.*light"):
        FolderDataModule(str(root), unit="patient").list_units("train")
    (root / "meta.csv").unlink()
    with pytest.raises(UserError, match=r"do not know the 'light'.*none"):
        data.list_units("train")


def test_sequences_are_those_of_names_or_columns(folder):
    root = folder()
    names = FolderDataModule(str(root)).open_split("train").ids
    by_name = FolderDataModule(str(root), sequence="{sequence}_{place}").list_grouping("train")
    assert by_name == (["train"] * len(names), [int(name.rpartition("_")[2]) for name in names])
    rows = [f"train,{name},{at // 2},{9 - at}" for at, name in enumerate(names)]
    (root / "meta.csv").write_text("\n".join(["split,stem,drive,frame", *rows]))
    by_column = FolderDataModule(str(root), sequence="drive", place="frame").list_grouping("train")
    assert by_column == ([str(at // 2) for at in range(len(names))], [9 - at for at in range(len(names))])
    natural = FolderDataModule(str(root), sequence="drive").list_grouping("train")
    assert natural.places == sorted(natural.places or [])
    assert FolderDataModule(str(root)).find_undeclared_grouping("train") == "drive"
    assert FolderDataModule(str(root), sequence="drive").find_undeclared_grouping("train") is None
    (root / "meta.csv").write_text((root / "meta.csv").read_text().replace(",9\n", ",nine\n"))
    with pytest.raises(UserError, match="'nine': a place in a sequence is a whole number"):
        FolderDataModule(str(root), sequence="drive", place="frame").list_grouping("train")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"unit": "patient", "sequence": "drive"}, "not both"),
        ({"place": "frame"}, "a column of meta.csv"),
        ({"place": "frame", "sequence": "{sequence}_{place}"}, "a column of meta.csv"),
    ],
)
def test_settings_of_sequences_that_exclude_each_other(folder, settings, message: str):
    with pytest.raises(UserError, match=message):
        FolderDataModule(str(folder()), **settings)


def test_a_row_of_another_length(folder):
    root = folder()
    (root / "meta.csv").write_text("split,stem,light\ntrain,train_0\n")
    with pytest.raises(UserError, match="row of another length"):
        opened(root).read_meta("train")


def test_a_split_is_searched_once(folder, monkeypatch: pytest.MonkeyPatch):
    data = opened(folder())
    split = data.open_split("test")
    monkeypatch.setattr(type(data), "make_dataset", lambda *_: pytest.fail("searched again"))
    assert data.open_split("test") is split
    assert [batch["id"] for batch in data.test_dataloader()] == [["test_0", "test_1"]]
