"""Sweep files: the trials they make, and what is refused."""

import itertools
from pathlib import Path

import pytest
import yaml
from command_line import ROOT
from wandb.sdk.launch.sweeps.utils import create_sweep_command_args

from experiments.ablation.sweep_file import read_sweep
from user_error import UserError

SWEEPS = sorted((ROOT / "experiments/configs/sweep").glob("*.yaml"))


def write(path: Path, **content: object) -> Path:
    path.write_text(yaml.safe_dump(content))
    return path


def test_a_grid_is_the_product_in_order(tmp_path: Path) -> None:
    parameters = {
        "config": {"value": "recipe.yaml"},
        "model.init_args.network": {"values": ["a/unet.yaml", "b/fpn.yaml"]},
        "seed_everything": {"values": [0, 1, 2]},
        "trainer.max_epochs": {"value": 5},
    }
    path = tmp_path / "grid.yaml"
    path.write_text(yaml.safe_dump({"method": "grid", "parameters": parameters}, sort_keys=False))
    name, trials, factors = read_sweep(path)
    assert name == "grid"
    assert [factor.levels for factor in factors] == [("unet", "fpn"), ("0", "1", "2")]
    pairs = list(itertools.product(["unet", "fpn"], [0, 1, 2]))
    assert [trial.name for trial in trials] == [f"{network}-seed_everything={seed}" for network, seed in pairs]
    assert trials[-1].words == [
        "--config=recipe.yaml",
        "--model.init_args.network=b/fpn.yaml",
        "--seed_everything=2",
        "--trainer.max_epochs=5",
    ]


def test_classes_that_are_written_out_are_called_by_their_names(tmp_path: Path) -> None:
    one, other = {"class_path": "a.b.Gates"}, {"class_path": "a.Attention", "init_args": {"kind": "cbam", "width": 2}}
    parameters = {"a.parts": {"values": [[], [one], [other, one]]}, "size": {"values": [[8, 8], [4, 4]]}}
    path = write(tmp_path / "x.yaml", method="grid", parameters=parameters)
    _, trials, (parts, _) = read_sweep(path)
    assert parts.levels == ("none", "Gates", "Attention cbam 2+Gates")
    assert trials[0].name == "parts=none-size=_8__8_"
    assert trials[-1].name == "parts=Attention_cbam_2+Gates-size=_4__4_"


def test_lists_of_components_are_called_by_their_stems(tmp_path: Path) -> None:
    values = [[], ["a/mixup.yaml"], ["a/cutmix.yaml", "a/mixup.yaml"]]
    path = write(tmp_path / "x.yaml", method="grid", parameters={"a.transforms": {"values": values}})
    _, trials, (transforms,) = read_sweep(path)
    assert transforms.levels == ("none", "mixup", "cutmix+mixup")
    assert [trial.name for trial in trials] == ["transforms=none", "mixup", "cutmix+mixup"]
    assert trials[-1].words == ['--a.transforms=["a/cutmix.yaml", "a/mixup.yaml"]']


def test_words_are_what_the_parser_reads(tmp_path: Path) -> None:
    values = {"a": [64, 96], "b": "x", "c": True, "d": 1e-3, "e": {"k": "v"}}
    path = write(tmp_path / "x.yaml", method="grid", parameters={key: {"value": one} for key, one in values.items()})
    (trial,) = read_sweep(path).trials
    assert trial.name == "trial"
    assert {word.split("=")[0][2:]: yaml.safe_load(word.split("=", 1)[1]) for word in trial.words} == values


def test_draws_stay_in_their_range_and_repeat(tmp_path: Path) -> None:
    parameters = {
        "lr": {"distribution": "log_uniform_values", "min": 1e-4, "max": 1e-1},
        "epochs": {"min": 1, "max": 3},
        "decay": {"min": 0.0, "max": 0.5},
        "network": {"values": ["a.yaml", "b.yaml"], "probabilities": [0.0, 1.0]},
    }
    path = write(tmp_path / "x.yaml", method="random", run_cap=40, parameters=parameters)
    _, trials, factors = read_sweep(path)
    assert trials == read_sweep(path).trials
    assert {factor.option: factor.scale for factor in factors} == {
        "lr": "log",
        "epochs": "linear",
        "decay": "linear",
        "network": "levels",
    }
    drawn = [trial.arguments for trial in trials]
    assert all(1e-4 <= one["lr"] <= 1e-1 and 0 <= one["decay"] <= 0.5 for one in drawn)
    assert {one["epochs"] for one in drawn} == {1, 2, 3}
    assert {one["network"] for one in drawn} == {"b.yaml"}
    assert sum(one["lr"] < 3e-3 for one in drawn) > 10  # half of them, where the logarithm is uniform


