"""Kill trainings and sweeps at random moments, go on by the same command, and hold the end against one never killed.

Each call is a process of its own; it is forked from this one, which has imported all that it needs, so that a kill meets
work and not imports. What differs, and what is left behind in the folders, is listed, and the exit status is 1 then.

    python tests/kills.py --fit 50 --benchmark 50 --seed 0
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

import numpy as np  # noqa: E402
import torch  # noqa: E402
from command_line import ROOT, TINY  # noqa: E402

ELSEWHERE = Path("/dev/shm")
"""A file system other than that of the folders, for the temporary files of half of the chains."""

EPOCHS = 6
FIT = [
    *TINY,
    f"--trainer.max_epochs={EPOCHS}",
    "--trainer.accelerator=cpu",
    "--model.init_args.network.init_args.dropout=0.2",
    "--model.init_args.schedule=experiments/configs/schedule/cosine_restarts.yaml",
    "--trainer.callbacks+=lightning_modules.callbacks.snapshots.Snapshots",
]
BENCHMARK = ["--suite=smoke", "--data.init_args.test=60", "--trainer.accelerator=cpu", "--pictures=2"]
KILLS_IN_A_CHAIN = 5


@dataclass
class Chain:
    """One training or sweep, killed again and again until it is told to finish."""

    verb: str
    place: Path
    temporary: Path
    calls: int = 0
    kills: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def fork(words: Sequence[str], temporary: Path, log: Path) -> int:
    """Begin a verb in a process of its own; its id."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        os.setsid()
        os.chdir(ROOT)
        os.environ |= {"TMPDIR": str(temporary), "WANDB_MODE": "disabled"}
        tempfile.tempdir = None
        sys.argv = ["experiments", *words]
        with log.open("ab") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        from experiments.__main__ import main

        status = main(list(words))
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def find_exit_status(pid: int) -> int | None:
    """The exit status of a process, or None while it runs."""
    found, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def find_half_written(folder: Path) -> list[Path]:
    """Files below a folder that are being written, or were when their writer was killed."""
    return [path for path in folder.rglob(".*") if path.is_file()] if folder.exists() else []


def kill_somewhere(chain: Chain, words: Sequence[str], draw: random.Random, seconds: float) -> bool:
    """Begin, and kill at a moment drawn at random, or as soon as a file is half written after it.

    Args:
        chain: that the call belongs to.
        words: the verb and its options.
        draw: of the moment.
        seconds: that an unbroken call takes.

    Returns:
        Whether it was killed, and not over before.
    """
    aimed, moment = draw.random() < 0.5, draw.uniform(0.0, seconds)
    pid, began = fork(words, chain.temporary, chain.place.with_suffix(".log")), time.monotonic()
    chain.calls += 1
    while (status := find_exit_status(pid)) is None:
        over = time.monotonic() - began
        # the moment itself where nothing is aimed at, and where nothing was written for long after it
        if over > moment and (not aimed or find_half_written(chain.place) or over > moment + seconds):
            break
        time.sleep(0 if aimed else 0.001)
    if status is None:
        os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        chain.kills.append("half written" if find_half_written(chain.place) else "between")
    elif status:
        chain.wrong.append(f"a call ended with status {status}: {chain.place.with_suffix('.log')}")
    return status is None


def finish(chain: Chain, words: Sequence[str]) -> None:
    """Let the same command run to its end."""
    pid = fork(words, chain.temporary, chain.place.with_suffix(".log"))
    chain.calls += 1
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status:
        chain.wrong.append(f"the last call ended with status {status}: {chain.place.with_suffix('.log')}")


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """The weights of a checkpoint."""
    return torch.load(path, weights_only=True)["state_dict"]


def compare_trainings(run: Path, unbroken: Path) -> list[str]:
    """What differs between two run folders: weights bit for bit, and which files there are."""
    wrong = []
    names = sorted(path.name for path in unbroken.iterdir())
    found = sorted(path.name for path in run.iterdir())
    if found != names:
        wrong.append(f"the folder holds {found} and not {names}")
    for name in (name for name in names if name.endswith(".ckpt") and name in found):
        left, right = read_tensors(run / name), read_tensors(unbroken / name)
        if left.keys() != right.keys() or not all(torch.equal(left[key], right[key]) for key in left):
            wrong.append(f"{name} has other weights")
    return wrong


