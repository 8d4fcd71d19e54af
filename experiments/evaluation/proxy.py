"""How well scores under synthetic corruptions predict those under real conditions, over networks.

A network is one observation. Correlations are stated with two intervals of the jackknife, both computed of Fisher's z: over
networks, as if they were drawn one by one, and over families, since networks of one architecture are alike and say the same
thing several times. The latter is wider, and holds where the former does not.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from experiments.evaluation.jackknife import LEVEL, jackknife_interval
from experiments.evaluation.kinds import CLEAN, CORRUPTION, SHIFT
from experiments.evaluation.published import Published
from experiments.evaluation.robustness import compute_corrupted_mean, compute_corruption_means

FEWEST_NETWORKS = 4
"""Networks below which a correlation given a third score says nothing."""

FEWEST_FAMILIES = 5
"""Families below which there is no interval over them."""

CORRUPTED = "corrupted mean"
"""The predictor that is the mean over all corruptions."""

REAL_MEAN = "mean of real conditions"

Edges = tuple[float, float]


class Association(NamedTuple):
    """A correlation with the edges of its intervals; NaN where there is none."""

    value: float
    networks: Edges
    families: Edges
    without_family: Edges  # the lowest and highest value that it has where one family is left out


class Prediction(NamedTuple):
    """How one score predicts that under one real condition."""

    real: str
    predictor: str
    pearson: Association
    spearman: Association
    partial: Association | None  # given the clean score; `None` of that itself


class Study(NamedTuple):
    """The predictions on one data set, and the networks that they are of."""

    data: str
    networks: list[Published]
    families: int
    incomplete: list[Published]  # left out, since they were not evaluated under all conditions
    predictions: list[Prediction]


Measure = Callable[[np.ndarray], float]
"""A number of scores (networks, 3): predictor, real, clean."""


def correlate(scores: np.ndarray) -> float:
    """Pearson's correlation of the first two columns (networks, ...); NaN where one does not vary."""
    one, other = (column - column.mean() for column in scores[:, :2].T)
    spread = np.sqrt((one @ one) * (other @ other))
    return float(np.clip(one @ other / spread, -1, 1)) if spread > 0 else float("nan")


def correlate_ranks(scores: np.ndarray) -> float:
    """Spearman's correlation (Am. J. Psychol. 1904) of the first two columns: that of their ranks, ties in the middle."""
    return correlate(np.stack([_rank(column) for column in scores[:, :2].T], axis=1))


def _rank(values: np.ndarray) -> np.ndarray:
    _, place, times = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(times) - (times - 1) / 2)[place]


def correlate_given_clean(scores: np.ndarray) -> float:
    """Partial correlation of the first two columns given the third (Yule, Proc. R. Soc. 1907).

    What is left of Pearson's correlation once both are freed of what follows linearly from the clean score.
    """
    pairs = [correlate(scores[:, list(pair)]) for pair in ((0, 1), (0, 2), (1, 2))]
    left = (1 - pairs[1] ** 2) * (1 - pairs[2] ** 2)
    return float(np.clip((pairs[0] - pairs[1] * pairs[2]) / np.sqrt(left), -1, 1)) if left > 1e-12 else float("nan")


def associate(measure: Measure, scores: np.ndarray, families: Sequence[str]) -> Association:
    """A correlation with its intervals.

    Over networks it is `jackknife_interval` of Fisher's z (Biometrika 1915). Over families it is the jackknife that leaves
    out a family at a time (Student's t, degrees of freedom one less than families; Tukey 1958).

    Args:
        measure: the correlation.
        scores: (networks, 3).
        families: of each network.
    """
    value = measure(scores)
    alone = np.array([measure(np.delete(scores, place, axis=0)) for place in range(len(scores))])
    names = np.array(families)
    grouped = np.array([_measure_rest(measure, scores[names != name]) for name in np.unique(names)])
    with np.errstate(divide="ignore"):  # an entire correlation
        centre, over_networks, over_families = np.arctanh(value), np.arctanh(alone), np.arctanh(grouped)
    edges = jackknife_interval(float(centre), over_networks) if np.isfinite([centre, *over_networks]).all() else _NONE
    over = _find_family_edges(float(centre), over_families)
    extremes = (float(grouped.min()), float(grouped.max()))  # NaN if a family is nearly all there is
    return Association(value, _to_correlations(edges), _to_correlations(over), extremes)


