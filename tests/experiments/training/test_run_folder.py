"""One training in a folder: what goes on, what is over, and what is another one."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from command_line import TINY, read_output, read_refusal
from pytorch_lightning.callbacks import ModelCheckpoint
from resumed import SHORT

from experiments.checkpoints.checkpoint import read_checkpoint
from experiments.training.own_checkpoint import drop_foreign_paths
from experiments.training.run_folder import find_changes

FIT = ("fit", TINY[0], *SHORT)
"""Three steps of four images in each of two epochs."""

RATE = "--model.init_args.optimizer.init_args.lr=0.5"
CONSTANT = "--model.init_args.schedule=null"
STOP = (
    "--trainer.callbacks+=pytorch_lightning.callbacks.EarlyStopping",
    "--trainer.callbacks.monitor=val/miou",
    "--trainer.callbacks.mode=max",
    "--trainer.callbacks.patience=1",
    "--trainer.callbacks.min_delta=0.9",
)


@pytest.fixture(autouse=True)
def seed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A training sets it, and it is to be what it was after each test."""
    monkeypatch.setenv("PL_GLOBAL_SEED", "0")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that came to its end."""
    run = tmp_path_factory.mktemp("runs") / "finished"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PL_GLOBAL_SEED", "0")
        read_output(*FIT, f"--run={run}")
    return run


def assert_same_weights(one: Path, other: Path) -> None:
    left, right = (read_checkpoint(path)["state_dict"] for path in (one, other))
    assert left.keys() == right.keys()
    for name, value in left.items():
        torch.testing.assert_close(value, right[name], rtol=0, atol=0, msg=name)


def test_a_finished_training_says_so_and_is_left_alone(finished: Path) -> None:
    files = {path: path.read_bytes() for path in finished.glob("*.ckpt")}
    output = read_output(*FIT, f"--run={finished}")
    assert f"trained before: {finished / 'best.ckpt'} (after 2 epochs" in output
    assert "resuming" not in output
    assert {path: path.read_bytes() for path in finished.glob("*.ckpt")} == files


def test_what_early_stopping_ended_is_over(tmp_path: Path) -> None:
    """The second epoch is not better than the first by 0.9; the same command trains no third one."""
    words = (*FIT, *STOP, "--trainer.max_epochs=6", f"--run={tmp_path}")
    read_output(*words)
    assert read_checkpoint(tmp_path / "last.ckpt")["epoch"] == 1
    files = {path: path.read_bytes() for path in tmp_path.glob("*.ckpt")}
    assert "(ended by early stopping on val/miou after 2 epochs" in read_output(*words)
    assert {path: path.read_bytes() for path in tmp_path.glob("*.ckpt")} == files


def test_what_is_to_stop_later_still_does_when_it_is_resumed(tmp_path: Path) -> None:
    """Early stopping spoke in the second epoch, but three are asked for; patience alone would go on to the sixth."""
    keep = (
        "--trainer.callbacks+=pytorch_lightning.callbacks.ModelCheckpoint",
        f"--trainer.callbacks.dirpath={tmp_path / 'kept'}",
        "--trainer.callbacks.filename={epoch}",
        "--trainer.callbacks.save_top_k=-1",
    )
    words = (*FIT, *STOP, "--trainer.max_epochs=6", "--trainer.min_epochs=3")
    read_output(*words, *keep, f"--run={tmp_path / 'whole'}")
    read_output(*words, f"--ckpt_path={tmp_path / 'kept' / 'epoch=1.ckpt'}", f"--run={tmp_path / 'resumed'}")
    for run in ("whole", "resumed"):
        assert read_checkpoint(tmp_path / run / "last.ckpt")["epoch"] == 2
    assert_same_weights(tmp_path / "whole" / "last.ckpt", tmp_path / "resumed" / "last.ckpt")


def test_longer_is_a_training_of_its_own(finished: Path, tmp_path: Path) -> None:
    """The refusal says which one, and that begins from the weights with a schedule of its own."""
    refused = read_refusal(*FIT, "--trainer.max_epochs=3", f"--run={finished}")
    assert f"--start {finished / 'last.ckpt'} --run {finished}_longer" in refused
    longer = tmp_path / "longer"
    read_output(
        *FIT, "--trainer.max_epochs=1", f"--start={finished / 'last.ckpt'}", f"--run={longer}", RATE.replace("0.5", "0")
    )
    before, after = (read_checkpoint(run / "last.ckpt")["state_dict"] for run in (finished, longer))
    weight = "network.network.segmentation_head.0.weight"
    weight = weight if weight in before else next(name for name in before if name.endswith("weight"))
    assert torch.equal(before[weight], after[weight])


def test_a_finished_training_is_no_longer_one_by_its_checkpoint(finished: Path, tmp_path: Path) -> None:
    """Its rate would rise again along the schedule of the shorter one."""
    words = (*FIT, f"--ckpt_path={finished / 'last.ckpt'}", f"--run={tmp_path / 'run'}")
    assert "--start" in read_refusal(*words)  # nothing is left
    refused = read_refusal(*words, "--trainer.max_epochs=4")
    assert "was to make 6 steps" in refused
    assert "now there would be 12" in refused


def test_at_a_constant_rate_a_checkpoint_goes_on_for_longer(tmp_path: Path) -> None:
    """It ends as a training of that length that ran through."""
    words = (*FIT, CONSTANT)
    read_output(*words, f"--run={tmp_path / 'short'}")
    ckpt = tmp_path / "short" / "last.ckpt"
    output = read_output(*words, "--trainer.max_epochs=3", f"--ckpt_path={ckpt}", f"--run={tmp_path / 'on'}")
    assert f"resuming {ckpt} after 2 of 3 epochs, step 6, with SmpNetwork as network" in output
    assert "unlike before: trainer.max_epochs" in output
    read_output(*words, "--trainer.max_epochs=3", f"--run={tmp_path / 'whole'}")
    assert_same_weights(tmp_path / "whole" / "last.ckpt", tmp_path / "on" / "last.ckpt")


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ([RATE], "optimizer.init_args.lr"),
        (["--model.init_args.schedule=experiments/configs/schedule/polynomial.yaml"], "schedule.class_path"),
        (["--model.init_args.loss=experiments/configs/loss/cross_entropy_dice.yaml"], "loss.class_path"),
        (["--model.init_args.network.init_args.dropout=0.3"], "network.init_args.dropout"),
        (["--seed_everything=3"], "seed_everything"),
    ],
)
def test_a_checkpoint_of_other_settings(words: list[str], named: str, finished: Path, tmp_path: Path) -> None:
    """Neither replaces the command line's nor is replaced."""
    refused = read_refusal(
        *FIT, *words, "--trainer.max_epochs=3", f"--ckpt_path={finished / 'last.ckpt'}", f"--run={tmp_path / 'run'}"
    )
    assert "a training with another " in refused
    assert named in refused


