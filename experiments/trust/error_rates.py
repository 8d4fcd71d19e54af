"""How often a trust flag errs, and how often the condition of an image is recognised, on images that were not fitted on."""

from collections.abc import Sequence

import numpy as np
from sklearn.metrics import roc_auc_score

from experiments.evaluation.kinds import CLEAN
from experiments.trust.fitting import find_poor
from experiments.trust.observed import Observed
from experiments.trust.statistics import NAMES
from experiments.trust.trust_model import Rates, Recognition, TrustModel
from user_error import UserError

CHANGED = "changed"
KINDS = (CLEAN, CHANGED)
"""Images as they are, and those under all other conditions."""

CONFIDENCE = NAMES.index("confidence")


def measure_rates(model: TrustModel, observed: Observed, name: str, kinds: Sequence[str] = KINDS) -> list[Rates]:
    """How often the flag errs: on clean images, and on those that a suite changes.

    Args:
        model: with its threshold.
        observed: images that it was not fitted on.
        name: of the images.
        kinds: of `KINDS`, those that are measured.
    """
    clean = np.array([corruption == CLEAN for corruption, _ in observed.conditions])
    risks, poor = model.estimate_risk(observed.statistics), find_poor(observed, model.least)
    doubts, scored = 1 - observed.statistics[..., CONFIDENCE], ~np.isnan(observed.scores)
    found = []
    for kind in kinds:
        chosen = scored & (clean if kind == CLEAN else ~clean)
        if chosen.any():
            found.append(_count_errors(f"{name}, {kind}", risks[chosen], doubts[chosen], poor[chosen], model))
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


def _count_errors(name: str, risks: np.ndarray, doubts: np.ndarray, poor: np.ndarray, model: TrustModel) -> Rates:
    trusted, good = risks < model.threshold, ~poor
    both = bool(poor.any() and good.any())
    missed = float(trusted[poor].mean()) if poor.any() else None
    as_often = None if missed is None or not both else float((doubts[good] >= np.quantile(doubts[poor], missed)).mean())
    return Rates(
        name=name,
        cases=len(poor),
        poor=int(poor.sum()),
        missed=missed,
        false_alarms=float((~trusted)[good].mean()) if good.any() else None,
        false_alarms_by_confidence=as_often,
        auroc=float(roc_auc_score(poor, risks)) if both else None,
        auroc_by_confidence=float(roc_auc_score(poor, doubts)) if both else None,
    )


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
    return Recognition(
        name=name,
        corruption=float(right.mean()),
        severity_within_one=float(near[right].mean()) if right.any() else 0.0,
    )
