"""Read files that hold something else than they should, thousands of them, and count how that ends.

Each input is a valid file that was changed by chance; every reader of files meets as many. Allowed are a file that is read
and a refusal in a sentence. A traceback, a reader that takes too long or too much memory, and a file that appears outside
the output folder are failures: their inputs are kept, and the exit status is 1.

    python tests/fuzz.py --inputs 10000 --seed 0
    python tests/fuzz.py --only page "sweep file" --inputs 500 --keep /tmp/failed
    python tests/fuzz.py --only predict --inputs 5400 --seed 26
"""

import argparse
import contextlib
import io
import logging
import multiprocessing
import os
import random
import resource
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Sequence
from itertools import count, islice
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

sys.path[:0] = [str(Path(__file__).parent.parent), str(Path(__file__).parent)]
os.environ.update(OMP_NUM_THREADS="1", WANDB_MODE="disabled", HF_HUB_OFFLINE="1", NO_ALBUMENTATIONS_UPDATE="1")

import cv2  # noqa: E402
import torch  # noqa: E402
from fuzz_mutations import mutate  # noqa: E402
from fuzz_readers import READERS, Reader, Refused, make_workplace  # noqa: E402
from tqdm import tqdm  # noqa: E402

from user_error import find_user_error  # noqa: E402

GIBI = 2**30
ENDS = ("read", "refused", "traceback", "too long", "died", "outside")
FAILURES = ENDS[2:]
VALID = ""


class Outcome(NamedTuple):
    """How an input ended, the message, and the peak memory of the process (bytes)."""

    end: str
    message: str
    memory: int


def read_one(reader: Reader, place: Path, number: str) -> Outcome:
    """Change the reader's file, read it, and put all back; the number `VALID` leaves it as it is."""
    rng = random.Random(number)
    file = place / reader.file
    originals = {path: path.read_bytes() for path in (file, *place.glob("*.json"))}
    if number != VALID:
        file.write_bytes(mutate(reader.kind, originals[file], rng))
        reader.repair(place, rng)
    changed = {path: path.read_bytes() for path in originals}
    shutil.rmtree(place / "out", ignore_errors=True)
    (place / "out").mkdir()
    before = _list_files(place)
    Path("/proc/self/clear_refs").write_text("5")  # counts the most memory from here on
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        end, message = _run_reader(reader, place, rng)
    message += printed.getvalue()
    appeared = sorted(_list_files(place) ^ before)
    if appeared:
        end, message = "outside", f"{appeared}\n{message}"
        for path in appeared:
            Path(path).unlink(missing_ok=True) if not Path(path).is_dir() else shutil.rmtree(path)
    for path, content in originals.items():
        if path.suffix != ".md" and path.read_bytes() != changed[path]:
            end, message = "outside", f"{path} was changed\n{message}"
        path.write_bytes(content)
    return Outcome(end, message, _read_peak_memory())


def _run_reader(reader: Reader, place: Path, rng: random.Random) -> tuple[str, str]:
    try:
        reader.read(place, rng)
    except Refused:
        return "refused", ""
    except SystemExit as error:  # of a parser, which has printed the reason
        return ("refused", "") if error.code else ("read", "")
    except BaseException as error:
        mistake = find_user_error(error)
        if mistake is not None:
            return "refused", str(mistake)
        if isinstance(error, OSError) and error.errno is not None:  # the command line says it in words
            return "refused", str(error)
        return "traceback", traceback.format_exc()
    return "read", ""


def _read_peak_memory() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def _list_files(place: Path) -> set[str]:
    return {str(path) for path in place.rglob("*") if (place / "out") not in path.parents}


def work(pipe: Connection, place: Path, memory: int) -> None:
    """A process that reads inputs until it is ended."""
    readers = {reader.name: reader for reader in READERS}
    os.chdir(place)
    os.environ["TMPDIR"] = tempfile.tempdir = str(place / "out")
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (taken + memory, resource.RLIM_INFINITY))
    while True:
        name, number = pipe.recv()
        pipe.send(read_one(readers[name], place, number))