def test_weights_alone_are_no_training(finished: Path, tmp_path: Path) -> None:
    content = read_checkpoint(finished / "last.ckpt")
    torch.save({key: content[key] for key in ("state_dict", "hyper_parameters")}, tmp_path / "alone.ckpt")
    assert "holds weights" in read_refusal(*FIT, f"--ckpt_path={tmp_path / 'alone.ckpt'}", f"--run={tmp_path / 'run'}")


def test_a_folder_without_its_settings(finished: Path, tmp_path: Path) -> None:
    """Or with some that are none: nobody knows the seed of what lies there."""
    for name in ("best.ckpt", "last.ckpt"):
        (tmp_path / name).write_bytes((finished / name).read_bytes())
    assert "without the config.yaml" in read_refusal(*FIT, "--seed_everything=7", f"--run={tmp_path}")
    (tmp_path / "config.yaml").write_text("- a\n- list\n")
    assert "is not a mapping: restore the file that 'fit' wrote, pass another --run" in read_refusal(
        *FIT, f"--run={tmp_path}"
    )
    for name in ("config.yaml", "last.ckpt"):
        (tmp_path / name).unlink()
    assert "without the config.yaml" in read_refusal(*FIT, f"--run={tmp_path}")


def test_what_it_begins_from_is_not_removed(finished: Path) -> None:
    for words in ((f"--ckpt_path={finished / 'last.ckpt'}",), (f"--start={finished / 'best.ckpt'}",)):
        assert "--restart would remove" in read_refusal(*FIT, "--restart", *words, f"--run={finished}")
    assert (finished / "last.ckpt").exists()
    assert (finished / "best.ckpt").exists()


def test_files_elsewhere_are_left_alone_and_the_best_stays(tmp_path: Path) -> None:
    """A folder that was moved, or is a stranger's: callbacks delete the files that their states name."""
    run, victim, words = tmp_path / "run", tmp_path / "victim.ckpt", (*FIT, CONSTANT)
    read_output(*words, "--trainer.max_epochs=1", f"--run={run}")
    settings = yaml.safe_load((run / "config.yaml").read_text())
    settings["trainer"]["max_epochs"] = 2  # as if it had been interrupted
    (run / "config.yaml").write_text(yaml.safe_dump(settings))
    content, named = torch.load(run / "last.ckpt", weights_only=True), f"{run}/../victim.ckpt"
    for state in content["callbacks"].values():
        state.update({"best_model_path": named, "last_model_path": named, "kth_best_model_path": named})
        state["best_k_models"] = {named: torch.tensor(2.0)} if state["monitor"] else {}
    torch.save(content, run / "last.ckpt")
    victim.touch()
    best = (run / "best.ckpt").read_bytes()
    assert "after 1 of 2 epochs" in read_output(*words, f"--run={run}")
    assert read_checkpoint(run / "last.ckpt")["epoch"] == 1
    assert victim.exists()
    assert (run / "best.ckpt").read_bytes() == best


def test_a_callback_keeps_the_files_of_its_own_folder(tmp_path: Path) -> None:
    inside, outside = str(tmp_path / "kept" / "a.ckpt"), str(tmp_path / "kept" / ".." / "b.ckpt")
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "away").symlink_to(tmp_path)
    linked = str(tmp_path / "kept" / "away" / "c.ckpt")
    callback = ModelCheckpoint(dirpath=tmp_path / "kept", monitor="val/miou")
    state = {
        "best_model_path": inside,
        "last_model_path": outside,
        "best_k_models": {inside: 1.0, outside: 2.0, linked: 3.0},
    }
    drop_foreign_paths({callback.state_key: state}, [callback])
    assert state == {"best_model_path": inside, "last_model_path": "", "best_k_models": {inside: 1.0}}
    drop_foreign_paths(["no", "states"], [callback])


def test_settings_that_keep_a_training_from_going_on() -> None:
    timer = {"class_path": "pytorch_lightning.callbacks.Timer", "init_args": {"duration": "00:00:00:01"}}
    before: dict[str, Any] = {
        "seed_everything": 0,
        "trainer": {"max_time": None, "callbacks": [timer]},
        "model": {"a": 1},
    }
    now = yaml.safe_load(json.dumps(before))
    now["trainer"]["max_time"] = "00:01:00:00"
    now["trainer"]["callbacks"][0]["init_args"]["duration"] = "01:00:00:00"
    assert find_changes(before, now) == []
    assert find_changes(before, {**now, "model": {"a": 2}}) == ["model.a"]
    assert find_changes(before, {**now, "seed_everything": 1}) == ["seed_everything"]
