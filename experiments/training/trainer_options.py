"""Options of Lightning's Trainer as the parser is to read them."""

from types import NoneType
from typing import get_args

from pytorch_lightning import Trainer


def prefer_integers() -> None:
    """Let options that take batches as a number or a fraction read 1 as one batch, not as all of them.

    Their type is a number, int or float. `typing` keeps one object for unions of the same types, in the order in which
    they were first written, which is float first in Lightning, so that the parser would make 1.0 of 1. Calling this again
    changes nothing.
    """
    hints = Trainer.__init__.__annotations__
    for name, hint in hints.items():
        members = set(get_args(hint))
        if members == {int, float}:
            hints[name] = int | float
        elif members == {int, float, NoneType}:
            hints[name] = int | float | None
