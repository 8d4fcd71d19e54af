"""Run the trials of a sweep file, one after the other, and rank what they leave."""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from experiments import effects, leaderboard
from experiments.ablation.factor_effects import Trained, find_effects
from experiments.ablation.stamp import changes, write_stamp
from experiments.ablation.sweep_file import SUITE, Factor, Sweep, Trial, read_sweep, record_path
from experiments.command_line import run_verb
from experiments.command_line.light_parser import light_parser
from experiments.files.tables import duration
from experiments.files.whole import require_writable, say, whole_file
from experiments.records.ranking import ranked
from experiments.records.record_file import read_swept
from user_error import UserError

EXAMPLES = """
experiments/configs/sweep/attention_synthetic.yaml
experiments/configs/sweep/networks_camvid.yaml --list
experiments/configs/sweep/networks_camvid.yaml --shard 0 --shards 2
experiments/configs/sweep/networks_camvid.yaml --data.init_args.root /data/camvid --trainer.devices 2
"""

STAMP = "trial.json"


def parse_arguments(argv: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """The options of the verb, and those that go to every trial."""
    parser = light_parser(
        "ablate",
        "Train and sweep every trial of a sweep file, in W&B's format. Trials that have a record are skipped,\n"
        "interrupted ones go on, failed ones are reported and do not stop the rest. At the end stand a leaderboard\n"
        "and the effect of each factor (effects.md and effects.csv). Further options go to every trial, in place of what\n"
        "the file says.",
        EXAMPLES,
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="a YAML of experiments/configs/sweep")
    parser.add_argument(
        "--output", type=Path, help="folder of the trials' run folders (default: runs/NAME_OF_THE_SWEEP)"
    )
    parser.add_argument("--shard", type=int, default=0, help="which share of the trials to run, from 0")
    parser.add_argument("--shards", type=int, default=1, help="number of shares, on one or several machines")
    parser.add_argument("--list", action="store_true", help="say what would run, and stop")
    args, rest = parser.parse_known_args(argv)
    if args.shards < 1 or not 0 <= args.shard < args.shards:
        raise UserError(f"--shard {args.shard} of --shards {args.shards}: shares are counted from 0")
    return args, rest


def with_options(sweep: Sweep, words: Sequence[str]) -> list[Trial]:
    """The trials with further options, in place of those that the file gives a value.

    Raises:
        UserError: they are no options with a value, or a factor's.
    """
    options: dict[str, str] = {}
    waiting = list(words)
    while waiting:
        key, joined, value = waiting.pop(0).partition("=")
        if not key.startswith("--") or not (joined or waiting):
            raise UserError(f"unknown argument {key!r}: further options of a trial are written --NAME VALUE")
        option = key.removeprefix("--")
        if option in options:
            raise UserError(
                f"{key} is given twice, and a trial takes it once: write both into a YAML, and pass it as --budget"
            )
        options[option] = value if joined else waiting.pop(0)
    taken = next((factor.option for factor in sweep.factors if factor.option in options), None)
    if taken is not None:
        raise UserError(f"--{taken} is what {sweep.name} varies: leave it out, or give it a value in the file")
    return [replace(trial, arguments={**trial.arguments, **options}) for trial in sweep.trials]


def trial_record(folder: Path, trial: Trial) -> Path:
    """Where the record of a trial lies."""
    return record_path(folder / trial.name, str(trial.arguments.get("suite", SUITE)))


def is_done(folder: Path, trial: Trial) -> bool:
    """Whether the trial has its record.

    Raises:
        UserError: the record is that of other settings, or of files that hold something else now.
    """
    if not trial_record(folder, trial).exists():
        return False
    changed = changes(folder / trial.name / STAMP, trial.arguments)
    if changed:
        raise UserError(
            f"{folder / trial.name} holds a trial with other settings than {trial.name!r} has now ({', '.join(changed)}): "
            "pass another --output, or remove that folder"
        )
    return True


def run(folder: Path, trial: Trial) -> bool:
    """Train and sweep; what is printed goes to ``trial.log``."""
    place = folder / trial.name
    write_stamp(place / STAMP, trial.arguments)
    with (place / "trial.log").open("ab") as log:
        return run_verb.run("trial", *trial.words, f"--run={place}", log=log) == 0


def last_line(path: Path) -> str:
    """What a trial said last."""
    lines = [line.strip() for line in path.read_text(errors="replace").replace("\r", "\n").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("error: ")]
    return (errors or lines or ["it said nothing"])[-1].removeprefix("error: ")


def run_all(folder: Path, trials: Sequence[Trial]) -> list[str]:
    """Run what is not done; the names of those that failed."""
    left = [trial for trial in trials if not is_done(folder, trial)]
    done, failed, started = len(trials) - len(left), list[str](), time.monotonic()
    for place, trial in enumerate(left):
        remaining = (
            "" if not place else f", {duration((time.monotonic() - started) / place * (len(left) - place))} to go"
        )
        print(f"[{done} done, {len(failed)} failed, {len(left) - place} left{remaining}] {trial.name}", flush=True)
        if run(folder, trial):
            done += 1
        else:
            failed.append(trial.name)
            log = folder / trial.name / "trial.log"
            print(f"{trial.name} failed: {last_line(log)} ({log})", file=sys.stderr, flush=True)
    print(f"[{done} done, {len(failed)} failed, 0 left]", flush=True)
    return failed


def conclude(folder: Path, trials: Sequence[Trial], factors: Sequence[Factor]) -> None:
    """Rank the trials that have a record, and say what each factor does: ``leaderboard.md``, ``effects.md`` and ``.csv``."""
    paths = [trial_record(folder, trial) for trial in trials]
    if not paths:
        return
    trained = [Trained(trial.arguments, *read_swept(path)) for trial, path in zip(trials, paths, strict=True)]
    say(leaderboard.markdown(ranked([one.record for one in trained])), folder / "leaderboard.md")
    if len(trained) > 1:
        found = find_effects(trained, factors)
        print()
        say(effects.markdown(found, trained), folder / "effects.md")
        with whole_file(folder / "effects.csv") as file:
            file.write(effects.csv(found))


def main(argv: list[str]) -> None:
    """The verb."""
    args, words = parse_arguments(argv)
    sweep = read_sweep(args.file)
    trials = with_options(sweep, words)
    folder = args.output or Path("runs") / sweep.name
    share = trials[args.shard :: args.shards]
    if args.list:
        for trial in share:
            print(f"{'done' if is_done(folder, trial) else 'to do':<6} {trial.name}: {' '.join(trial.words)}")
        return
    require_writable(folder / "leaderboard.md")
    failed = run_all(folder, share)
    conclude(folder, [trial for trial in trials if trial_record(folder, trial).exists()], sweep.factors)
    if failed:
        raise UserError(
            f"{len(failed)} of {len(share)} trials failed ({', '.join(failed)}): mend the cause and call again; those "
            "that are done are kept"
        )
