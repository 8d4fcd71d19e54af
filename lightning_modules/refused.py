"""Explanation of errors that components of other libraries raise when they are constructed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from user_error import UserError, shorten


@contextmanager
def explain_refusal(setting: str, described: Any, family: str) -> Iterator[None]:
    """Turn an error of the construction of a component within the block into a sentence for the user.

    Args:
        setting: option of the command line.
        described: the component in the hyperparameters, with its ``class_path``.
        family: folder of experiments/configs.

    Raises:
        UserError: the construction failed.
    """
    try:
        yield
    except (ValueError, TypeError, RuntimeError, AttributeError, AssertionError, ZeroDivisionError) as error:
        name = described.get("class_path", "the component") if isinstance(described, dict) else described or "null"
        raise UserError(
            f"{setting}: {name} refuses its settings, or this network ({shorten(error)}): correct them under "
            f"{setting}.init_args, or name a YAML of experiments/configs/{family}/"
        ) from error
