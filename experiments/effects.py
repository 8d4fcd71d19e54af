"""What each factor of an ablation does: the effects of its levels, from the records of the trials."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.special import stdtrit

from experiments.ablation.sweep_file import Factor, Sweep, level, read_sweep
from experiments.command_line.light_parser import light_parser
from experiments.files.tables import as_csv, markdown_table
from experiments.files.whole import say
from experiments.records import robustness
from experiments.records.compared import COMPARED
from experiments.records.comparison import require_comparable
from experiments.records.record import Images, Record, resampled_units
from experiments.records.record_file import once, read_swept
from experiments.records.scores import number
from experiments.records.statistics import LEVEL, Interval, joint_intervals, whole
from user_error import UserError

EXAMPLES = """
experiments/configs/sweep/seeds_synthetic.yaml experiments/results/synthetic/core/*.json
experiments/configs/sweep/attention_synthetic.yaml runs/attention_synthetic/*/record-core.json --format csv --output effects.csv
"""

BLOCK = "seed_everything"
"""The factor that is no idea: its levels are told apart and not reported."""

SCORES = ("clean_miou", "mean_corrupted_miou")

MIOU = COMPARED["miou"]

SOLVED = 1e-9  # how far an estimable contrast may be from itself


class Trained(NamedTuple):
    """A trial with its record: ``arguments`` are its options, as the sweep file gives them."""

    arguments: Mapping[str, Any]
    record: Record
    images: Images


class Change(NamedTuple):
    """What a level changes of a score; ``None`` where the trials that there are cannot tell."""

    value: float | None
    images: Interval | None
    trainings: tuple[float, float] | None


class Effect(NamedTuple):
    """A level of a factor against the factor's first, or a step along a range; ``changes`` by the names of `SCORES`."""

    factor: str
    level: str
    against: str
    trials: int
    changes: dict[str, Change]


class _Column(NamedTuple):
    """A column of the design: what it stands for, and its value in each trial (T,)."""

    factor: Factor
    level: str
    against: str
    trials: int
    values: np.ndarray


