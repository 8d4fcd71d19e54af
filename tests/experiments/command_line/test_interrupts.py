"""A verb that is stopped ends at once, with its status and one sentence that promises no more than is so."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import ROOT, TINY
from processes import list_session, start, wait_until

from experiments.__main__ import VERBS
from experiments.command_line.interrupts import describe_interruption

STATUS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
ENDLESS = [word.replace("max_epochs=2", "max_epochs=1000") for word in TINY] + ["--trainer.accelerator=cpu"]


def find_messages(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(("interrupted", "error"))]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_says_what_is_so(verb: str) -> None:
    """What goes on is what the overview of the verbs says to go on."""
    text = describe_interruption(verb, ["--checkpoint=x"])
    assert ("goes on where" in text) == (verb in ("fit", "benchmark", "trial", "ablate"))
    assert repr(verb) in text
    assert "the same command" in text


def test_what_the_words_change() -> None:
    assert "without --restart goes on" in describe_interruption("fit", ["--restart"])
    assert "goes on where" in describe_interruption("ensemble", ["--seeds", "0", "1"])
    assert "begins again" in describe_interruption("ensemble", ["--checkpoints", "a", "b"])
    assert describe_interruption("", []) == "interrupted"


@pytest.mark.parametrize("verb", ["compare", "predict"])
@pytest.mark.parametrize("by", STATUS)
def test_at_once(verb: str, by: signal.Signals) -> None:
    """Within the imports, as soon as the process answers to signals at all."""
    process = start(verb, "--help")
    caught = Path(f"/proc/{process.pid}/status")

    def handles_signals() -> bool:
        found = [line.split()[1] for line in caught.read_text().splitlines() if line.startswith("SigCgt")]
        return bool(int(found[0], 16) >> (by - 1) & 1) and bool(int(found[0], 16) >> (signal.SIGHUP - 1) & 1)

    assert wait_until(handles_signals)
    os.killpg(process.pid, by)
    output = process.communicate(timeout=60)[0]
    assert process.returncode == STATUS[by], output
    assert find_messages(output) == [f"interrupted: {verb!r} keeps nothing of its work; the same command begins again"]
    assert "Traceback" not in output


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGHUP])
def test_a_training_with_workers(tmp_path: Path, by: signal.Signals) -> None:
    """By the terminal, which reaches all processes, and twice: a worker that ends is no error. None is left."""
    process = start("fit", *ENDLESS, "--data.init_args.num_workers=1", f"--run={tmp_path}")
    assert wait_until(lambda: (tmp_path / "last.ckpt").exists() or process.poll() is not None)
    for _ in range(2):
        os.killpg(process.pid, by)
    output = process.communicate(timeout=60)[0]
    assert process.returncode == STATUS[by], output
    assert find_messages(output) == ["interrupted: the same command goes on where 'fit' stood"]
    assert "Traceback" not in output
    assert wait_until(lambda: not list_session(process.pid), 30)
    assert not list(tmp_path.glob(".*"))


FLOODED = r"""
import atexit, os, signal, subprocess, sys, time
from experiments.command_line.interrupts import end_when_stopped

def complain(*_):
    raise RuntimeError("a loader process has ended")

atexit.register(time.sleep, 3)
end_when_stopped("fit", [], silent=False)
signal.signal(signal.SIGCHLD, complain)
flood = f"import os, time\nos.kill({os.getpid()}, 1)\ntime.sleep(1)\nwhile True: os.kill({os.getpid()}, 17)"
subprocess.Popen([sys.executable, "-c", flood], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
while True:
    time.sleep(0.1)
"""


def test_no_other_handler_lets_the_work_go_on() -> None:
    """Such as torch's, which raises an exception when a loader process ends: not from when this process is ending."""
    found = subprocess.run([sys.executable, "-c", FLOODED], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert found.returncode == 129
    assert found.stderr.strip() == describe_interruption("fit", [])


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGKILL])
def test_what_a_verb_started_ends_with_it(tmp_path: Path, by: signal.Signals) -> None:
    """An ablation, the trial that it runs, and the training of that: told by the first alone, or by nobody."""
    values = "\n".join(f"  {word.removeprefix('--').replace('=', ': {value: ', 1)}}}" for word in ENDLESS)
    file = tmp_path / "sweep.yaml"
    file.write_text(f"method: grid\nparameters:\n  seed_everything: {{values: [0, 1]}}\n{values}\n")
    process = start("ablate", file, f"--output={tmp_path / 'out'}")
    last = tmp_path / "out" / "seed_everything=0" / "last.ckpt"
    assert wait_until(lambda: last.exists() or process.poll() is not None), list_session(process.pid)
    assert sum("-m experiments" in command for command in list_session(process.pid).values()) == 3
    os.kill(process.pid, by)
    output = process.communicate(timeout=60)[0]
    assert process.returncode == STATUS.get(by, -by), output
    assert wait_until(lambda: not list_session(process.pid), 30), list_session(process.pid)
    if by != signal.SIGKILL:
        assert find_messages(output) == ["interrupted: the same command goes on where 'ablate' stood"]
    assert not (tmp_path / "out" / "seed_everything=1" / "trial.log").exists()


def test_a_training_killed_below_a_trial(tmp_path: Path) -> None:
    """As the system does where the memory is used up: the trial says so."""
    process = start("trial", *ENDLESS, f"--run={tmp_path}")
    assert wait_until(lambda: (tmp_path / "last.ckpt").exists() or process.poll() is not None)
    (training,) = (pid for pid, command in list_session(process.pid).items() if "experiments fit" in command)
    os.kill(training, signal.SIGKILL)
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 137
    assert len(find_messages(output)) == 1
    assert "'fit' was ended by SIGKILL" in find_messages(output)[0]
