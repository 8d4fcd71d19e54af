"""How often a trust flag errs, and how often the condition of an image is recognised, on images that were not fitted on."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from sklearn.metrics import roc_auc_score

from experiments.evaluation.failures import bound
from experiments.evaluation.jackknife import Scale
from experiments.evaluation.kinds import CLEAN
from experiments.evaluation.scores.base import as_number
from experiments.trust.fitting import find_poor
from experiments.trust.observed import Observed
from experiments.trust.statistics import NAMES
from experiments.trust.trust_model import Rates, Recognition, TrustModel
from user_error import UserError

CHANGED = "changed"
KINDS = (CLEAN, CHANGED)
"""Images as they are, and those under all conditions that change them."""

CONFIDENCE = NAMES.index("confidence")

MEASURED: dict[str, Scale] = {"missed": "score", "false_alarms": "score", "auroc": "score", "gain": "difference"}
"""The numbers of `Rates` that have an interval."""


def measure_rates(model: TrustModel, observed: Observed, name: str, kinds: Sequence[str] = KINDS) -> list[Rates]:
    """How often the flag errs: on clean images, on those that each real shift selects, and on those that a suite changes.

    Args:
        model: with its threshold.
        observed: images that it was not fitted on.
        name: of the images.
        kinds: of `KINDS`, those that are measured; real shifts always are.
    """
    names = np.array([corruption for corruption, _ in observed.conditions])
    parts = {
        CLEAN: names == CLEAN,
        **{shift: names == shift for shift in observed.shifts},
        CHANGED: (names != CLEAN) & ~np.isin(names, observed.shifts),
    }
    poor, scored = find_poor(observed, model.least), ~np.isnan(observed.scores)
    risks, doubts = model.estimate_risk(observed.statistics), 1 - observed.statistics[..., CONFIDENCE]
    removed, blocks = observed.list_left_out()
    found = []
    for kind in (part for part in parts if part not in KINDS or part in kinds):
        chosen = scored & parts[kind]
        if chosen.any():
            cases = Cases(risks, doubts, poor, model.threshold)
            numbers = cases.measure(chosen)
            left_out = np.stack([cases.measure(chosen & ~images[:, None]) for images in removed])
            bounds = {
                number: bound(numbers[place], left_out[:, place], blocks, scale)
                for place, (number, scale) in enumerate(MEASURED.items())
            }
            by_confidence = as_number(cases.count_false_alarms_by_confidence(chosen))
            found.append(
                Rates(
                    name=f"{name}, {kind}",
                    cases=int(chosen.sum()),
                    poor=int(poor[chosen].sum()),
                    false_alarms_by_confidence=by_confidence,
                    **bounds,
                )
            )
    return found


def require_others(fitted: Observed, observed: Observed) -> None:
    """Refuse to measure on images that were fitted on: those of one id that look the same as they are.

    Raises:
        UserError: there is one.
    """
    known = dict(zip(fitted.ids, fitted.statistics[:, 0], strict=True))
    for name, statistics in zip(observed.ids, observed.statistics[:, 0], strict=True):
        if name in known and np.array_equal(known[name], statistics):
            raise UserError(
                f"the image {name!r} is in the validation split, which the flag is fitted on, and in the test split, on which it "
                "is measured: pass --data with a test split of its own"
            )


class Cases(NamedTuple):
    """Images under conditions, (N, conditions) each: their risks, doubts, and whether they are poor; and the threshold."""

    risks: np.ndarray
    doubts: np.ndarray
    poor: np.ndarray
    threshold: float

    def measure(self, chosen: np.ndarray) -> np.ndarray:
        """The numbers of `MEASURED`, of some of the cases (N, conditions); NaN where a number has none."""
        risks, doubts, poor = self.risks[chosen], self.doubts[chosen], self.poor[chosen]
        trusted = risks < self.threshold
        auroc = _compute_auroc(poor, risks)
        return np.array([_mean(trusted[poor]), _mean(~trusted[~poor]), auroc, auroc - _compute_auroc(poor, doubts)])

    def count_false_alarms_by_confidence(self, chosen: np.ndarray) -> float:
        """Of a threshold of the doubts that trusts as many poor ones as the flag."""
        risks, doubts, poor = self.risks[chosen], self.doubts[chosen], self.poor[chosen]
        if poor.all() or not poor.any():
            return float("nan")
        missed = (risks < self.threshold)[poor].mean()
        return float((doubts[~poor] >= np.quantile(doubts[poor], missed)).mean())


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _compute_auroc(poor: np.ndarray, signs: np.ndarray) -> float:
    return float("nan") if poor.all() or not poor.any() else float(roc_auc_score(poor, signs))


def measure_recognition(model: TrustModel, observed: Observed, name: str) -> Recognition:
    """How often the corruption of an image is the most likely one, and its severity then at most one off.

    Args:
        model: whose conditions are those of `observed`.
        observed: images that it was not fitted on.
        name: of the images.
    """
    chances = model.recognise(model.standardise(observed.statistics))
    found = chances.argmax(-1)
    names = np.array([corruption for corruption, _ in model.conditions])
    severities = np.array([severity for _, severity in model.conditions])
    right = names[found] == names
    near = np.abs(severities[found] - severities) <= 1
    removed, blocks = observed.list_left_out()
    left_out = np.array([_mean(right[~images]) for images in removed])
    return Recognition(
        name=name,
        corruption=bound(float(right.mean()), left_out, blocks),
        severity_within_one=as_number(_mean(near[right])),
    )
