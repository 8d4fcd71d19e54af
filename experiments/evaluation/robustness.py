"""Measures over conditions as pure functions of scores: numpy in, numbers out.

Scores come as (..., conditions): a leading axis of resamples or permutations goes through every measure.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from experiments.evaluation.kinds import CLEAN, SINGLE, find_main_kind

Condition = tuple[str, int]
"""Name and severity; `CLEAN`, real shifts and whatever else has none have severity 0."""


def group_by_corruption(conditions: Sequence[Condition]) -> dict[str, list[int]]:
    """Positions of each corruption's severities, in the order of first appearance; severity 0 is no corruption."""
    groups: dict[str, list[int]] = {}
    for position, (corruption, severity) in enumerate(conditions):
        if severity:
            groups.setdefault(corruption, []).append(position)
    return groups


def find_headline_places(conditions: Sequence[Condition], left_out: Sequence[str], kinds: Sequence[str]) -> list[int]:
    """Places of the conditions that enter the headline numbers: clean, shifts and those of the main kind.

    Args:
        conditions: of a sweep.
        left_out: of them, see `find_ineffective`.
        kinds: of each condition.
    """
    headline = (*SINGLE, find_main_kind(kinds))
    return [
        place
        for place, (condition, kind) in enumerate(zip(conditions, kinds, strict=True))
        if kind in headline and not is_left_out(condition, left_out)
    ]


def compute_further_means(
    scores: np.ndarray, conditions: Sequence[Condition], left_out: Sequence[str], kinds: Sequence[str]
) -> dict[str, np.ndarray]:
    """Mean (...) over the conditions of each kind that is not in the headline, each name the mean over its severities."""
    means = {}
    for kind in dict.fromkeys(kinds):
        places = [
            place
            for place, condition in enumerate(conditions)
            if kinds[place] == kind and not is_left_out(condition, left_out)
        ]
        if kind not in (*SINGLE, find_main_kind(kinds)) and places:
            means[kind] = compute_corrupted_mean(scores[..., places], [conditions[place] for place in places])
    return means


def is_left_out(condition: Condition, left_out: Sequence[str]) -> bool:
    """Whether a condition is in no mean; see `find_ineffective`."""
    name, severity = condition
    return bool(severity) and (name in left_out or name_severity(name, severity) in left_out)


def name_severity(name: str, severity: int) -> str:
    """What one severity of a corruption is called."""
    return f"{name} at severity {severity}"


def find_ineffective(conditions: Sequence[Condition], changed: Sequence[int]) -> list[str]:
    """Conditions that changed no image: corruptions by name, or single severities of those that change images at others.

    Args:
        conditions: of a sweep.
        changed: number of images that each of them did not leave as they are.
    """
    idle: list[str] = []
    for name, places in group_by_corruption(conditions).items():
        still = [name_severity(name, conditions[at][1]) for at in places if not changed[at]]
        idle += [name] if len(still) == len(places) else still
    return idle


def select_clean_score(scores: np.ndarray, conditions: Sequence[Condition]) -> np.ndarray:
    """Score (...) of the clean images."""
    return scores[..., list(conditions).index((CLEAN, 0))]


def compute_corruption_means(scores: np.ndarray, conditions: Sequence[Condition]) -> dict[str, np.ndarray]:
    """Mean (...) over severities of each corruption."""
    return {name: scores[..., places].mean(-1) for name, places in group_by_corruption(conditions).items()}


def select_shift_scores(scores: np.ndarray, conditions: Sequence[Condition]) -> dict[str, np.ndarray]:
    """Score (...) of each real shift: what has severity 0 and is not `CLEAN`."""
    return {
        name: scores[..., place] for place, (name, severity) in enumerate(conditions) if not severity and name != CLEAN
    }


def compute_family_means(
    scores: np.ndarray, conditions: Sequence[Condition], families: Mapping[str, str]
) -> dict[str, np.ndarray]:
    """Mean (...) of each family's corruptions, each of them the mean over its severities.

    Args:
        scores: (..., conditions).
        conditions: of the scores.
        families: of each corruption; one without a family is in none.
    """
    groups: dict[str, list[np.ndarray]] = {}
    for name, mean in compute_corruption_means(scores, conditions).items():
        if name in families:
            groups.setdefault(families[name], []).append(mean)
    return {family: np.mean(means, axis=0) for family, means in groups.items()}


def compute_corrupted_mean(scores: np.ndarray, conditions: Sequence[Condition]) -> np.ndarray:
    """Mean over corruptions of the mean over their severities, (...); NaN if there is no corruption."""
    means = list(compute_corruption_means(scores, conditions).values())
    return np.mean(means, axis=0) if means else np.full(scores.shape[:-1], np.nan)


def compute_known_corrupted_mean(scores: np.ndarray, conditions: Sequence[Condition]) -> float:
    """`compute_corrupted_mean` of those conditions that have a score (conditions,); NaN if none has."""
    places = [place for place, score in enumerate(scores) if not np.isnan(score)]
    return float(compute_corrupted_mean(scores[places], [conditions[place] for place in places]))


def mean_performance_under_corruption(scores: np.ndarray, conditions: Sequence[Condition]) -> np.ndarray:
    """MPC (...): mean over all corrupted conditions alike (Michaelis et al. 2019, arXiv:1907.07484); NaN if none.

    The same as `compute_corrupted_mean` where all corruptions have equally many severities.
    """
    places = [place for place, (_, severity) in enumerate(conditions) if severity]
    return scores[..., places].mean(-1) if places else np.full(scores.shape[:-1], np.nan)


