import json
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from command_line import ROOT
from hypothesis import given
from hypothesis import strategies as st

from experiments.evaluation.recipe import compute_recipe_key, find_data_name, find_recipe_seed, name_recipe_group
from experiments.record_files.record_file import read_record

RECIPE: dict[str, Any] = {
    "seed_everything": 0,
    "trainer": {"max_epochs": 8, "devices": 1, "accelerator": "auto", "precision": None, "logger": None},
    "model": {
        "class_path": "lightning_modules.segmentation.SegmentationModule",
        "init_args": {
            "network": {"class_path": "a.SmpNetwork", "init_args": {"architecture": "Unet", "encoder": "resnet18"}},
            "optimizer": {"class_path": "torch.optim.AdamW", "init_args": {"lr": 0.001, "betas": [0.9, 0.999]}},
        },
    },
    "data": {
        "class_path": "datamodules.datasets.folder.FolderDataModule",
        "init_args": {"root": "data/camvid", "size": [192, 256], "batch_size": 8, "eval_batch_size": 8, "where": None},
    },
}


def changed(place: str, value: Any) -> dict[str, Any]:
    recipe = deepcopy(RECIPE)
    *parents, last = place.split(".")
    inner = recipe
    for key in parents:
        inner = inner[key]
    inner[last] = value
    return recipe


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("seed_everything", 7),
        ("data.init_args.root", "/elsewhere/camvid/"),
        ("data.init_args.num_workers", 4),
        ("data.init_args.eval_batch_size", 1),
        ("data.init_args.unit", "patient"),
        ("data.init_args.split_seed", None),
        ("trainer.accelerator", "gpu"),
        ("trainer.enable_progress_bar", False),
        ("trainer.logger", {"class_path": "pytorch_lightning.loggers.CSVLogger", "init_args": {"save_dir": "x"}}),
        ("trainer.max_epochs", 8.0),
        ("model.init_args.network.init_args.encoder_depth", None),
        ("ckpt_path", "runs/x/last.ckpt"),
    ],
)
def test_what_draws_no_other_number_leaves_the_key(place: str, value: Any) -> None:
    assert compute_recipe_key(changed(place, value)) == compute_recipe_key(RECIPE)


def test_weights_are_known_by_their_name() -> None:
    here, there, other = (
        compute_recipe_key(changed("model.init_args.encoder_weights", path))
        for path in ("weights/a.pt", "../b/a.pt", "weights/b.pt")
    )
    assert here == there != other


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("trainer.devices", 2),
        ("trainer.max_epochs", 9),
        ("trainer.precision", "bf16-mixed"),
        ("model.init_args.network.init_args.encoder", "resnet34"),
        ("model.init_args.optimizer.init_args.lr", 0.002),
        ("model.init_args.optimizer.init_args.betas", [0.999, 0.9]),
        ("model.init_args.network.init_args.root", "a setting of that name elsewhere"),
        ("data.init_args.root", "data/kvasir"),
        ("data.init_args.batch_size", 4),
        ("data.init_args.where", {"train": {"light": ["day"]}}),
        (
            "trained_on",
            {"class_path": "datamodules.datasets.folder.FolderDataModule", "init_args": {"root": "data/acdc"}},
        ),
    ],
)
def test_what_decides_a_training_changes_the_key(place: str, value: Any) -> None:
    assert compute_recipe_key(changed(place, value)) != compute_recipe_key(RECIPE)


@pytest.mark.parametrize("seed", [None, True, False, "0"])
def test_no_key_without_a_seed(seed: Any) -> None:
    recipe = changed("seed_everything", seed)
    assert compute_recipe_key(recipe) is find_recipe_seed(recipe) is name_recipe_group(recipe) is None
    del recipe["seed_everything"]
    assert compute_recipe_key(recipe) is find_recipe_seed(recipe) is name_recipe_group(recipe) is None


settings = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


def with_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: with_nulls(inner) for key, inner in reversed(value.items())} | {"left out": None}
    return [with_nulls(inner) for inner in value] if isinstance(value, list) else value


@given(st.dictionaries(st.text(), settings), st.integers(), st.integers())
def test_key_of_any_settings(model: dict[str, Any], seed: int, other: int) -> None:
    """The same for every seed, as YAML and as JSON, in any order of the keys, and with nulls or without them."""
    recipe = {"seed_everything": seed, "model": model, "data": {}}
    key = compute_recipe_key(recipe)
    assert key is not None
    assert len(key) == 16
    assert compute_recipe_key({**recipe, "seed_everything": other}) == key
    assert compute_recipe_key(json.loads(json.dumps(recipe))) == key
    assert compute_recipe_key({"data": {}, "model": with_nulls(model), "seed_everything": seed}) == key
    assert find_recipe_seed(recipe) == seed


@given(st.dictionaries(st.text(), settings))
def test_no_recipe_of_a_stranger_fails(recipe: dict[str, Any]) -> None:
    for found in (recipe, {"seed_everything": 0, "model": recipe, "data": recipe, "trained_on": list(recipe)}):
        assert (
            (compute_recipe_key(found) is None)
            == (find_recipe_seed(found) is None)
            == (name_recipe_group(found) is None)
        )


def test_the_run_folder_and_the_record_agree(tiny_run: Path, tiny_record: Path) -> None:
    written = yaml.safe_load((tiny_run / "config.yaml").read_text())
    record = read_record(tiny_record).recipe
    assert compute_recipe_key(written) == compute_recipe_key(record) is not None
    assert name_recipe_group(written) == name_recipe_group(record)
    assert find_recipe_seed(written) == find_recipe_seed(record) == 0


def test_names() -> None:
    assert name_recipe_group(RECIPE) == f"unet-resnet18-camvid-{compute_recipe_key(RECIPE)}"
    network = changed("model.init_args.network", {"class_path": "networks.Segmenter"})
    assert name_recipe_group(network) == f"segmenter-camvid-{compute_recipe_key(network)}"
    assert find_data_name(RECIPE["data"]) == "camvid"
    assert (
        find_data_name({"class_path": "datamodules.datasets.synthetic.SyntheticDataModule", "init_args": {}})
        == "synthetic"
    )
    long = name_recipe_group(changed("model.init_args.network.init_args.encoder", "x" * 500))
    assert long is not None
    assert len(long) <= 128


def test_import_is_light() -> None:
    heavy = ("torch", "numpy", "wandb", "yaml")
    code = f"import sys, experiments.evaluation.recipe; print([one for one in {heavy} if one in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
