"""Effects of the factors of an ablation and their levels, from the records of the trials."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

from experiments.ablation.factor_effects import (
    MIOU,
    REPLICATE,
    SCORES,
    Change,
    Effect,
    TrainedTrial,
    find_effects,
    measure_trial,
)
from experiments.ablation.sweep_file import Sweep, read_sweep
from experiments.command_line.verb_parser import Option, call_verb
from experiments.files.replaceable import print_and_save
from experiments.files.tables import as_csv, make_markdown_table
from experiments.record_files.record_file import read_swept, remove_duplicates
from user_error import UserError

EXAMPLES = """
experiments/configs/sweep/seeds_synthetic.yaml experiments/results/synthetic/core/*.json
experiments/configs/sweep/attention_synthetic.yaml runs/attention_synthetic/*/record-core.json --format csv --output effects.csv
"""


def format_markdown(effects: Sequence[Effect], trained: Sequence[TrainedTrial]) -> str:
    """Format effects as Markdown, in percentage points."""
    data = trained[0].record.data
    titles = ["factor", "level", "against", "trials"]
    titles += [f"{score}, {over}" for score in ("clean mIoU", "corrupted mIoU") for over in ("images", "trainings")]
    cells = []
    for effect in effects:
        shown = [text for name in SCORES for text in _format_change(effect.changes[name])]
        cells.append([effect.factor, effect.level, effect.against, str(effect.trials), *shown])
    note = (
        f"Effects in points of {data.name} ({data.images} images), each level against its factor's first, from "
        f"{len(trained)} trials under the additive model. 95 % intervals: over {data.resampled_units} "
        "(jackknife t, these very trainings on other images) and over trainings (Student's t from what the model leaves "
        "unexplained; a dash where no trial is left over for that, or where the trials cannot tell a level from another "
        "factor's)."
    )
    seeds = {str(one.arguments[REPLICATE]) for one in trained if REPLICATE in one.arguments}
    note += f" The {len(seeds)} seeds are replicates, no factor." if len(seeds) > 1 else ""
    return f"{make_markdown_table(titles, cells, left=(0, 1, 2))}\n{note}\n"


def _format_change(change: Change) -> list[str]:
    if change.value is None or change.images is None:
        return ["-", "-"]
    low, high = change.images.jackknife
    over = (
        "-"
        if change.trainings is None
        else "[{}, {}]".format(*(MIOU.format_value(edge, "+") for edge in change.trainings))
    )
    return [
        f"{MIOU.format_value(change.value, '+')} [{MIOU.format_value(low, '+')}, {MIOU.format_value(high, '+')}]",
        over,
    ]


def format_csv(effects: Sequence[Effect]) -> str:
    """Format effects as CSV, at full precision."""
    rows = []
    for effect in effects:
        row: dict[str, Any] = {name: getattr(effect, name) for name in ("factor", "level", "against", "trials")}
        for name, change in effect.changes.items():
            low, high = change.images.jackknife if change.images else (None, None)
            least, most = change.trainings or (None, None)
            row |= {name: change.value, f"{name}_low": low, f"{name}_high": high}
            row |= {f"{name}_trainings_low": least, f"{name}_trainings_high": most}
        rows.append(row)
    return as_csv(rows)


FORMATS: dict[str, Callable[[Sequence[Effect], Sequence[TrainedTrial]], str]] = {
    "markdown": format_markdown,
    "csv": lambda effects, _: format_csv(effects),
}


def find_trials(sweep: Sweep, paths: Sequence[Path]) -> list[TrainedTrial]:
    """Read records, with the options of the trial by whose name each is called.

    Raises:
        UserError: a record is that of no trial, or a trial has two.
    """
    trials = {trial.name: trial for trial in sweep.trials}
    found: dict[str, TrainedTrial] = {}
    for path in remove_duplicates(paths):
        record, images = read_swept(path)
        if record.name not in trials:
            raise UserError(f"{str(path)!r} holds the record of {record.name!r}, which is no trial of {sweep.name}")
        if record.name in found:
            raise UserError(f"there are two records of {record.name!r}: leave one out")
        found[record.name] = measure_trial(trials[record.name].arguments, record, images)
    return [found[name] for name in trials if name in found]


def print_effects(
    file: Annotated[Path, Option(metavar="FILE")],
    records: Annotated[list[Path], Option(metavar="RECORD")],
    /,
    *,
    format: Annotated[str, Option(choices=FORMATS)] = "markdown",
    output: Path | None = None,
) -> None:
    """Estimate the effect of each factor of a sweep file, from the records of its trials, as 'ablate' does at its end.

    Trials are identified by their names; those without a record are left out.

    Args:
        file: a YAML of experiments/configs/sweep.
        records: of its trials.
        format: of what is printed.
        output: write the table to this file as well.

    Raises:
        UserError: fewer than two trials have a record.
    """
    sweep = read_sweep(file)
    trained = find_trials(sweep, records)
    if len(trained) < 2:
        raise UserError("an effect takes the records of two trials or more")
    print_and_save(FORMATS[format](find_effects(trained, sweep.factors), trained), output)


def main(argv: list[str]) -> None:
    """The verb."""
    call_verb("effects", print_effects, EXAMPLES, argv)
