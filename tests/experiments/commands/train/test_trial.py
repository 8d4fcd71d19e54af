"""One trial: its options in the parser's order, a budget over its recipe, training and sweep in one call."""

import contextlib
import io
import json
import subprocess
from pathlib import Path

import pytest
import yaml
from command_line import ROOT, TINY, read_refusal, run_command

from experiments.commands.train import trial
from experiments.commands.train.trial import insert_budget, sort_options
from experiments.files.lock import hold_lock
from experiments.training.cli import run_cli
from user_error import UserError

BUDGETS = sorted((ROOT / "experiments/configs/budget").glob("*.yaml"))
RECIPES = {"camvid": "camvid_fpn", "kvasir": "kvasir_unet", "lgg": "lgg_fusion_middle"}


def test_words_come_in_the_order_that_the_parser_needs() -> None:
    network = "--model.init_args.network"
    words = [f"{network}.init_args.encoder=resnet18", "--seed_everything=1", f"{network}=unet.yaml", "--config=a.yaml"]
    assert sort_options(words) == ["--config=a.yaml", "--seed_everything=1", f"{network}=unet.yaml", words[0]]
    parts = "--model.init_args.network.init_args.parts"
    listed = [f"{parts}+=Attention", f"{parts}.kind=cbam", f"{parts}+=Gates", f"{network}.init_args.dropout=0.1"]
    assert sort_options([*listed, f"{network}=unet.yaml"]) == [f"{network}=unet.yaml", *listed]
    apart = ["--trainer.max_epochs", "2", "--config=a.yaml"]
    assert sort_options(apart) == apart


def test_a_trial_alone(tmp_path: Path) -> None:
    """As an agent of W&B calls it; a second call has nothing left to do."""
    words = ["trial", *TINY, "--trainer.max_epochs=1", "--suite=smoke", "--name=mine", f"--run={tmp_path}"]
    assert "no counter 'nowhere'" in read_refusal(*words, "--counters=[boundary, nowhere]")
    words.append("--counters=[boundary]")
    run_command(*words)
    assert json.loads((tmp_path / "record-smoke.json").read_text())["name"] == "mine"
    assert "done before" in run_command(*words).stdout
    assert "other settings (suite smoke)" in read_refusal(*words[:-1], "--counters", "reliability", "boundary")


def test_order_and_protocol_are_options_of_the_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[tuple[str, ...]] = []
    monkeypatch.setattr(trial, "call", lambda *words, lock: called.append(words))
    words = [TINY[0], "--suite=smoke", "--order=resize_then_corrupt", "--protocol=voc_whole"]
    with pytest.raises(UserError, match="the sweep left no record"):
        trial.main([*words, f"--run={tmp_path}"])
    (fit, *training), (benchmark, *sweeping) = called
    assert (fit, benchmark) == ("fit", "benchmark")
    assert "--order=resize_then_corrupt" in sweeping
    assert "--protocol=voc_whole" in sweeping
    assert f"--output={tmp_path / 'record-smoke-voc_whole.json'}" in sweeping
    assert not any(word.startswith(("--order", "--protocol")) for word in training)
    with pytest.raises(UserError, match="no protocol 'nonsense'"):
        trial.main([*words[:-1], "--protocol=nonsense", f"--run={tmp_path}"])


def test_a_trial_of_a_pruned_network(tmp_path: Path) -> None:
    """Pruned, trained on and swept in one call: the axis of a pruning ratio."""
    dense, half = tmp_path / "dense", tmp_path / "half"
    words = [*TINY, "--trainer.max_epochs=1"]
    run_command("fit", *words, f"--run={dense}")
    refused = read_refusal("trial", *words, "--prune=0.5", f"--run={half}")
    assert "--start" in refused
    trial = ["trial", *words, "--suite=smoke", "--pictures=0", "--prune=0.5", f"--start={dense / 'best.ckpt'}"]
    assert "pruned: " in run_command(*trial, f"--run={half}").stdout
    record = json.loads((half / "record-smoke.json").read_text())
    assert record["recipe"]["model"]["init_args"]["start"] == str(half / "pruned-0.5" / "best.ckpt")
    assert "done before" in run_command(*trial, f"--run={half}").stdout


@pytest.mark.parametrize("words", [["--x=1", "--config=a.yaml", "--y=2"], ["--config", "a.yaml", "--y", "2"]])
def test_a_budget_lies_over_the_recipe_and_under_all_else(tmp_path: Path, words: list[str]) -> None:
    (budget := tmp_path / "budget.yaml").write_text("")
    found = insert_budget(words, budget)
    over = found.index(f"--config={budget}")
    assert "a.yaml" in found[over - 1]
    assert found[:over] + found[over + 1 :] == words
    assert insert_budget(words, None) == words


def test_a_budget_needs_a_recipe_and_a_file(tmp_path: Path) -> None:
    (budget := tmp_path / "budget.yaml").write_text("")
    with pytest.raises(UserError, match="pass --config"):
        insert_budget(["--x=1"], budget)
    with pytest.raises(UserError, match="no budget"):
        insert_budget(["--config=a.yaml"], tmp_path / "none.yaml")


def resolve(words: list[str]) -> dict:
    """The settings that a training would have."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), pytest.raises(SystemExit):
        run_cli([*words, "--print_config"])
    return yaml.safe_load(printed.getvalue())


@pytest.mark.parametrize("path", BUDGETS, ids=lambda path: path.stem)
def test_a_budget_changes_what_it_names_and_nothing_else(path: Path) -> None:
    """Its settings win over the recipe's, and options of a trial over both, a component that is exchanged included."""
    recipe = f"--config=experiments/configs/recipe/{RECIPES[path.stem]}.yaml"
    network = "--model.init_args.network=experiments/configs/network/unet_eca.yaml"
    over = sort_options(insert_budget([network, recipe, "--trainer.max_epochs=3"], path))
    plain, found = resolve([recipe, network]), resolve(over)
    budget = yaml.safe_load(path.read_text())
    assert set(budget) <= {"trainer", "model", "data"}
    for section in ("trainer", "model", "data"):
        named = budget[section] if section == "trainer" else budget[section]["init_args"]
        assert not any(isinstance(value, dict) for value in named.values()), "a budget holds no components"
        before = plain[section] if section == "trainer" else plain[section]["init_args"]
        after = found[section] if section == "trainer" else found[section]["init_args"]
        wanted = before | named | ({"max_epochs": 3} if section == "trainer" else {})
        assert after == wanted


def test_a_suite_is_found_before_the_training(tmp_path: Path) -> None:
    assert "no suite 'imagenet_z'" in read_refusal("trial", *TINY, "--suite=imagenet_z", f"--run={tmp_path / 'x'}")
    assert not (tmp_path / "x").exists()


def test_one_trial_at_a_time_in_a_folder(tmp_path: Path) -> None:
    """Also where what started it is gone and its training is not: that holds the lock on."""
    with hold_lock(tmp_path / "trial.lock", "") as lock:
        assert "a trial is running in" in read_refusal("trial", *TINY, f"--run={tmp_path}")
        orphan = subprocess.Popen(["sleep", "60"], pass_fds=[lock])
    assert "already: wait for it" in read_refusal("trial", *TINY, f"--run={tmp_path}")
    orphan.kill()
    orphan.wait()
    with hold_lock(tmp_path / "trial.lock", ""):
        pass
