"""Which trial a folder holds, and what another one is told of it."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from command_line import TINY, read_refusal, run_command
from tiny_folder import make_tiny_folder

import torchvision_operators  # noqa: F401  (before Lightning, and with it torchvision)
from datamodules.datasets.folder import FolderDataModule
from experiments.__main__ import main
from experiments.ablation import resolved
from experiments.ablation.claims import claim_trials
from experiments.ablation.same_data import find_change
from experiments.ablation.trial_folder import TrialFolder
from experiments.commands.train import trial
from experiments.files.digest import compute_sha256
from user_error import UserError

WORDS = ["--config=experiments/configs/recipe/synthetic_unet.yaml", "--suite=smoke", "--trainer.max_epochs=1"]


def make_done(run: Path, words: list[str], **origin: object) -> TrialFolder:
    """What a trial leaves, as far as the next call looks at it."""
    folder = TrialFolder(run, words)
    run.mkdir(exist_ok=True)
    folder.claim()
    folder.note_sweep()
    (run / "best.ckpt").write_bytes(b"weights")
    made = {
        "checkpoint": {"sha256": compute_sha256(run / "best.ckpt")},
        "recipe": {},
        "data": {"split": "test"},
        **origin,
    }
    folder.record.write_text(json.dumps(made))
    return TrialFolder(run, words)


def test_a_trial_is_done_as_it_was(tmp_path: Path) -> None:
    make_done(tmp_path / "run", WORDS)
    for further in ([], ["--name=other", "--pictures=0"], ["--trainer.accelerator=cpu"]):
        assert TrialFolder(tmp_path / "run", WORDS + further).is_done()


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ([*WORDS[:2], "--trainer.max_epochs=2"], "trainer.max_epochs"),
        ([*WORDS, "--seed_everything=1"], "seed_everything"),
        ([*WORDS, "--budget=experiments/configs/budget/kvasir.yaml"], "budget"),
        (["--config=experiments/configs/recipe/kvasir_unet.yaml", *WORDS[1:]], "config"),
    ],
)
def test_a_trial_of_other_settings_is_refused(tmp_path: Path, words: list[str], named: str) -> None:
    """By 'trial' itself, with the setting named; nothing is trained, and what is there stays."""
    make_done(tmp_path / "run", WORDS)
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    said = read_refusal("trial", *words, f"--run={tmp_path / 'run'}")
    assert "holds a trial with other settings (" in said
    assert named in said
    assert "--restart" in said
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before | {"trial.lock": b""}


def test_a_suite_of_the_same_name_with_other_conditions(tmp_path: Path) -> None:
    (suite := tmp_path / "own.yaml").write_text("name: own\nversion: 1\n")
    words = [WORDS[0], f"--suite={suite}"]
    assert make_done(tmp_path / "run", words).is_done()
    suite.write_text("name: own\nversion: 2\n")
    with pytest.raises(UserError, match=r"other settings \(suite own\)"):
        TrialFolder(tmp_path / "run", words).is_done()


def test_a_further_suite_of_the_same_training(tmp_path: Path) -> None:
    make_done(tmp_path / "run", WORDS)
    other = TrialFolder(tmp_path / "run", [WORDS[0], "--suite=core", WORDS[2]])
    assert not other.is_done()
    other.claim()
    other.note_sweep()
    assert TrialFolder(tmp_path / "run", WORDS).is_done()


def test_the_record_of_another_checkpoint(tmp_path: Path) -> None:
    folder = make_done(tmp_path / "run", WORDS)
    (tmp_path / "run" / "best.ckpt").write_bytes(b"others")
    os.utime(tmp_path / "run" / "best.ckpt", (9, 9))
    with pytest.raises(UserError, match="is the record of another checkpoint than"):
        folder.is_done()
    (tmp_path / "run" / "best.ckpt").unlink()  # to save space
    assert folder.is_done()


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[str]]:
    """Replace the verbs that 'trial' calls by ones that end with a status; what was called."""

    def register(status: int) -> list[str]:
        called: list[str] = []

        def call(verb: str, *words: str, lock: int | None = None) -> None:
            called.append(verb)
            if status:
                raise SystemExit(status)

        monkeypatch.setattr(trial, "call", call)
        return called

    return register


def test_a_restart_that_refuses_leaves_the_trial_that_is_there(
    tmp_path: Path, fitted: Callable[[int], list[str]]
) -> None:
    make_done(tmp_path / "run", WORDS)
    fitted(2)
    with pytest.raises(SystemExit):
        main(["trial", *WORDS, "--lr=-1", "--restart", f"--run={tmp_path / 'run'}"])
    assert TrialFolder(tmp_path / "run", WORDS).is_done()


def test_a_restart_replaces_the_trial_that_is_there(tmp_path: Path, fitted: Callable[[int], list[str]]) -> None:
    """Interrupted in its training, the record of before is not its own."""
    make_done(tmp_path / "run", WORDS)
    called, words = fitted(0), [*WORDS, "--seed_everything=1", f"--run={tmp_path / 'run'}"]
    main(["trial", *words, "--restart"])
    assert called == ["fit", "benchmark"]
    folder = TrialFolder(tmp_path / "run", [*WORDS, "--seed_everything=2"])
    folder.claim(restart=True)
    assert not folder.is_done()


def test_what_never_trained_keeps_nothing_away(tmp_path: Path) -> None:
    """As after a setting that was refused; but while another ablation runs, what it means to train holds."""
    before, now = TrialFolder(tmp_path / "a", WORDS), TrialFolder(tmp_path / "a", [*WORDS, "--seed_everything=1"])
    refused = pytest.raises(UserError, match=r"other settings \(seed_everything\)")
    with claim_trials(tmp_path, [before]), refused, claim_trials(tmp_path, [now]):
        pass
    with claim_trials(tmp_path, [before]), claim_trials(tmp_path, [TrialFolder(tmp_path / "a", WORDS)]):
        pass
    with claim_trials(tmp_path, [now]):
        assert not TrialFolder(tmp_path / "a", WORDS).is_done()
    with pytest.raises(UserError, match="other settings"):
        before.require_same(claimed=True)


def test_a_folder_of_an_earlier_version(tmp_path: Path, tiny_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no fingerprint: the settings of its record are compared with the resolved ones of the command."""
    forked = SimpleNamespace(run=lambda command, **_: run_command(*command[3:], check=False))
    monkeypatch.setattr(resolved, "subprocess", forked)  # the command, with its imports done
    recipe = yaml.safe_load((tiny_run / "config.yaml").read_text())
    make_done(tmp_path / "run", WORDS, recipe=recipe)
    (tmp_path / "run" / "trial.json").unlink()
    words = [*TINY, "--suite=smoke"]
    assert TrialFolder(tmp_path / "run", words, TINY).is_done()
    with pytest.raises(UserError, match=r"other settings \(trainer.max_epochs\)"):
        TrialFolder(tmp_path / "run", words, [*TINY, "--trainer.max_epochs=3"]).is_done()
    with pytest.raises(UserError, match="not written down"):
        TrialFolder(tmp_path / "run", words).is_done()


