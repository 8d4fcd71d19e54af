"""Every YAML of a family says what makes it that idea, is that alone wherever it is put, and every recipe runs."""

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from command_line import ROOT, run_command
from jsonargparse import ArgumentParser
from tiny_folder import make_tiny_folder
from torch import nn

from datamodules.base import SegmentationDataModule
from experiments.ablation.sweep_file import read_sweep
from experiments.command_line.complete_components import begin_from_defaults
from lightning_modules.segmentation import SegmentationModule

CONFIGS = Path(__file__).parent.parent / "experiments" / "configs"
RECIPES = sorted((CONFIGS / "recipe").glob("*.yaml"))


def component(path: Path) -> tuple[type, dict]:
    content = yaml.safe_load(path.read_text())
    assert set(content) <= {"class_path", "init_args"}, path
    module, name = content["class_path"].rsplit(".", 1)
    return getattr(importlib.import_module(module), name), content.get("init_args") or {}


FRAME = [
    "--model=lightning_modules.segmentation.SegmentationModule",
    "--model.init_args.num_classes=3",
    f"--model.init_args.network={CONFIGS / 'network' / 'unet.yaml'}",
    f"--model.init_args.objective={CONFIGS / 'objective' / 'multi_task.yaml'}",
    "--data=datamodules.datasets.synthetic.SyntheticDataModule",
]
"""What has a place for every family."""
PLACES = {
    **{family: f"model.init_args.{family}" for family in ("network", "loss", "optimizer", "schedule", "objective")},
    "weighting": "model.init_args.objective.init_args.weighting",
    "attack": "model.init_args.objective.init_args.attack",
    "batch_transform": "model.init_args.batch_transforms",
    "data": "data",
    "augmentation": "data.init_args.augmentation",
}
COMPONENTS = [(family, path) for family in PLACES for path in sorted((CONFIGS / family).rglob("*.yaml"))]
HOLDERS = {"attack": "adversarial"}
"""Objectives that have a place for a family, where that of `FRAME` has none."""
LISTS = ("model.init_args.batch_transforms",)
"""Places that hold several."""
LINKED = ("num_classes", "in_channels")
"""What the data say."""


def altered(path: Path, place: str) -> list[str]:
    """Words that change every number and truth value of a component."""
    cls, _ = component(path)
    parser = ArgumentParser()
    parser.add_class_arguments(cls, fail_untyped=False)
    others = {name: other(value) for name, value in vars(parser.get_defaults()).items() if name not in LINKED}
    inside = place if place in LISTS else f"{place}.init_args"
    return [f"--{inside}.{name}={value}" for name, value in others.items() if value is not None]


def put(path: Path, place: str) -> str:
    """The word that puts a component in its place; in a list, as its only member."""
    return f"--{place}={json.dumps([str(path)])}" if place in LISTS else f"--{place}={path}"


def other(value: Any) -> Any:
    if isinstance(value, bool):
        return str(not value).lower()
    return value + 1 if isinstance(value, int | float) else None


@pytest.mark.parametrize(("family", "path"), COMPONENTS, ids=lambda one: getattr(one, "stem", one))
def test_nothing_of_another_component_is_left(family: str, path: Path) -> None:
    """A component over another one of its family, and over its own class with other settings, is what it is alone."""
    begin_from_defaults()
    place = PLACES[family]
    siblings = [one for kind, one in COMPONENTS if kind == family and one.parent == path.parent]
    before = siblings[siblings.index(path) - 1]
    holder = [put(CONFIGS / "objective" / f"{HOLDERS[family]}.yaml", PLACES["objective"])] if family in HOLDERS else []

    def parse(*words: str) -> Any:
        parser = ArgumentParser(exit_on_error=False)
        parser.add_subclass_arguments(SegmentationModule, "model")
        parser.add_subclass_arguments(SegmentationDataModule, "data")
        return yaml.safe_load(parser.dump(parser.parse_args([*FRAME, *holder, *words])))

    alone = parse(put(path, place))
    assert parse(put(before, place), *altered(before, place), put(path, place)) == alone
    assert parse(put(path, place), *altered(path, place), put(path, place)) == alone