def divide(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """`one` / `other`, NaN where `other` is not positive."""
    return np.divide(one, other, out=np.full(np.shape(one), np.nan), where=np.asarray(other) > 0)


def summarise(scores: np.ndarray, conditions: Sequence[Condition]) -> dict[str, np.ndarray]:
    """The numbers of a leaderboard row, each (...).

    Returns:
        ``clean_miou``; ``mean_corrupted_miou`` and ``retention``, its ratio to clean; ``mpc`` and ``rpc``, likewise over
        conditions; ``severity_area``, see `compute_severity_area`.
    """
    clean = select_clean_score(scores, conditions)
    corrupted, performance = (
        compute_corrupted_mean(scores, conditions),
        mean_performance_under_corruption(scores, conditions),
    )
    return {
        "clean_miou": clean,
        "mean_corrupted_miou": corrupted,
        "retention": divide(corrupted, clean),
        "mpc": performance,
        "rpc": divide(performance, clean),
        "severity_area": compute_severity_area(scores, conditions),
    }


def compute_severity_area(scores: np.ndarray, conditions: Sequence[Condition]) -> np.ndarray:
    """Area (...) under score over severity from clean on, mean over corruptions, as a fraction of the axis.

    Trapezes between the severities that were swept; NaN if there is no corruption.
    """
    clean = select_clean_score(scores, conditions)
    areas = []
    for places in group_by_corruption(conditions).values():
        points = sorted((conditions[place][1], place) for place in places)
        curve = np.stack([clean, *(scores[..., place] for _, place in points)], axis=-1)
        severities = [0, *(severity for severity, _ in points)]
        areas.append(np.trapezoid(curve, severities, axis=-1) / severities[-1])
    return np.mean(areas, axis=0) if areas else np.full(scores.shape[:-1], np.nan)


def find_worst(scores: np.ndarray, conditions: Sequence[Condition]) -> int | None:
    """Position of the lowest score (conditions,) among all but clean; `None` if there is none."""
    places = [k for k, condition in enumerate(conditions) if condition != (CLEAN, 0) and not np.isnan(scores[k])]
    return min(places, key=lambda place: scores[place]) if places else None


def generalisation_ability_measure(scores: np.ndarray, conditions: Sequence[Condition]) -> dict[int, np.ndarray]:
    """GAM (...) of each severity: the lowest score over the corruptions that have it.

    Generalisation Ability Measure (SemSegBench, Agnihotri et al. 2025, arXiv:2505.18015).
    """
    levels = sorted({severity for _, severity in conditions if severity})
    return {
        level: scores[..., [place for place, condition in enumerate(conditions) if condition[1] == level]].min(-1)
        for level in levels
    }


def reliability_measure(scores: np.ndarray, conditions: Sequence[Condition], attacks: Sequence[str]) -> np.ndarray:
    """ReM (...): the lowest score over the attacks, at any budget; NaN if there is none.

    Reliability Measure (SemSegBench, Agnihotri et al. 2025, arXiv:2505.18015).
    """
    places = [place for place, (name, _) in enumerate(conditions) if name in attacks]
    return scores[..., places].min(-1) if places else np.full(scores.shape[:-1], np.nan)


def degradation_against_reference(
    clean: float, corrupted: Mapping[str, np.ndarray], other_clean: float, other: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """Degradation against a reference model (Hendrycks & Dietterich, ICLR 2019; Kamann & Rother, CVPR 2020).

    CD of a corruption is the sum over its severities of 1 - score, over the same sum of the reference; rCD sums
    what is lost since clean instead. Called with pixel accuracy, CD and mCD are CE and mCE.

    Args:
        clean: score of the model on clean images.
        corrupted: scores of the model over the severities of each corruption, or their mean alone.
        other_clean: score of the reference on clean images.
        other: of the reference, for the same corruptions and severities.

    Returns:
        ``cd`` and ``rcd`` by corruption; ``mcd`` and ``mrcd``, their means (a mean of ratios); ``cd_of_sums`` and
        ``rcd_of_sums``, the ratio of the sums over corruptions of what both lost, each a mean over severities. The two
        ways can rank models differently.
    """
    names = list(corrupted)
    lost = np.array([np.mean(1 - corrupted[name]) for name in names])
    other_lost = np.array([np.mean(1 - other[name]) for name in names])
    fallen, other_fallen = lost - (1 - clean), other_lost - (1 - other_clean)
    cd, rcd = divide(lost, other_lost), divide(fallen, other_fallen)
    return {
        "mcd": float(cd.mean()),
        "mrcd": float(rcd.mean()),
        "cd_of_sums": float(divide(lost.sum(), other_lost.sum())),
        "rcd_of_sums": float(divide(fallen.sum(), other_fallen.sum())),
        "cd": dict(zip(names, cd.tolist(), strict=True)),
        "rcd": dict(zip(names, rcd.tolist(), strict=True)),
    }


def compute_summary_numbers(
    scores: np.ndarray, conditions: Sequence[Condition], families: Mapping[str, str]
) -> dict[str, np.ndarray]:
    """Every number of a summary that has an interval, (...) each, by its dotted name."""
    groups = {
        "families": compute_family_means(scores, conditions, families),
        "corruptions": compute_corruption_means(scores, conditions),
        "shifts": select_shift_scores(scores, conditions),
    }
    dotted = {f"{group}.{name}": value for group, values in groups.items() for name, value in values.items()}
    return summarise(scores, conditions) | dotted
