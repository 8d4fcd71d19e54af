"""Run the trials of a sweep file, one after the other, and rank their records."""

import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Annotated

from experiments.ablation.claims import claim_trials
from experiments.ablation.factor_effects import find_effects, measure_trial
from experiments.ablation.same_data import require_same_data
from experiments.ablation.sweep_file import Factor, Sweep, Trial, read_sweep
from experiments.ablation.trial_folder import TrialFolder
from experiments.command_line import run_verb
from experiments.command_line.verb_parser import Option, call_verb
from experiments.commands.analyse import effects, leaderboard
from experiments.files.atomic_write import atomic_write, require_writable
from experiments.files.replaceable import print_and_save
from experiments.files.tables import format_duration
from experiments.record_files.measured_records import measure_records
from experiments.record_files.record_file import read_swept
from user_error import UserError

EXAMPLES = """
experiments/configs/sweep/attention_synthetic.yaml
experiments/configs/sweep/networks_camvid.yaml --list
experiments/configs/sweep/networks_camvid.yaml --shard 0 --shards 2
experiments/configs/sweep/networks_camvid.yaml --data.init_args.root /data/camvid --trainer.devices 2
"""


def apply_options(sweep: Sweep, words: Sequence[str]) -> list[Trial]:
    """The trials with further options, which replace values of the file.

    Raises:
        UserError: an option has no value, or is a factor of the sweep.
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


def make_trial_folder(output: Path, trial: Trial) -> TrialFolder:
    """The run folder of a trial."""
    return TrialFolder(output / trial.name, trial.words)


def find_done(output: Path, trials: Sequence[Trial]) -> list[Trial]:
    """The trials that have their record.

    Raises:
        UserError: a record is of other settings, or of files or data that have changed.
    """
    done = [trial for trial in trials if make_trial_folder(output, trial).is_done()]
    require_same_data([make_trial_folder(output, trial).done_trial for trial in done])
    return done


class Outcome(Enum):
    """The outcome of a trial."""

    DONE = "done"
    FAILED = "failed"
    LEFT = "left to another process"


def run(output: Path, trial: Trial) -> Outcome:
    """Train and sweep; the output goes to ``trial.log``."""
    folder = make_trial_folder(output, trial)
    if folder.is_running():
        return Outcome.LEFT
    folder.path.mkdir(parents=True, exist_ok=True)
    with folder.log.open("ab") as log:
        status = run_verb.run("trial", *trial.words, f"--run={folder.path}", log=log)
    if status == 0:
        return Outcome.DONE
    return Outcome.LEFT if folder.is_running() else Outcome.FAILED


def find_last_line(path: Path) -> str:
    """The last error in the log of a trial, or its last line."""
    lines = [line.strip() for line in path.read_text(errors="replace").replace("\r", "\n").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("error: ")]
    return (errors or lines or ["it said nothing"])[-1].removeprefix("error: ")


def run_all(output: Path, trials: Sequence[Trial]) -> list[str]:
    """Run the trials that are not done; the names of those that failed."""
    done = find_done(output, trials)
    left = [trial for trial in trials if trial not in done]
    found, spent = Counter({Outcome.DONE: len(done)}), 0.0
    failed: list[str] = []
    for place, trial in enumerate(left):
        ran = found[Outcome.DONE] - len(done)
        remaining = "" if not ran else f", {format_duration(spent / ran * (len(left) - place))} to go"
        print(f"[{_format_outcomes(found)}, {len(left) - place} left{remaining}] {trial.name}", flush=True)
        began = time.monotonic()
        outcome = run(output, trial)
        found[outcome] += 1
        if outcome is Outcome.DONE:  # the time of a failed trial is no estimate of the others'
            spent += time.monotonic() - began
        log = make_trial_folder(output, trial).log
        if outcome is Outcome.LEFT:
            print(f"{trial.name} is running in another process: it is left to that ({log})", flush=True)
        if outcome is Outcome.FAILED:
            failed.append(trial.name)
            print(f"{trial.name} failed: {find_last_line(log)} ({log})", file=sys.stderr, flush=True)
    print(f"[{_format_outcomes(found)}, 0 left]", flush=True)
    return failed


def _format_outcomes(found: Mapping[Outcome, int]) -> str:
    """Format the number of trials by outcome; those left to other processes where there are any."""
    shown = [outcome for outcome in Outcome if outcome is not Outcome.LEFT or found[outcome]]
    return ", ".join(f"{found[outcome]} {outcome.value}" for outcome in shown)


def conclude(folder: Path, trials: Sequence[Trial], factors: Sequence[Factor]) -> None:
    """Rank the trials that have a record, and compute the effect of each factor: ``leaderboard.md``, ``effects.md``, ``.csv``."""
    paths = [make_trial_folder(folder, trial).record for trial in trials]
    if not paths:
        return
    trained = [measure_trial(trial.arguments, *read_swept(path)) for trial, path in zip(trials, paths, strict=True)]
    board = leaderboard.make_board(measure_records(paths))
    print_and_save(leaderboard.format_markdown(board), folder / "leaderboard.md")
    if len(trained) > 1:
        found = find_effects(trained, factors)
        print()
        print_and_save(effects.format_markdown(found, trained), folder / "effects.md")
        with atomic_write(folder / "effects.csv") as file:
            file.write(effects.format_csv(found))


def run_sweep(
    file: Annotated[Path, Option(metavar="FILE")],
    /,
    *further: str,
    output: Path | None = None,
    shard: int = 0,
    shards: int = 1,
    list_: bool = False,
) -> None:
    """Train and sweep every trial of a sweep file, in W&B's format.

    Trials that have a record are skipped, interrupted ones go on, failed ones are reported and do not stop the rest. At
    the end stand a leaderboard and the effect of each factor (effects.md and effects.csv). Further options go to every
    trial, in place of what the file says.

    Args:
        file: a YAML of experiments/configs/sweep.
        *further: options of the trials.
        output: folder of the trials' run folders (default: runs/NAME_OF_THE_SWEEP).
        shard: which shard of the trials to run, from 0.
        shards: number of shards, on one or several machines.
        list_: list what would run, and stop.

    Raises:
        UserError: there is no such shard, or a trial failed.
    """
    if shards < 1 or not 0 <= shard < shards:
        raise UserError(f"--shard {shard} of --shards {shards}: shares are counted from 0")
    sweep = read_sweep(file)
    trials = apply_options(sweep, further)
    folder = output or Path("runs") / sweep.name
    selected = trials[shard::shards]
    if list_:
        done = find_done(folder, selected)
        for trial in selected:
            print(f"{'done' if trial in done else 'to do':<6} {trial.name}: {' '.join(trial.words)}")
        return
    require_writable(folder / "leaderboard.md")
    with claim_trials(folder, [make_trial_folder(folder, trial) for trial in trials]):
        failed = run_all(folder, selected)
        conclude(folder, [trial for trial in trials if make_trial_folder(folder, trial).is_swept()], sweep.factors)
    if failed:
        raise UserError(
            f"{len(failed)} of {len(selected)} trials failed ({', '.join(failed)}): mend the cause and call again; those "
            "that are done are kept"
        )


def main(argv: list[str]) -> None:
    """The verb."""
    call_verb("ablate", run_sweep, EXAMPLES, argv)
