"""Tests of equivalence in words: whether a difference is within the margin that a user states."""

from experiments.evaluation.compared_metrics import Metric
from experiments.evaluation.comparison import Equivalence, is_significant
from experiments.files.tables import format_p_value
from user_error import UserError


def describe_equivalence(found: Equivalence | None, metric: Metric, holds: bool) -> str:
    """Whether the headline differs by no more than the margin that was stated, as a sentence; empty where none was.

    A difference that `holds` may still be within the margin; that it is not needs no words.
    """
    if found is None or (holds and not is_significant(found.p)):
        return ""
    margin = metric.format_difference(found.margin)
    if found.p is None:
        return f" Whether they are alike within {margin} cannot be said of so few units or trainings."
    p = f"two one-sided tests, p {'' if found.p < 0.00005 else '= '}{format_p_value(found.p)}"
    if is_significant(found.p):
        return f" They are equivalent within {margin} ({p})."
    return f" That they are alike within {margin} is not shown either ({p})."


def name_equivalence(found: Equivalence, metric: Metric) -> str:
    """The title of a column of p values of equivalence."""
    return f"equivalent within {metric.format_difference(found.margin)}, p"


def scale_margin(margin: float | None, metric: Metric) -> float | None:
    """A margin as scores are held: points of percent as a fraction.

    Raises:
        UserError: it is not above zero.
    """
    if margin is None:
        return None
    if not 0 < margin < float("inf"):
        raise UserError(f"--margin {margin}: give what counts as no difference, above 0")
    return margin / 100 if metric.unit == "percent" else margin