def find_effects(trained: Sequence[Trained], factors: Sequence[Factor], seed: int = 0) -> list[Effect]:
    """Effects of every level under the additive model, by least squares over the trials.

    In a grid that is the mean difference between trials that are equal in all else. Intervals come in two kinds: over
    images, all trials on the same resamples (BCa bootstrap), as if each training were what its level always gives; and
    over trainings, from what the model leaves unexplained (Student's t), where there are more trials than unknowns.

    Args:
        trained: trials of one suite and data set.
        factors: of the sweep file.
        seed: of the resamples.

    Raises:
        UserError: the records do not compare.
    """
    first = trained[0]
    for other in trained[1:]:
        require_comparable(first.record, other.record, first.images.ids, other.images.ids)
    columns = [column for factor in factors for column in _columns(factor, [one.arguments for one in trained])]
    design = np.stack([np.ones(len(trained)), *(column.values for column in columns)], axis=1)
    inverse = np.linalg.pinv(design)
    known = np.abs(inverse @ design - np.eye(design.shape[1])).max(1) < SOLVED
    conditions = list(first.record.conditions)

    def of_scores(scores: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """Effects (...) from the scores (..., conditions) of each trial, by score and column."""
        found: dict[str, np.ndarray] = {}
        for name, measured in _measured(scores, conditions).items():
            solved = np.moveaxis(inverse, 0, -1)  # (T, columns)
            effects = np.tensordot(measured, solved, axes=([0], [0]))
            found |= {f"{name}.{place}": effects[..., place] for place in range(len(columns) + 1)}
        return found

    shares = [one.images.share(MIOU.share(one.images)) for one in trained]
    bounds = joint_intervals(shares, of_scores, seed=seed)
    estimates = {
        name: (inverse @ values, _spread(values, design, inverse))
        for name, values in _measured([whole(share) for share in shares], conditions).items()
    }

    def change(name: str, place: int) -> Change:
        value, spread = estimates[name][0][place], estimates[name][1][place]
        if not known[place] or np.isnan(value):
            return Change(None, None, None)
        trainings = None if np.isnan(spread) else (float(value - spread), float(value + spread))
        return Change(number(value), bounds[f"{name}.{place}"], trainings)

    return [
        Effect(column.factor.option, column.level, column.against, column.trials, {n: change(n, place) for n in SCORES})
        for place, column in enumerate(columns, 1)
        if column.factor.option != BLOCK
    ]


def _columns(factor: Factor, trials: Sequence[Mapping[str, Any]]) -> list[_Column]:
    """A column for each level but the first, or one for a range."""
    values = [trial[factor.option] for trial in trials]
    if factor.scale != "levels":
        numbers = np.array(values, dtype=float)
        step, moved = ("times ten", np.log10(numbers)) if factor.scale == "log" else ("plus one", numbers)
        return [_Column(factor, step, "", len(trials), moved)]
    words = [level(value) for value in values]
    names = [name for name in factor.levels if name in words]
    return [
        _Column(factor, name, names[0], words.count(name), np.array([word == name for word in words], dtype=float))
        for name in names[1:]
    ]


def _measured(scores: Sequence[np.ndarray], conditions: Sequence[robustness.Condition]) -> dict[str, np.ndarray]:
    """`SCORES` (T, ...) of scores (..., conditions) of each trial."""
    summaries = [robustness.summarise(one, conditions) for one in scores]
    return {name: np.stack([summary[name] for summary in summaries]) for name in SCORES}


def _spread(values: np.ndarray, design: np.ndarray, inverse: np.ndarray) -> np.ndarray:
    """Half the width of each effect's interval over trainings; NaN where no trial is left over to tell."""
    left_over = len(values) - int(np.linalg.matrix_rank(design))
    if left_over < 1:
        return np.full(len(inverse), np.nan)
    variance = np.sum((values - design @ (inverse @ values)) ** 2) / left_over
    return np.asarray(stdtrit(left_over, (1 + LEVEL) / 2) * np.sqrt(variance * np.sum(inverse**2, axis=1)))


def markdown(effects: Sequence[Effect], trained: Sequence[Trained]) -> str:
    """For people, in points."""
    data = trained[0].record.data
    titles = ["factor", "level", "against", "trials"]
    titles += [f"{score}, {over}" for score in ("clean mIoU", "corrupted mIoU") for over in ("images", "trainings")]
    cells = []
    for effect in effects:
        shown = [text for name in SCORES for text in _shown(effect.changes[name])]
        cells.append([effect.factor, effect.level, effect.against, str(effect.trials), *shown])
    note = (
        f"Effects in points of {data.name} ({data.images} images), each level against its factor's first, from "
        f"{len(trained)} trials under the additive model. 95 % intervals: over {resampled_units(data.unit)} (BCa bootstrap, "
        "these very trainings on other images) and over trainings (Student's t from what the model leaves unexplained; a "
        "dash where no trial is left over for that, or where the trials cannot tell a level from another factor's)."
    )
    return f"{markdown_table(titles, cells, left=(0, 1, 2))}\n{note}\n"


def _shown(change: Change) -> list[str]:
    if change.value is None or change.images is None:
        return ["-", "-"]
    low, high = change.images.bca
    over = "-" if change.trainings is None else "[{}, {}]".format(*(MIOU.shown(edge, "+") for edge in change.trainings))
    return [f"{MIOU.shown(change.value, '+')} [{MIOU.shown(low, '+')}, {MIOU.shown(high, '+')}]", over]


def csv(effects: Sequence[Effect]) -> str:
    """For programs, at full precision."""
    rows = []
    for effect in effects:
        row: dict[str, Any] = {name: getattr(effect, name) for name in ("factor", "level", "against", "trials")}
        for name, change in effect.changes.items():
            low, high = change.images.bca if change.images else (None, None)
            least, most = change.trainings or (None, None)
            row |= {name: change.value, f"{name}_low": low, f"{name}_high": high}
            row |= {f"{name}_trainings_low": least, f"{name}_trainings_high": most}
        rows.append(row)
    return as_csv(rows)


FORMATS: dict[str, Callable[[Sequence[Effect], Sequence[Trained]], str]] = {
    "markdown": markdown,
    "csv": lambda effects, _: csv(effects),
}


def find_trials(sweep: Sweep, paths: Sequence[Path]) -> list[Trained]:
    """Records with the options of the trial that each is called after.

    Raises:
        UserError: a record is that of no trial, or a trial has two.
    """
    trials = {trial.name: trial for trial in sweep.trials}
    found: dict[str, Trained] = {}
    for path in once(paths):
        record, images = read_swept(path)
        if record.name not in trials:
            raise UserError(f"{str(path)!r} holds the record of {record.name!r}, which is no trial of {sweep.name}")
        if record.name in found:
            raise UserError(f"there are two records of {record.name!r}: leave one out")
        found[record.name] = Trained(trials[record.name].arguments, record, images)
    return [found[name] for name in trials if name in found]


def parse_arguments(argv: list[str]) -> argparse.Namespace:
    """The options of the verb."""
    parser = light_parser(
        "effects",
        "Say what each factor of a sweep file does, from the records of its trials, as 'ablate' does at its end. Trials\n"
        "are known by their names; those without a record are left out.",
        EXAMPLES,
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="a YAML of experiments/configs/sweep")
    parser.add_argument("records", type=Path, nargs="+", metavar="RECORD", help="records of its trials")
    parser.add_argument("--format", choices=FORMATS, default="markdown", help="default: markdown")
    parser.add_argument("--output", type=Path, help="write the table to this file as well")
    return parser.parse_args(argv)


def main(argv: list[str]) -> None:
    """The verb."""
    args = parse_arguments(argv)
    sweep = read_sweep(args.file)
    trained = find_trials(sweep, args.records)
    if len(trained) < 2:
        raise UserError("an effect takes the records of two trials or more")
    say(FORMATS[args.format](find_effects(trained, sweep.factors), trained), args.output)