class Worker:
    """The process that reads, and another one after each that did not come back."""

    def __init__(self, template: Path, folder: Path, seconds: float, memory: int) -> None:
        self.template, self.place = template, folder / "place"
        self.seconds, self.memory = seconds, memory
        self.process: Any = None
        self._start()

    def _start(self) -> None:
        shutil.rmtree(self.place, ignore_errors=True)
        shutil.copytree(self.template, self.place)
        context = multiprocessing.get_context("fork")  # all that readers import is there already
        self.pipe, child_end = context.Pipe()
        self.process = context.Process(target=work, args=(child_end, self.place, self.memory))
        self.process.start()
        child_end.close()

    def read(self, reader: Reader, number: str) -> Outcome:
        """One input; a process that hangs or dies is replaced."""
        self.pipe.send((reader.name, number))
        try:
            if self.pipe.poll(self.seconds):
                return self.pipe.recv()
            end = "too long"
        except EOFError:
            end = "died"
        self.process.kill()
        self.process.join()
        self._start()
        return Outcome(end, "", 0)

    def stop(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.join()


def fuzz(
    readers: Sequence[Reader], inputs: int, seed: int, folder: Path, *, seconds: float, memory: float, keep: Path | None
) -> dict[str, list[Outcome]]:
    """The outcomes of `inputs` inputs, shared out over the readers, by reader.

    Args:
        readers: of `READERS`.
        inputs: in all.
        seed: of the changes; those of a reader do not depend on the others.
        folder: for the valid files and for what readers write.
        seconds: for each input.
        memory: GiB of addresses that a process may take beside what it has taken at the start.
        keep: folder for the inputs that fail, with their messages.
    """
    template = folder / "template"
    template.mkdir(parents=True)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        make_workplace(template, any(reader.trained for reader in readers))
    readers = [reader for reader in readers if (template / reader.file).is_file()]
    worker = Worker(template, folder, seconds, int(memory * GIBI))
    try:
        return _distribute(worker, readers, inputs, seed, keep, template)
    finally:
        worker.stop()


def _distribute(
    worker: Worker, readers: Sequence[Reader], inputs: int, seed: int, keep: Path | None, template: Path
) -> dict[str, list[Outcome]]:
    found: dict[str, list[Outcome]] = {reader.name: [] for reader in readers}
    for reader in readers:
        outcome = worker.read(reader, VALID)
        if outcome.end != "read":
            raise RuntimeError(
                f"the reader {reader.name!r} does not read a valid file: {outcome.end}: {outcome.message}"
            )
    rounds = ((reader, f"{seed}/{turn}") for turn in count() for reader in readers if turn % reader.every == 0)
    for reader, number in tqdm(islice(rounds, inputs), desc="fuzz", unit="file", total=inputs):
        outcome = worker.read(reader, f"{reader.name}/{number}")
        found[reader.name].append(outcome)
        if outcome.end in FAILURES and keep is not None:
            _save_failure(keep, reader, number, template, outcome)
    return found


def _save_failure(keep: Path, reader: Reader, number: str, template: Path, outcome: Outcome) -> None:
    keep.mkdir(parents=True, exist_ok=True)
    name = f"{reader.name} {number}".replace("/", "-").replace(" ", "_")
    content = mutate(reader.kind, (template / reader.file).read_bytes(), random.Random(f"{reader.name}/{number}"))
    (keep / f"{name}{Path(reader.file).suffix}").write_bytes(content)
    (keep / f"{name}.txt").write_text(f"{outcome.end}\n{outcome.message}", errors="replace")


def make_table(found: dict[str, list[Outcome]]) -> str:
    """How the inputs ended, a line for each reader."""
    lines = [f"{'reader':<24} {'inputs':>6} " + " ".join(f"{end:>9}" for end in ENDS) + "  memory"]
    for name, outcomes in [*found.items(), ("all", [one for many in found.values() for one in many])]:
        counts = Counter(outcome.end for outcome in outcomes)
        most = max((outcome.memory for outcome in outcomes), default=0) / GIBI
        lines.append(
            f"{name:<24} {len(outcomes):>6} " + " ".join(f"{counts[end]:>9}" for end in ENDS) + f"  {most:.2f} GiB"
        )
    return "\n".join(lines)


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=10_000, help="changed files in all (default: 10000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", help="readers, or the first word of several (default: all)")
    parser.add_argument("--untrained", action="store_true", help="leave out the readers that need a trained network")
    parser.add_argument("--seconds", type=float, default=60, help="for each input (default: 60)")
    parser.add_argument("--memory", type=float, default=4, help="GiB that an input may take (default: 4)")
    parser.add_argument("--keep", type=Path, default=Path("runs/fuzz"), help="folder of inputs that fail")
    args = parser.parse_args(argv)
    known = {reader.name for reader in READERS}
    if unknown := [name for name in args.only or () if not any(_begins(one, name) for one in known)]:
        parser.error(f"no reader {unknown[0]!r}: name some of {', '.join(sorted(known))}")
    return args


def _begins(reader: str, name: str) -> bool:
    return reader == name or reader.startswith(f"{name} ")


def main(argv: Sequence[str]) -> int:
    """The script; 1 where an input failed."""
    args = parse_arguments(argv)
    torch.set_num_threads(1)  # a process that is forked has none of its parent's threads
    cv2.setNumThreads(0)
    chosen = [
        reader for reader in READERS if args.only is None or any(_begins(reader.name, name) for name in args.only)
    ]
    readers = [reader for reader in chosen if not (args.untrained and reader.trained)]
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = fuzz(
            readers,
            args.inputs,
            args.seed,
            Path(folder),
            seconds=args.seconds,
            memory=args.memory,
            keep=args.keep.absolute(),
        )
    print(make_table(found))
    failed = sum(outcome.end in FAILURES for outcomes in found.values() for outcome in outcomes)
    print(f"{failed} failed, in {time.monotonic() - started:.0f} s" + (f"; see {args.keep}" if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