GOOD = {"lr": {"value": 1}}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"method": "bayes", "parameters": GOOD}, "grid and random"),
        ({"method": "grid"}, "no parameters"),
        ({"method": "grid", "parameters": {"lr": 1}}, "value: ..."),
        ({"method": "grid", "parameters": {"lr": {"values": []}}}, "at least one"),
        ({"method": "grid", "parameters": {"lr": {"min": 0, "max": 1}}}, "not a range"),
        ({"method": "grid", "parameters": {"model": {"parameters": GOOD}}}, "flat dotted keys"),
        ({"method": "random", "parameters": GOOD}, "run_cap"),
        ({"method": "random", "run_cap": 2, "parameters": {"lr": {"distribution": "beta"}}}, "log_uniform_values"),
        ({"method": "random", "run_cap": 2, "parameters": {"lr": {"min": 2, "max": 1}}}, "range that holds"),
        ({"method": "grid", "parameters": {"weights": {"value": None}}}, "in quotes"),
        ({"method": "grid", "parameters": {"weights": {"values": ["a", None]}}}, "in quotes"),
        ({"method": "grid", "parameters": GOOD, "early_terminate": {}}, "early_terminate"),
        ({"method": "grid", "parameters": GOOD, "name": "../away"}, "becomes a folder"),
        ({"method": "grid", "parameters": {"net": {"values": ["a/unet.yaml", "b/unet.yaml"]}}}, "'unet'"),
        (
            {"method": "grid", "parameters": {str(k): {"values": list(range(10))} for k in range(9)}},
            "1000000000 trials",
        ),
        ({"method": "random", "parameters": GOOD, "run_cap": True}, "set run_cap"),
        ({"method": "random", "parameters": GOOD, "run_cap": 10**9}, "at most 10000"),
        ({"method": ["grid"], "parameters": GOOD}, "method is"),
        (
            {"method": "random", "parameters": {"x": {"values": [1, 2], "probabilities": 3}}, "run_cap": 1},
            "probabilities 3",
        ),
        (
            {"method": "random", "parameters": {"x": {"values": [1], "probabilities": [0]}}, "run_cap": 1},
            "probabilities",
        ),
        ({"method": "random", "parameters": {"x": {"min": 0, "max": float("inf")}}, "run_cap": 1}, "no number"),
        ({"method": "grid", "parameters": {"x": {"values": [[{"class_path": 3}]]}}}, "has the class"),
    ],
)
def test_what_cannot_be_run_is_refused(tmp_path: Path, content: dict, said: str) -> None:
    with pytest.raises(UserError, match=said):
        read_sweep(write(tmp_path / "sweep.yaml", **content))


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no sweep file"):
        read_sweep(tmp_path / "missing.yaml")
    (tmp_path / "broken.yaml").write_text("a: [")
    with pytest.raises(UserError, match="not valid YAML"):
        read_sweep(tmp_path / "broken.yaml")


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_an_agent_of_wandb_says_the_same(path: Path) -> None:
    """Its own function makes a command line of the parameters; what a parser reads from both is equal."""
    for trial in read_sweep(path).trials:
        told = {key: {"value": value} for key, value in trial.arguments.items()}
        theirs = create_sweep_command_args({"args": told})["args"]
        read = [
            {word.partition("=")[0]: yaml.safe_load(word.partition("=")[2]) for word in words}
            for words in (trial.words, theirs)
        ]
        assert read[0] == read[1]


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_ready_sweeps_name_files_that_are_there(path: Path) -> None:
    """Components and recipes by path; data and weights may lie elsewhere."""
    name, trials, _ = read_sweep(path)
    assert name == path.stem
    for trial in trials:
        named = [value for value in trial.arguments.values() if str(value).startswith("experiments/")]
        assert named
        assert all((ROOT / value).is_file() for value in named), trial


def drawn(path: Path, number: int, **parameters: object) -> list[dict]:
    path.write_text(yaml.safe_dump({"method": "random", "run_cap": number, "parameters": parameters}))
    return [trial.arguments for trial in read_sweep(path).trials]


def test_draws_of_values_are_all_different(tmp_path: Path) -> None:
    """W&B repeats them; a trial that is there is not trained again."""
    values = {"a": {"values": [1, 2]}, "b": {"values": ["x", "y"]}}
    trials = drawn(tmp_path / "x.yaml", 4, **values)
    assert len({tuple(trial.values()) for trial in trials}) == 4
    with pytest.raises(UserError, match="no 5 different trials, but 4: lower run_cap"):
        drawn(tmp_path / "x.yaml", 5, **values)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"min": "a", "max": 1}, r"has the min 'a', no number"),
        ({"distribution": "log_uniform_values", "min": 0.1, "max": "1e-4"}, r"has the max '1e-4', no number.*1\.0e-4"),
        ({"min": True, "max": 3}, "no number"),
        ({"values": [1, 2, 3], "probabilities": [0.5, 0.5]}, "2 probabilities for 3 values"),
    ],
)
def test_ranges_that_are_none(tmp_path: Path, entry: dict, said: str) -> None:
    with pytest.raises(UserError, match=said):
        drawn(tmp_path / "x.yaml", 2, lr=entry)
