"""Checkpoints and recipes of earlier versions load as they did: classes that lay elsewhere, short names of their parts."""

import importlib
import json
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from command_line import ROOT
from jsonargparse import ArgumentParser
from torch import nn

from experiments.__main__ import main
from experiments.checkpoints.checkpoint import load_module, read_checkpoint
from experiments.checkpoints.settings import read_settings
from experiments.command_line.complete_components import begin_from_defaults
from experiments.evaluation.earlier_settings import (
    FEATURES,
    FIRST,
    MOVED,
    TASKS,
    find_current_name,
    find_first_name,
    find_other_draws,
    translate,
    translate_recipe,
)
from experiments.evaluation.recipe import compute_recipe_key
from lightning_modules.networks.classical_features import ClassicalFeatureNetwork
from lightning_modules.networks.features.hog import Hog
from lightning_modules.networks.heads.multi_task import MultiTaskNetwork
from lightning_modules.segmentation import SegmentationModule
from lightning_modules.tasks.boundary import Boundary
from lightning_modules.tasks.distance import Distance
from user_error import UserError

MULTI = "lightning_modules.networks.heads.multi_task.MultiTaskNetwork"
CLASSICAL = "lightning_modules.networks.classical_features.ClassicalFeatureNetwork"
RESULTS = ROOT / "experiments/results"
RECORDS = [path for path in sorted(RESULTS.rglob("*.json")) if not path.name.startswith("costs")]
PLAIN = RESULTS / "camvid/imagenet_c_middle/unet.json"
BECAME_PARTS = {"AttentionNetwork", "AttentionUnet", "ConvGruNetwork", "DropBlockNetwork", "RecurrentNetwork"}
SMALL = {"encoder": "tu-mobilenetv3_small_050"}


def network(path: str, **settings: Any) -> dict[str, Any]:
    return {"class_path": path, "init_args": {**SMALL, **settings}}


OLD = network(MULTI, tasks={"boundary": {}, "distance": {"reach": 5}})
NEW = network(
    MULTI,
    tasks=[
        {"class_path": "lightning_modules.tasks.boundary.Boundary", "init_args": {"weight": 2.0}},
        {"class_path": "lightning_modules.tasks.distance.Distance", "init_args": {"reach": 5}},
    ],
)


def around(one: Any) -> dict[str, Any]:
    return network("lightning_modules.networks.ensembles.ensemble.Ensemble", members=[one, {"class_path": "x.Y"}])


def saved(path: Path, network: dict[str, Any], module: SegmentationModule) -> Path:
    settings = {"network": network, "num_classes": 4, "in_channels": 3}
    torch.save({"hyper_parameters": settings, "state_dict": module.state_dict()}, path)
    return path


def test_short_names_become_classes_at_any_depth() -> None:
    assert translate(OLD) == NEW
    assert translate({"model": {"init_args": {"network": around(OLD)}}}) == {
        "model": {"init_args": {"network": around(NEW)}}
    }
    features = translate(network(CLASSICAL, features={"hog": {"cell": 4}, "lbp": None}))["init_args"]["features"]
    assert features == [
        {
            "class_path": "lightning_modules.networks.features.hog.Hog",
            "init_args": {"orientations": 9, "cell": 4, "block": 2},
        },
        {
            "class_path": "lightning_modules.networks.features.lbp.Lbp",
            "init_args": {"points": 8, "radius": 1, "window": 9},
        },
    ]


@pytest.mark.parametrize(
    "settings",
    [
        NEW,
        {"class_path": MULTI},
        network(MULTI, tasks=None),
        network(MULTI, tasks={"../../stranger": {}}),
        network(MULTI, tasks={"class_path": "x.Y"}),
        network(MULTI, tasks="boundary"),
        network(MULTI, tasks={"boundary": {}, "flow": {}}),
        {"class_path": MULTI, "init_args": "boundary"},
        {"class_path": ["boundary"], "init_args": {"tasks": {"boundary": {}}}},
        {"class_path": "x.Y", "init_args": {"tasks": {"boundary": {}}}},
        ({"tasks": {"boundary": {}}}, None, 3.0),
    ],
)
def test_other_settings_stay_as_they_are(settings: Any) -> None:
    assert translate(settings) == settings


@pytest.mark.parametrize(("path", "place", "names"), [(MULTI, "tasks", TASKS), (CLASSICAL, "features", FEATURES)])
def test_what_was_left_out_is_what_a_class_takes_today(path: str, place: str, names: dict[str, dict[str, Any]]) -> None:
    """Or a training could not go on: its settings would be others than those of its checkpoint."""
    for component in translate(network(path, **{place: dict.fromkeys(names)}))["init_args"][place]:
        module, _, kind = component["class_path"].rpartition(".")
        today = fields(getattr(importlib.import_module(module), kind))
        assert component["init_args"] == {field.name: field.default for field in today}