@pytest.mark.parametrize(("family", "path"), COMPONENTS, ids=lambda one: getattr(one, "stem", one))
def test_a_component_says_only_what_makes_it_that_idea(family: str, path: Path) -> None:
    """No setting that is its class's default, but for the architecture of smp, which is the idea."""
    cls, given = component(path)
    parser = ArgumentParser()
    parser.add_class_arguments(cls, fail_untyped=False)
    defaults = vars(parser.get_defaults())
    if cls.__module__.partition(".")[0] in ("datamodules", "lightning_modules"):
        assert [name for name, value in given.items() if name != "architecture" and value == defaults[name]] == []


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipes_refer_to_components(path: Path) -> None:
    """A component stands in its own file: what a recipe writes out could leak into an ablation."""
    recipe = yaml.safe_load(path.read_text())
    assert isinstance(recipe["data"], str)
    components = {"network", "loss", "optimizer", "schedule"}
    assert components <= set(recipe["model"]["init_args"])
    for key in components:
        value = recipe["model"]["init_args"][key]
        assert isinstance(value, str), f"{path.name}: {key} is written out"
        assert (path.parent / value).is_file()
    assert not any(isinstance(value, dict) for value in recipe["model"]["init_args"].values())
    several = [one for value in recipe["model"]["init_args"].values() if isinstance(value, list) for one in value]
    assert all(isinstance(one, str) and (path.parent / one).is_file() for one in several)


CLASSES = {"camvid": 11, "kvasir_seg": 2, "lgg_mri": 2, "lgg_mri_complete": 2}


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipe_runs(path: Path, tmp_path: Path) -> None:
    data = Path(yaml.safe_load(path.read_text())["data"]).stem
    overrides = ["--data.init_args.size=[64,64]", "--data.init_args.num_workers=0", "--data.init_args.batch_size=2"]
    if data in CLASSES:
        overrides += [
            f"--data.init_args.root={make_tiny_folder(tmp_path / data, CLASSES[data])}",
            "--data.init_args.where=null",
        ]
    run_command(
        "fit",
        f"--config={path}",
        "--trainer.fast_dev_run=true",
        "--trainer.accelerator=cpu",
        "--model.init_args.encoder_weights=null",
        f"--run={tmp_path}",
        *overrides,
    )


def test_trials_of_a_sweep_have_their_batch_transforms() -> None:
    """A list of components, as a sweep file hands it to the command line."""
    found = []
    for trial in read_sweep(CONFIGS / "sweep" / "mixing_synthetic.yaml").trials:
        words = [word for word in trial.words if not word.startswith("--suite")]
        settings = yaml.safe_load(run_command("fit", *words, "--print_config").stdout)["model"]["init_args"]
        found.append([one["class_path"].rsplit(".", 1)[1] for one in settings["batch_transforms"]])
    assert found == [[], ["Mixup"], ["CutMix"], ["CutMix", "Mixup"]]


def chosen_network(arguments: dict) -> tuple[str, tuple[tuple[str, str], ...]] | None:
    """The network that a trial makes, and its settings; none where it is the recipe's."""
    key = "model.init_args.network"
    settings = {name: value for name, value in arguments.items() if name.startswith(f"{key}.")}
    path = arguments.get(key)
    if path is None and settings:
        recipe = yaml.safe_load((ROOT / arguments["config"]).read_text())
        path = str(CONFIGS / "recipe" / recipe["model"]["init_args"]["network"])
    return None if path is None else (str(path), tuple((name, str(value)) for name, value in settings.items()))


def test_every_trial_of_every_sweep_has_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """And every file that it names is there; a file without further settings is built by the contract tests of networks.

    Weights are not drawn, which would take half of the time.
    """
    for name in ("uniform_", "normal_"):
        monkeypatch.setattr(torch.Tensor, name, lambda tensor, *_, **__: tensor.fill_(0.01))
    found = set()
    for sweep in sorted((CONFIGS / "sweep").glob("*.yaml")):
        for trial in read_sweep(sweep).trials:
            named = [str(value) for value in trial.arguments.values() if str(value).endswith(".yaml")]
            assert all((ROOT / name).is_file() for name in named), f"{sweep.stem}: {named}"
            found.add(chosen_network(trial.arguments))
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--model.init_args.network", type=Callable[[int, int], nn.Module], enable_path=True)
    for path, settings in sorted(one for one in found if one is not None and one[1]):
        words = [f"--model.init_args.network={path}", *(f"--{name}={value}" for name, value in settings)]
        network = parser.instantiate_classes(parser.parse_args(words)).model.init_args.network
        assert isinstance(network(3, 3), nn.Module), words
