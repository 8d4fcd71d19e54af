"""What else happens in a run folder while a sweep is on its way."""

import shutil
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from command_line import run_command
from torch import nn

from datamodules.datasets.synthetic import SyntheticDataModule
from experiments.checkpoints.opened_checkpoint import CheckpointFile
from experiments.commands.evaluate import benchmark
from experiments.files.digest import compute_sha256
from experiments.record_files.record_file import read_record
from experiments.sweeping.journal import Journal
from experiments.sweeping.suite import Suite
from experiments.sweeping.sweep_loop import SweepLoop
from experiments.tracking import logged_record
from user_error import UserError

Meanwhile = Callable[[Callable[[], None]], None]


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Meanwhile:
    """Let something happen once a sweep has loaded its checkpoint, before its first batch."""
    real = benchmark.sweep

    def register(event: Callable[[], None]) -> None:
        def sweep(*args: Any) -> None:
            event()
            real(*args)

        monkeypatch.setattr(benchmark, "sweep", sweep)

    return register


@pytest.fixture
def run(tiny_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_run, tmp_path / "run", ignore=shutil.ignore_patterns("record*", "tiny*")))


def make_words(run: Path) -> list[str]:
    few = ["--data.init_args.test=4", "--pictures=1", "--trainer.accelerator=cpu"]
    return [f"--checkpoint={run / 'best.ckpt'}", "--suite=smoke", *few]


def train_on(checkpoint: Path) -> None:
    """A better epoch: other weights under the same name, by a rename as a training does it."""
    content = torch.load(checkpoint, weights_only=True)
    for value in content["state_dict"].values():
        value.mul_(0)
    torch.save(content, better := checkpoint.with_name("better.ckpt"))
    better.replace(checkpoint)


def test_a_sweep_while_its_checkpoint_is_replaced(run: Path, meanwhile: Meanwhile) -> None:
    """The record is that of the file that was loaded, in hash, counts and pictures; and the settings are those of then."""
    benchmark.main([*make_words(run), f"--output={run / 'before.json'}"])
    swept = compute_sha256(Path(shutil.copy(run / "best.ckpt", run / "kept.ckpt")))

    def replace() -> None:
        train_on(run / "best.ckpt")
        (run / "config.yaml").write_text("seed_everything: 7\n")

    meanwhile(replace)
    benchmark.main([*make_words(run), f"--output={run / 'after.json'}"])
    before, after = read_record(run / "before.json"), read_record(run / "after.json")
    assert after.checkpoint["sha256"] == before.checkpoint["sha256"] == swept != compute_sha256(run / "best.ckpt")
    assert after.cells == before.cells
    assert after.recipe == before.recipe
    assert [picture.sha256 for picture in after.pictures] == [picture.sha256 for picture in before.pictures]
    assert uploaded(after, run / "after.json", run / "best.ckpt") == ["record"]
    assert uploaded(after, run / "after.json", run / "kept.ckpt") == ["record", "model"]


def uploaded(record: Any, path: Path, checkpoint: Path) -> list[str]:
    """The artifacts that W&B would get."""
    logged: list[str] = []
    session = type("Session", (), {"summary": {}, "define_metric": lambda *_, **__: None, "log": lambda *_: None})()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logged_record, "_log_artifact", lambda session, kind, *files: logged.append(kind))
        logged_record.log(record, path, checkpoint, session)
    return logged


def test_one_sweep_at_a_time_for_a_record(run: Path, meanwhile: Meanwhile) -> None:
    """The second is refused, whatever it would do; the first ends as if alone, and leaves no lock behind."""
    output: list[str] = []

    def call_again() -> None:
        for further in ([], ["--restart"]):
            again = run_command("benchmark", *make_words(run), *further, check=False)
            assert again.returncode == 2
            output.append(again.stderr.splitlines()[-1])

    meanwhile(call_again)
    benchmark.main(make_words(run))
    sentence = f"a sweep for {run / 'record-smoke.json'} is running already: wait for it, or stop it, and call again"
    assert output == [f"error: {sentence}"] * 2
    assert read_record(run / "record-smoke.json").data.images == 4
    assert not [path.name for path in run.iterdir() if path.name.startswith(".") or "unfinished" in path.name]


def test_a_checkpoint_that_is_written_into_is_refused(tmp_path: Path) -> None:
    (path := tmp_path / "net.ckpt").write_bytes(b"some weights")
    file = CheckpointFile(path)
    assert file.rewind().read(4) == b"some"
    path.write_bytes(b"others, and more")
    with pytest.raises(UserError, match="written into while it was read"):
        _ = file.sha256


@pytest.mark.parametrize("other", [True, False])
def test_processes_of_one_sweep_have_one_checkpoint(tmp_path: Path, other: bool) -> None:
    """The second process has loaded what the first has, or both refuse."""
    handed = (b"key", frozenset(), frozenset())
    given = iter(["b" if other else "a", handed])
    strategy = SimpleNamespace(broadcast=lambda own: next(given), reduce_boolean_decision=lambda same: same)
    module: Any = nn.Identity()
    module.setup = lambda stage: None
    loop = SweepLoop(module, SyntheticDataModule(), Suite("clean", 1), Journal(tmp_path, {}), checkpoint="a")
    loop._trainer = SimpleNamespace(strategy=strategy)  # type: ignore[assignment]
    with pytest.raises(UserError, match="replaced while the processes") if other else nullcontext():
        loop.setup("test")
    assert loop.journal.key == (b"" if other else b"key")