@pytest.mark.parametrize("changed", ["train/masks/1.png", "val/images/0.png", "test/masks/2.png", "nothing", "root"])
def test_labels_that_changed(tmp_path: Path, changed: str) -> None:
    """In training, in validation or in the sweep; those that are nowhere change nothing."""
    root = make_tiny_folder(tmp_path / "data", 3)
    data = FolderDataModule(str(root))
    splits = {split: data.compute_fingerprint(split) for split in ("train", "val")}  # type: ignore[arg-type]
    content = data.compute_fingerprint("test").sha256
    folder = make_done(tmp_path / "run", WORDS, data={"split": "test", "content": content})
    described = {"class_path": "datamodules.datasets.folder.FolderDataModule", "init_args": {"root": str(root)}}
    (tmp_path / "run" / "config.yaml").write_text(yaml.safe_dump({"data": described}))
    (tmp_path / "run" / "training.json").write_text(json.dumps({k: v.as_json() for k, v in splits.items()}))
    if changed == "root":
        root.rename(tmp_path / "moved")
        assert find_change(folder.done_trial) is None
        moved = TrialFolder(tmp_path / "run", [*WORDS, f"--data.init_args.root={tmp_path / 'moved'}"])
        assert find_change(moved.done_trial) is None
        (tmp_path / "moved/train/masks/1.png").write_bytes(b"other")
        assert find_change(moved.done_trial) == "'train/masks/1.png' changed"
        return
    if changed != "nothing":
        (root / changed).write_bytes(b"other")
    wanted = {"test/masks/2.png": "the images or labels of the split 'test' changed since its sweep", "nothing": None}
    assert find_change(folder.done_trial) == wanted.get(changed, f"{changed!r} changed")