_NONE = (float("nan"), float("nan"))


def _measure_rest(measure: Measure, scores: np.ndarray) -> float:
    return measure(scores) if len(scores) >= FEWEST_NETWORKS else float("nan")


def _find_family_edges(centre: float, left_out: np.ndarray) -> Edges:
    number = len(left_out)
    if number < FEWEST_FAMILIES or not np.isfinite([centre, *left_out]).all():
        return _NONE
    from scipy.special import stdtrit  # loads slowly

    deviation = np.sqrt((number - 1) / number * np.sum((left_out - left_out.mean()) ** 2))
    reach = float(stdtrit(number - 1, (1 + LEVEL) / 2) * deviation)
    return float(centre) - reach, float(centre) + reach


def _to_correlations(edges: Edges) -> Edges:
    return float(np.tanh(edges[0])), float(np.tanh(edges[1]))


def study(
    networks: Sequence[Published],
    namesakes: Mapping[str, str],
    pooled: str | None = None,
    each_corruption: bool = False,
) -> Study | None:
    """How clean and corrupted scores predict those under each real condition, on one data set.

    Args:
        networks: of one data set.
        namesakes: real conditions with the corruption that imitates each.
        pooled: the real condition that has the images of all others; their mean stands for it where there is none.
        each_corruption: take every single corruption as a predictor, too.

    Returns:
        `None` where fewer than `FEWEST_NETWORKS` were evaluated under real conditions and corruptions.
    """
    seen = [network for network in networks if {SHIFT, CORRUPTION} <= {*network.kinds}]
    conditions = dict.fromkeys(condition for network in seen for condition in network.headline[0])
    complete = [one for one in seen if {*conditions} <= {*one.conditions} and not np.isnan(one.headline[1]).any()]
    if len(complete) < FEWEST_NETWORKS:
        return None
    predictors, real = _gather_predictors(complete), _gather_real(complete, pooled)
    families = [network.family or network.name for network in complete]
    found = []
    for target, measured in real.items():
        chosen = [CLEAN, CORRUPTED, *([namesakes[target]] if namesakes.get(target) in predictors else [])]
        chosen += [name for name in predictors if each_corruption and name not in chosen]
        found += [_predict(target, name, predictors, measured, families) for name in chosen]
    incomplete = [network for network in seen if not is_among(network, complete)]
    return Study(complete[0].data, complete, len({*families}), incomplete, found)


def is_among(network: Published, others: Sequence[Published]) -> bool:
    """Whether a network is one of the others, and not just called and evaluated like one."""
    return any(network is other for other in others)


def _gather_predictors(networks: Sequence[Published]) -> dict[str, np.ndarray]:
    rows = []
    for network in networks:
        conditions, scores = network.headline
        means = {CLEAN: scores[conditions.index((CLEAN, 0))], CORRUPTED: compute_corrupted_mean(scores, conditions)}
        rows.append(means | compute_corruption_means(scores, conditions))
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def _gather_real(networks: Sequence[Published], pooled: str | None) -> dict[str, np.ndarray]:
    """Scores (networks,) under all real conditions together, and under each."""
    names = [name for (name, _), kind in zip(networks[0].conditions, networks[0].kinds, strict=True) if kind == SHIFT]
    scores = {name: np.array([one.scores[one.conditions.index((name, 0))] for one in networks]) for name in names}
    if pooled in scores:
        return {pooled: scores[pooled]} | scores
    return ({REAL_MEAN: np.mean([*scores.values()], axis=0)} if len(scores) > 1 else {}) | scores


def _predict(
    target: str, name: str, predictors: Mapping[str, np.ndarray], measured: np.ndarray, families: Sequence[str]
) -> Prediction:
    scores = np.stack([predictors[name], measured, predictors[CLEAN]], axis=1)
    pearson, spearman = (associate(measure, scores, families) for measure in (correlate, correlate_ranks))
    partial = associate(correlate_given_clean, scores, families) if name != CLEAN else None
    return Prediction(target, name, pearson, spearman, partial)
