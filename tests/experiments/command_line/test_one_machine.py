"""Two processes on one machine: nobody outside can reach them, and where one dies the other stops."""

import os
import signal
import threading
from pathlib import Path

import pytest
from command_line import TINY
from processes import find_further_process, list_listening_addresses, list_session, start, wait_until

from experiments.command_line.one_machine import FROM_OUTSIDE, MARKER, OneMachine
from experiments.command_line.processes import choose_cluster_plugins

LOOPBACK = {"0100007F", "00000000000000000000000001000000"}
TWO = ["--trainer.devices=2", "--trainer.accelerator=cpu"]
FIT = ["fit", *TINY, *TWO, "--trainer.max_epochs=1000"]


def sweep(run: Path, output: Path) -> list[str]:
    """A sweep that takes its time."""
    words = [f"--checkpoint={run / 'best.ckpt'}", f"--output={output}", "--data.init_args.test=3000"]
    return ["benchmark", *words, "--data.init_args.eval_batch_size=4", *TWO]


def test_only_where_nothing_else_says_where_to_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*FROM_OUTSIDE, MARKER):
        monkeypatch.delenv(name, raising=False)
    assert [type(one) for one in choose_cluster_plugins(1)] == [OneMachine]
    assert choose_cluster_plugins(2) == []
    for name in FROM_OUTSIDE:
        with monkeypatch.context() as patch:
            patch.setenv(name, "1")
            assert choose_cluster_plugins(1) == []


@pytest.mark.parametrize(("verb", "place"), [("fit", 0), ("benchmark", 1)])
def test_one_of_two_is_killed(tiny_run: Path, tmp_path: Path, verb: str, place: int) -> None:
    """All that listened until then did so on the loopback address; afterwards nothing is left, and one sentence was said."""
    words = [*FIT, f"--run={tmp_path}"] if verb == "fit" else sweep(tiny_run, tmp_path / "record.json")
    process, begun = start(*words), "last.ckpt" if verb == "fit" else "record.unfinished/batch-000001.npz"
    outputs: list[str] = []
    reader = threading.Thread(target=lambda: outputs.append(process.stdout.read()))
    reader.start()
    addresses: set[str] = set()

    def has_begun() -> bool:
        for pid in list_session(process.pid):
            addresses.update(list_listening_addresses(pid))
        return (tmp_path / begun).exists() or process.poll() is not None

    assert wait_until(has_begun)
    assert addresses
    assert addresses <= LOOPBACK
    other = find_further_process(process.pid)
    assert other is not None, outputs
    os.kill(other if place else process.pid, signal.SIGKILL)
    assert wait_until(lambda: process.poll() is not None, 30)
    assert wait_until(lambda: not list_session(process.pid), 30), list_session(process.pid)
    reader.join(30)
    assert process.returncode == (1 if place else -signal.SIGKILL)
    errors = [line for line in outputs[0].splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, outputs[0]
    assert "the same command goes on" in errors[0]
    assert "Traceback" not in outputs[0]
