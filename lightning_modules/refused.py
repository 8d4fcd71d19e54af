"""A component of another library that refuses its settings when it is made."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from user_error import UserError, shorten


@contextmanager
def explain_refusal(setting: str, described: Any, family: str) -> Iterator[None]:
    """Put in words what the making of a component inside the block refuses.

    Args:
        setting: of the command line.
        described: the component as hyperparameters hold it, with its ``class_path``.
        family: folder of experiments/configs.

    Raises:
        UserError: it was refused.
    """
    try:
        yield
    except (ValueError, TypeError, RuntimeError, AttributeError, AssertionError, ZeroDivisionError) as error:
        name = described.get("class_path", "the component") if isinstance(described, dict) else described or "null"
        raise UserError(
            f"{setting}: {name} refuses its settings, or this network ({shorten(error)}): correct them under "
            f"{setting}.init_args, or name a YAML of experiments/configs/{family}/"
        ) from error