def read_counts(path: Path) -> str:
    """All that a record counted and scored, as text; what names the call itself is left out."""
    content = json.loads(path.read_text())
    compared = {
        key: value for key, value in content.items() if key not in ("environment", "created", "pictures", "name")
    }
    compared["pictures"] = [picture["sha256"] for picture in content["pictures"]]
    return json.dumps(compared, sort_keys=True)


def compare_sweeps(folder: Path, unbroken: Path) -> list[str]:
    """What differs between two folders with a record each: its counts, those of images, the pictures, the files."""
    wrong = []
    names, found = (sorted(path.name for path in one.iterdir()) for one in (unbroken, folder))
    if found != names:
        wrong.append(f"the folder holds {found} and not {names}")
    elif read_counts(folder / "record.json") != read_counts(unbroken / "record.json"):
        wrong.append("the record says something else")
    else:
        with np.load(folder / "record.npz") as left, np.load(unbroken / "record.npz") as right:
            if not all(np.array_equal(left[name], right[name]) for name in {*left.files, *right.files}):
                wrong.append("the counts of the images differ")
    return wrong


def run_chains(
    number: int,
    verb: str,
    folder: Path,
    words: Callable[[Path], list[str]],
    compare: Callable[[Path, Path], list[str]],
    draw: random.Random,
) -> list[Chain]:
    """Kill `number` calls of a verb, in chains, and hold the end of each chain against an unbroken one."""
    unbroken = Chain(verb, folder / f"{verb}-whole", folder)
    began = time.monotonic()
    finish(unbroken, words(unbroken.place))
    if unbroken.wrong:
        return [unbroken]
    seconds, chains, left = time.monotonic() - began, list[Chain](), number
    while left > 0:
        temporary = Path(tempfile.mkdtemp(dir=ELSEWHERE if len(chains) % 2 else folder, prefix="temporary-"))
        chain = Chain(verb, folder / f"{verb}-{len(chains)}", temporary)
        for _ in range(min(left, KILLS_IN_A_CHAIN)):
            if not kill_somewhere(chain, words(chain.place), draw, seconds):
                break
        finish(chain, words(chain.place))
        chain.wrong += compare(chain.place, unbroken.place)
        chain.wrong += [f"left behind: {path}" for path in find_half_written(chain.place)]
        left -= len(chain.kills)
        chains.append(chain)
        shutil.rmtree(temporary)
        print(describe(chain), flush=True)
    return chains


def describe(chain: Chain) -> str:
    """A row of the table."""
    kills = Counter(chain.kills)
    elsewhere = chain.temporary.is_relative_to(ELSEWHERE)
    cells = [
        chain.place.name,
        chain.calls,
        len(chain.kills),
        kills["half written"],
        "another" if elsewhere else "the same",
        "; ".join(chain.wrong) or "equal",
    ]
    return f"| {' | '.join(map(str, cells))} |"


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fit", type=int, default=50, help="trainings to kill")
    parser.add_argument("--benchmark", type=int, default=50, help="sweeps to kill")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--folder", type=Path, help="where all is written and kept (default: a temporary one)")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Kill, compare, report."""
    args, draw = parse_arguments(argv), random.Random()
    draw.seed(args.seed)
    folder = args.folder or Path(tempfile.mkdtemp(prefix="kills-"))
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    from experiments.commands.evaluate import benchmark  # noqa: F401
    from experiments.training import cli  # noqa: F401

    print(
        "| chain | calls | kills | of these while writing | file system of TMPDIR | end |\n|---|---:|---:|---:|---|---|"
    )
    chains = (
        run_chains(args.fit, "fit", folder, lambda run: ["fit", *FIT, f"--run={run}"], compare_trainings, draw)
        if args.fit
        else []
    )
    if args.benchmark:
        trained = folder / "fit-whole" / "best.ckpt"
        if not trained.exists():
            finish(Chain("fit", folder / "fit-whole", folder), ["fit", *FIT, f"--run={folder / 'fit-unbroken'}"])
        options = [f"--checkpoint={trained}", *BENCHMARK]
        chains += run_chains(
            args.benchmark,
            "benchmark",
            folder,
            lambda place: ["benchmark", *options, f"--output={place / 'record.json'}"],
            compare_sweeps,
            draw,
        )
    kills = sum(len(chain.kills) for chain in chains)
    wrong = [chain for chain in chains if chain.wrong]
    print(f"\n{kills} kills in {len(chains)} chains, {len(wrong)} of them with another end")
    if not wrong and args.folder is None:
        shutil.rmtree(folder)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