@pytest.mark.parametrize(
    ("old", "made"),
    [
        (OLD, MultiTaskNetwork(4, 3, [Boundary(), Distance(reach=5)], **SMALL)),
        (network(CLASSICAL, features={"hog": {}}), ClassicalFeatureNetwork(4, 3, [Hog()], **SMALL)),
    ],
)
def test_a_checkpoint_loads(tmp_path: Path, old: dict[str, Any], made: nn.Module) -> None:
    module = SegmentationModule(network=lambda *_: made, num_classes=4)
    checkpoint = saved(tmp_path / "best.ckpt", old, module)
    again = load_module(checkpoint)
    for name, value in module.state_dict().items():
        assert torch.equal(again.state_dict()[name], value)
    assert read_checkpoint(checkpoint)["hyper_parameters"]["network"] == translate(old)


def test_short_names_that_never_were_are_refused(tmp_path: Path) -> None:
    module = SegmentationModule(network=lambda *_: MultiTaskNetwork(4, 3, **SMALL), num_classes=4)
    checkpoint = saved(tmp_path / "best.ckpt", network(MULTI, tasks={"flow": {}}), module)
    with pytest.raises(UserError, match="it was refused"):
        load_module(checkpoint)


def test_the_settings_of_a_run_folder_are_read(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"model": {"init_args": {"network": OLD}}}))
    assert read_settings(tmp_path / "best.ckpt") == {"model": {"init_args": {"network": NEW}}}


def test_a_recipe_is_parsed(tmp_path: Path) -> None:
    begin_from_defaults()
    (tmp_path / "network.yaml").write_text(yaml.safe_dump(OLD))
    for given in (OLD, str(tmp_path / "network.yaml")):
        parser = ArgumentParser(exit_on_error=False)
        parser.add_subclass_arguments(SegmentationModule, "model")
        (tmp_path / "recipe.yaml").write_text(
            yaml.safe_dump(
                {
                    "class_path": f"{SegmentationModule.__module__}.SegmentationModule",
                    "init_args": {"network": given, "num_classes": 4},
                }
            )
        )
        parsed = parser.parse_args([f"--model={tmp_path / 'recipe.yaml'}"])
        tasks = yaml.safe_load(parser.dump(parsed))["model"]["init_args"]["network"]["init_args"]["tasks"]
        assert tasks == NEW["init_args"]["tasks"]


def find_class(name: str) -> Any:
    module, _, kind = name.rpartition(".")
    try:
        return getattr(importlib.import_module(module), kind, None)
    except ModuleNotFoundError:
        return None


def test_classes_are_found_where_they_lie_now() -> None:
    for first, now in MOVED.items():
        kind = find_class(now)
        assert now == f"{kind.__module__}.{kind.__qualname__}"
        assert (find_current_name(first), find_first_name(now)) == (now, first)
    for name in ("lightning_modules.networks.smp.SmpNetwork", "folder.FolderDataModule", "Synthetic", "", "x.y"):
        assert find_current_name(name) == find_first_name(name) == name


def class_paths(settings: Any) -> Iterator[str]:
    if isinstance(settings, dict):
        if "class_path" in settings:
            yield settings["class_path"]
        settings = list(settings.values())
    if isinstance(settings, list):
        for one in settings:
            yield from class_paths(one)


def test_classes_that_committed_records_name_are_found() -> None:
    """Less those that became parts of a network before, which no version since has had."""
    recipes = [json.loads(path.read_text(encoding="utf-8"))["recipe"] for path in RECORDS]
    found = {name for recipe in recipes for name in class_paths(translate_recipe(recipe))}
    assert {name.rpartition(".")[2] for name in found if find_class(name) is None} == BECAME_PARTS
    assert len(found) > 30


def test_a_recipe_keeps_its_key_when_its_classes_move() -> None:
    """Or further seeds of a committed recipe would be of another."""
    assert compute_recipe_key(json.loads(PLAIN.read_text(encoding="utf-8"))["recipe"]) == "b13d6391a5e02935"
    for path in RECORDS:
        recipe = json.loads(path.read_text(encoding="utf-8"))["recipe"]
        same = find_other_draws(recipe) is None
        assert (compute_recipe_key(translate_recipe(recipe)) == compute_recipe_key(recipe)) is same


def test_the_name_that_a_class_had_is_refused_with_that_of_today(capfd: pytest.CaptureFixture[str]) -> None:
    words = [
        "fit",
        "--config=experiments/configs/recipe/synthetic_unet.yaml",
        f"--model.init_args.network={FIRST[MULTI]}",
    ]
    assert main(words) == 2
    assert f"{FIRST[MULTI]} is now called {MULTI}: write that" in capfd.readouterr().err
    part = "lightning_modules.networks.attention.Attention"
    assert main([*words[:2], f"--model.init_args.network.init_args.parts+={part}"]) == 2
    assert f"{part} is now called {MOVED[part]}: write that" in capfd.readouterr().err
