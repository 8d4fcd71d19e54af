"""The effects of an ablation's factors, from the records of its trials."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.special import stdtrit

from experiments.ablation.sweep_file import Factor, name_level
from experiments.evaluation import robustness
from experiments.evaluation.compared_metrics import COMPARED
from experiments.evaluation.comparison import MeasuredRecord, measure_record, require_comparable
from experiments.evaluation.images import Images
from experiments.evaluation.record import Record
from experiments.evaluation.scores.base import as_number
from experiments.evaluation.statistics import LEVEL, Interval, compute_joint_intervals

REPLICATE = "seed_everything"
"""The factor whose levels are repeated trainings of the same settings: they measure the spread between trainings."""

SCORES = ("clean_miou", "mean_corrupted_miou")

MIOU = COMPARED["miou"]

SOLVED = 1e-9  # how far an estimable contrast may be from itself


class TrainedTrial(NamedTuple):
    """A trial with its record: ``arguments`` are its options, as the sweep file gives them."""

    arguments: Mapping[str, Any]
    measured: MeasuredRecord  # by its mIoU, as `measure_trial` does

    @property
    def record(self) -> Record:
        """The record of the trial, without its counts."""
        return self.measured.record


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


def measure_trial(arguments: Mapping[str, Any], record: Record, images: Images) -> TrainedTrial:
    """A trial and what its effects follow from."""
    return TrainedTrial(arguments, measure_record(record, images, MIOU))


def find_effects(trained: Sequence[TrainedTrial], factors: Sequence[Factor]) -> list[Effect]:
    """Effects of every level under the additive model, by least squares over the trials.

    In a grid that is the mean difference between trials that are equal in all else. Intervals come in two kinds: over
    images, all trials on the same resamples (jackknife t), as if each training were what its level always gives; and
    over trainings, from what the model leaves unexplained (Student's t), where there are more trials than unknowns.

    Args:
        trained: trials of one suite and data set.
        factors: of the sweep file.

    Raises:
        UserError: the records do not compare.
    """
    first = trained[0]
    for other in trained[1:]:
        require_comparable(first.record, other.record, first.measured.ids, other.measured.ids)
    columns = [
        column
        for factor in factors
        if factor.option != REPLICATE
        for column in _make_columns(factor, [one.arguments for one in trained])
    ]
    design = np.stack([np.ones(len(trained)), *(column.values for column in columns)], axis=1)
    inverse = np.linalg.pinv(design)
    known = np.abs(inverse @ design - np.eye(design.shape[1])).max(1) < SOLVED
    counted = first.record.headline_places
    conditions = [first.record.conditions[place] for place in counted]

    def compute_effects(scores: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """Effects (...) from the scores (..., conditions) of each trial, by score and column."""
        found: dict[str, np.ndarray] = {}
        for name, values in _summarise_trials([one[..., counted] for one in scores], conditions).items():
            solved = np.moveaxis(inverse, 0, -1)  # (T, columns)
            effects = np.tensordot(values, solved, axes=([0], [0]))
            found |= {f"{name}.{place}": effects[..., place] for place in range(len(columns) + 1)}
        return found

    models = [one.measured.scores for one in trained]
    bounds = compute_joint_intervals(models, compute_effects)
    estimates = {
        name: (inverse @ values, _compute_half_widths(values, design, inverse))
        for name, values in _summarise_trials([model.estimate[counted] for model in models], conditions).items()
    }

    def make_change(name: str, place: int) -> Change:
        value, spread = estimates[name][0][place], estimates[name][1][place]
        if not known[place] or np.isnan(value):
            return Change(None, None, None)
        trainings = None if np.isnan(spread) else (float(value - spread), float(value + spread))
        return Change(as_number(value), bounds[f"{name}.{place}"], trainings)

    return [
        Effect(
            column.factor.option,
            column.level,
            column.against,
            column.trials,
            {n: make_change(n, place) for n in SCORES},
        )
        for place, column in enumerate(columns, 1)
    ]


def _make_columns(factor: Factor, trials: Sequence[Mapping[str, Any]]) -> list[_Column]:
    """A column for each level but the first, or one for a range."""
    values = [trial[factor.option] for trial in trials]
    if factor.scale != "levels":
        numbers = np.array(values, dtype=float)
        step, moved = ("times ten", np.log10(numbers)) if factor.scale == "log" else ("plus one", numbers)
        return [_Column(factor, step, "", len(trials), moved)]
    words = [name_level(value) for value in values]
    names = [name for name in factor.levels if name in words]
    return [
        _Column(factor, name, names[0], words.count(name), np.array([word == name for word in words], dtype=float))
        for name in names[1:]
    ]


def _summarise_trials(
    scores: Sequence[np.ndarray], conditions: Sequence[robustness.Condition]
) -> dict[str, np.ndarray]:
    """`SCORES` (T, ...) of scores (..., conditions) of each trial."""
    summaries = [robustness.summarise(one, conditions) for one in scores]
    return {name: np.stack([summary[name] for summary in summaries]) for name in SCORES}


def _compute_half_widths(values: np.ndarray, design: np.ndarray, inverse: np.ndarray) -> np.ndarray:
    """Half the width of each effect's interval over trainings; NaN where no trial is left over to tell."""
    left_over = len(values) - int(np.linalg.matrix_rank(design))
    if left_over < 1:
        return np.full(len(inverse), np.nan)
    variance = np.sum((values - design @ (inverse @ values)) ** 2) / left_over
    return np.asarray(stdtrit(left_over, (1 + LEVEL) / 2) * np.sqrt(variance * np.sum(inverse**2, axis=1)))
