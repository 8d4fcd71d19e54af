"""Refusals of settings that are out of range, in one sentence each; NaN is out of every range."""

import math
from collections.abc import Sequence

from user_error import UserError


def require_probability(owner: str, probability: float) -> None:
    """Refuse what is no probability.

    Args:
        owner: name of the method, for the message.
        probability: that a setting gives.

    Raises:
        UserError: it is not from 0 to 1.
    """
    if not 0 <= probability <= 1:
        raise UserError(f"the probability of {owner} is {probability}: give a number from 0 to 1")


def require_amount(name: str, value: float, hint: str = "") -> None:
    """Refuse what is negative or no finite number.

    Args:
        name: of the setting and its owner, such as "weight of ViewConsistency", for the message.
        value: that is given.
        hint: what else the message says of the remedy, such as a usual value.

    Raises:
        UserError: the value is out of range.
    """
    if not 0 <= value < math.inf:
        raise UserError(f"the {name} is {value}: give a finite number of 0 or more{_append(hint)}")


def require_positive(name: str, value: float, hint: str = "") -> None:
    """Refuse what is 0, negative or no finite number; see `require_amount`."""
    if not 0 < value < math.inf:
        raise UserError(f"the {name} is {value}: give a finite number above 0{_append(hint)}")


def require_count(name: str, value: int, highest: int, hint: str = "") -> None:
    """Refuse a number of things below 1, or above what memory or patience could hold; see `require_amount`."""
    if not 1 <= value <= highest:
        raise UserError(f"the {name} is {value}: give a whole number from 1 to {highest:,}{_append(hint)}")


def require_range(owner: str, name: str, given: Sequence[float], highest: float) -> None:
    """Refuse a range that is none, or that holds 0 alone.

    Args:
        owner: name of the method, for the message.
        name: of the argument.
        given: the lowest and the highest value.
        highest: that the argument may have.

    Raises:
        UserError: there are not two values in order, or one is out of bounds.
    """
    if len(given) != 2 or not 0 <= given[0] <= given[1] <= highest or not given[1]:
        raise UserError(
            f"the {name} of {owner} is {list(given)}: give [low, high], from 0 to {highest:g}, of which high is above 0"
        )


def _append(hint: str) -> str:
    return f", {hint}" if hint else ""
