"""Every YAML of a family: nothing can leak from one component into its sibling, and every recipe runs."""

import importlib
import inspect
from collections.abc import Callable
from importlib.util import find_spec
from itertools import permutations
from pathlib import Path

import pytest
import yaml
from command_line import ROOT, experiments
from jsonargparse import ArgumentParser
from tiny_folder import tiny_folder
from torch import nn

from experiments.ablation.sweep_file import read_sweep

CONFIGS = Path(__file__).parent.parent / "experiments" / "configs"
FAMILIES = ("network", "loss", "optimizer", "schedule", "data", "weighting", "augmentation")
RECIPES = sorted((CONFIGS / "recipe").glob("*.yaml"))


def component(path: Path) -> tuple[type, dict]:
    content = yaml.safe_load(path.read_text())
    assert set(content) <= {"class_path", "init_args"}, path
    module, name = content["class_path"].rsplit(".", 1)
    return getattr(importlib.import_module(module), name), content.get("init_args") or {}


def accepted(cls: type) -> set[str]:
    """Arguments of a class, those it hands on to its parents included."""
    names: set[str] = set()
    for base in cls.__mro__[:-1]:
        if "__init__" not in vars(base):
            continue
        parameters = inspect.signature(base).parameters
        names |= set(parameters)
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
            break
    return names


def leaks(one: Path, other: Path) -> set[str]:
    """Arguments that `one` sets, `other` accepts, and `other` does not set itself.

    LightningCLI keeps them when an ablation switches from `one` to `other`.
    """
    _, before = component(one)
    cls, after = component(other)
    return (set(before) & accepted(cls)) - set(after)


@pytest.mark.parametrize("family", FAMILIES)
def test_no_argument_leaks_between_siblings(family: str) -> None:
    paths = sorted((CONFIGS / family).rglob("*.yaml"))  # those for optional dependencies too
    assert paths
    for one, other in permutations(paths, 2):
        assert not leaks(one, other), f"switching from {one.name} to {other.name} would keep {leaks(one, other)}"


def test_a_leak_is_found(tmp_path: Path) -> None:
    for name, init in {"a": {"power": 0.9}, "b": {}}.items():
        text = {"class_path": "lightning_modules.schedules.Polynomial", "init_args": init}
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(text))
    assert leaks(tmp_path / "a.yaml", tmp_path / "b.yaml") == {"power"}
    assert not leaks(tmp_path / "b.yaml", tmp_path / "a.yaml")


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
    assert not any(isinstance(value, dict | list) for value in recipe["model"]["init_args"].values())


CLASSES = {"camvid": 11, "kvasir_seg": 2, "lgg_mri": 2, "lgg_mri_complete": 2}


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipe_runs(path: Path, tmp_path: Path) -> None:
    data = Path(yaml.safe_load(path.read_text())["data"]).stem
    overrides = ["--data.init_args.size=[64,64]", "--data.init_args.num_workers=0", "--data.init_args.batch_size=2"]
    if data in CLASSES:
        overrides += [
            f"--data.init_args.root={tiny_folder(tmp_path / data, CLASSES[data])}",
            "--data.init_args.where=null",
        ]
    experiments(
        "fit",
        f"--config={path}",
        "--trainer.fast_dev_run=true",
        "--trainer.accelerator=cpu",
        "--model.init_args.encoder_weights=null",
        f"--run={tmp_path}",
        *overrides,
    )


def chosen_network(arguments: dict) -> tuple[str, tuple[tuple[str, str], ...]] | None:
    """The network that a trial makes, and its settings; none where it is the recipe's."""
    key = "model.init_args.network"
    settings = {name: value for name, value in arguments.items() if name.startswith(f"{key}.")}
    path = arguments.get(key)
    if path is None and settings:
        recipe = yaml.safe_load((ROOT / arguments["config"]).read_text())
        path = str(CONFIGS / "recipe" / recipe["model"]["init_args"]["network"])
    return None if path is None else (str(path), tuple((name, str(value)) for name, value in settings.items()))


def test_every_trial_of_every_sweep_has_a_network() -> None:
    """And every file that it names is there."""
    found = set()
    for sweep in sorted((CONFIGS / "sweep").glob("*.yaml")):
        for trial in read_sweep(sweep).trials:
            named = [str(value) for value in trial.arguments.values() if str(value).endswith(".yaml")]
            assert all((ROOT / name).is_file() for name in named), f"{sweep.stem}: {named}"
            found.add(chosen_network(trial.arguments))
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--model.init_args.network", type=Callable[[int, int], nn.Module], enable_path=True)
    for path, settings in sorted(one for one in found if one is not None):
        if "/optional/" in path and find_spec("transformers") is None:
            continue
        words = [f"--model.init_args.network={path}", *(f"--{name}={value}" for name, value in settings)]
        network = parser.instantiate_classes(parser.parse_args(words)).model.init_args.network
        assert isinstance(network(3, 3), nn.Module), words
