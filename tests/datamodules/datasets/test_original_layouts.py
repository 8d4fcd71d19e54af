"""Every data set in the folders of its publishers: one contract over tiny made-up trees."""

import importlib
from pathlib import Path

import numpy as np
import pytest
from trees.driving import SIZE, TREES, Tree

from datamodules.base import SegmentationDataModule
from datamodules.datasets.mapillary_vistas import MapillaryVistasDataModule, name_classes
from datamodules.reading.layouts import explain_layout
from user_error import UserError


def open_data(tree: Tree, root: Path) -> SegmentationDataModule:
    module, name = tree.module.rsplit(".", 1)
    data: SegmentationDataModule = getattr(importlib.import_module(module), name)(
        str(root), num_workers=0, **tree.settings
    )
    return data


@pytest.fixture(params=TREES)
def made(request, tmp_path):
    tree = TREES[request.param]
    tree.make(tmp_path / "set")
    return tree, open_data(tree, tmp_path / "set")


def test_contract(made):
    tree, data = made
    assert data.num_classes == tree.classes
    assert {number: data.classes[number] for number in tree.named} == tree.named
    assert data.palette is not None
    assert len(data.palette) == tree.classes
    for split, ids in tree.splits.items():
        if not ids:
            with pytest.raises(UserError, match=f"no labels of the split '{split}': sweep"):
                data.make_dataset(split)
            continue
        dataset = data.make_dataset(split)
        assert sorted(dataset.ids) == dataset.ids
        assert [*dataset.ids] == sorted(ids)
        stripes = np.array([*tree.stored.values()], np.uint8)[np.arange(SIZE[1]) * len(tree.stored) // SIZE[1]]
        for sample in dataset:
            assert sample["image"].shape == (*SIZE, 3)
            assert np.array_equal(sample["mask"], np.broadcast_to(stripes, SIZE))
    meta = data.read_meta("test")
    assert {name: meta[name] for name in tree.meta} == tree.meta
    assert all(set(data.shift_columns) <= set(row) for row in meta.values())
    if tree.sequences is not None:
        assert data.list_grouping("test").units == tree.sequences
    assert len(data.compute_fingerprint("test").files) >= 2 * len(tree.splits["test"])


def test_an_empty_folder_is_refused_with_its_origin(made, tmp_path):
    tree, _ = made
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=tree.missing) as raised:
        open_data(tree, tmp_path / "empty").make_dataset("test")
    assert "or set ROBUST_SEGMENTATION_DATA" in str(raised.value)


@pytest.mark.parametrize("name", [name for name in TREES if name not in ("cityscapes",) and "idd" not in name])
def test_check_says_which_yaml_reads_a_folder(name, tmp_path):
    TREES[name].make(tmp_path / "set")
    said = explain_layout(tmp_path / "set")
    yaml = TREES[name].module.split(".")[2]
    assert said is not None
    assert f"--data experiments/configs/data/{yaml}.yaml --data.init_args.root {tmp_path / 'set'}" in said


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "is not|object"),
        ("{", "not JSON"),
        ('{"labels": 3}', "does not list `labels`"),
        ('{"labels": [{"readable": "a", "evaluate": 1, "color": [0, 0, 0]}]}', "does not list `labels`"),
        ('{"labels": [{"readable": "a", "evaluate": true, "color": [0, 0, 300]}]}', "does not list `labels`"),
        ('{"labels": [{"readable": "a", "evaluate": true, "color": [0, 0, 0]}]}', "1 classes cannot be told apart"),
    ],
)
def test_a_configuration_of_vistas_that_is_none(tmp_path, content, message):
    (tmp_path / "config_v1.2.json").write_text(content)
    with pytest.raises(UserError, match=message):
        MapillaryVistasDataModule(str(tmp_path))


def test_labels_of_vistas_that_share_a_name():
    labels = [{"readable": "Pole", "name": "a--pole"}, {"readable": "Pole", "name": "b--pole"}, {"readable": "Sky"}]
    assert name_classes(labels) == ["Pole (a--pole)", "Pole (b--pole)", "Sky"]


def test_a_list_of_foggy_zurich_names_what_is_there(tmp_path):
    TREES["foggy_zurich"].make(tmp_path)
    path = tmp_path / "lists_file_names" / "RGB_testv2_filenames.txt"
    path.write_text("RGB/GP010229/nowhere.png\r\n")
    with pytest.raises(UserError, match=r"1 listed images are missing.*nowhere"):
        open_data(TREES["foggy_zurich"], tmp_path).make_dataset("test")
    path.write_text("RGB/../../secret.png\n")
    with pytest.raises(UserError, match="listed images are missing"):
        open_data(TREES["foggy_zurich"], tmp_path).make_dataset("test")


def test_an_image_without_mask_is_refused(made, tmp_path):
    tree, data = made
    data.make_dataset("test").pairs[-1].mask.unlink()
    with pytest.raises(UserError, match=r"no mask|missing|is looked for") as raised:
        open_data(tree, tmp_path / "set").make_dataset("test")
    assert "\n" not in str(raised.value)
