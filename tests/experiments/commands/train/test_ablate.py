"""Ablations: trials of a sweep file, killed and gone on with, in shares, and with a failure among them."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from command_line import ROOT, TINY, read_refusal, run_command
from forks import PARENT

from experiments.__main__ import main
from experiments.files.lock import is_locked


def sweep_file(path: Path, **values: list) -> Path:
    """A sweep of tiny trainings."""
    fixed = dict(word.removeprefix("--").split("=", 1) for word in TINY)
    fixed |= {"suite": "smoke", "pictures": "0", "trainer.accelerator": "cpu", "trainer.max_epochs": "1"}
    parameters: dict = {key: {"value": yaml.safe_load(value)} for key, value in fixed.items()}
    parameters |= {key: {"values": listed} for key, listed in values.items()}
    path.write_text(yaml.safe_dump({"method": "grid", "parameters": parameters}, sort_keys=False))
    return path


RATES = {"model.init_args.optimizer.init_args.lr": [0.001, 0.01]}


def begin(*words: str, **settings: Any) -> subprocess.Popen:
    """An ablation that runs on while the test does."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "tests")}
    return subprocess.Popen([*PARENT, "ablate", *words], cwd=ROOT, env=environment, **settings)


def read_counts(folder: Path) -> dict[str, list]:
    """The confusions of every trial."""
    return {
        path.parent.name: [cell["counts"]["confusion"] for cell in json.loads(path.read_text())["cells"]]
        for path in folder.glob("*/record-smoke.json")
    }


def test_a_killed_ablation_goes_on_and_shares_agree(tmp_path: Path) -> None:
    """Killed within its second trial and resumed, or run in two shares: the same records and the same leaderboard."""
    file = sweep_file(tmp_path / "rates.yaml", **RATES)
    unbroken, shared = tmp_path / "whole", tmp_path / "shared"
    process = begin(str(file), f"--output={unbroken}", stdout=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 240
    while not (unbroken / "lr=0.01" / "last.ckpt").exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    subprocess.run(["pkill", "-KILL", "-g", str(process.pid)], check=True)
    assert process.wait() == -signal.SIGKILL
    first = (unbroken / "lr=0.001" / "record-smoke.json").read_bytes()
    resumed = run_command("ablate", file, f"--output={unbroken}").stdout
    assert "[1 done, 0 failed, 1 left] lr=0.01" in resumed
    assert (unbroken / "lr=0.001" / "record-smoke.json").read_bytes() == first
    for shard in (0, 1):
        run_command("ablate", file, f"--output={shared}", f"--shard={shard}", "--shards=2")
    assert read_counts(unbroken) == read_counts(shared)
    assert len(read_counts(unbroken)) == 2
    for name in ("leaderboard.md", "effects.md", "effects.csv"):
        assert (unbroken / name).read_text() == (shared / name).read_text()
    assert "| model.init_args.optimizer.init_args.lr | 0.01 | 0.001 | 1 |" in (unbroken / "effects.md").read_text()
    assert "done" in run_command("ablate", file, f"--output={unbroken}", "--list", fresh=True).stdout
    longer = yaml.safe_load(file.read_text())
    longer["parameters"]["trainer.max_epochs"] = {"value": 2}
    file.write_text(yaml.safe_dump(longer, sort_keys=False))
    assert "other settings" in (message := read_refusal("ablate", file, f"--output={unbroken}"))
    assert "(trainer.max_epochs)" in message


def test_two_ablations_in_one_folder(tmp_path: Path) -> None:
    """Of the same settings they share the trials; one of other settings is refused, and nothing of it is ranked."""
    file = sweep_file(tmp_path / "rates.yaml", **RATES)
    other = sweep_file(tmp_path / "other.yaml", **RATES)
    out = tmp_path / "out"
    first = begin(str(file), f"--output={out}", stdout=subprocess.PIPE, text=True)
    while not is_locked(out / "lr=0.001" / "trial.lock") and first.poll() is None:
        time.sleep(0.05)
    content = yaml.safe_load(other.read_text())
    content["parameters"]["trainer.max_epochs"] = {"value": 2}
    other.write_text(yaml.safe_dump(content, sort_keys=False))
    refused = run_command("ablate", other, f"--output={out}", check=False)
    assert refused.returncode == 2
    assert "holds a trial with other settings (trainer.max_epochs)" in refused.stderr
    second = run_command("ablate", file, f"--output={out}").stdout
    assert "lr=0.001 is running in another process: it is left to that" in second
    message, _ = first.communicate()
    assert first.returncode == 0, message
    assert sorted(read_counts(out)) == ["lr=0.001", "lr=0.01"]
    for trial in read_counts(out):
        assert (out / trial / "trial.log").read_text().count("trained: ") == 1
    run_command("ablate", file, f"--output={out}")
    assert all(f"lr={rate}" in (out / "leaderboard.md").read_text() for rate in (0.001, 0.01))


def test_a_failed_trial_does_not_stop_the_rest(tmp_path: Path) -> None:
    file = sweep_file(tmp_path / "x.yaml", **{"model.init_args.optimizer.init_args.lr": [-1.0, 0.001]})
    result = run_command("ablate", file, f"--output={tmp_path / 'out'}", check=False)
    assert result.returncode == 2
    assert "lr=-1.0 failed: " in result.stderr
    assert "1 of 2 trials failed (lr=-1.0)" in result.stderr
    assert "Traceback" not in result.stderr
    assert list(read_counts(tmp_path / "out")) == ["lr=0.001"]


@pytest.mark.parametrize("shard", [-1, 2])
def test_wrong_shares_are_refused(tmp_path: Path, shard: int) -> None:
    file = sweep_file(tmp_path / "x.yaml", **RATES)
    assert "counted from 0" in read_refusal("ablate", file, f"--shard={shard}", "--shards=2")


def test_further_options_go_to_every_trial(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """In place of the file's own; what a sweep varies is refused, and so are words that are no options."""
    file = sweep_file(tmp_path / "x.yaml", **RATES)
    main(["ablate", str(file), "--list", "--trainer.max_epochs", "3", "--data.init_args.train=8"])
    listed = capsys.readouterr().out.splitlines()
    assert len(listed) == 2
    for line in listed:
        assert "--trainer.max_epochs=3" in line
        assert "--data.init_args.train=8" in line
        assert "--trainer.max_epochs=1" not in line
    assert "is what x varies" in read_refusal("ablate", file, f"--{next(iter(RATES))}=0.1")
    twice = [f"--trainer.callbacks+={name}" for name in ("A", "B")]
    assert "--trainer.callbacks+ is given twice" in read_refusal("ablate", file, *twice)
    assert "unknown argument 'oops'" in read_refusal("ablate", file, "oops")
    assert "unknown argument '--flag'" in read_refusal("ablate", file, "--flag")
