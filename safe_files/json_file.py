"""JSON as data: plain values of a bounded depth."""

import json
from pathlib import Path
from typing import Any

from plain_values import find_problem
from safe_files.text import LARGEST, read_text
from user_error import UserError


def read_json(path: Path, remedy: str, limit: int = LARGEST) -> Any:
    """The value of a JSON file.

    Args:
        path: of the file.
        remedy: how the sentence on a wrong file ends.
        limit: largest size in bytes.

    Raises:
        UserError: it is no JSON in UTF-8, or too large or too deep.
        OSError: it cannot be read.
    """
    text = read_text(path, remedy, limit)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        problem = "nested too deep" if isinstance(error, RecursionError) else str(error)[:120]
        raise UserError(f"{path} is not JSON ({problem}): {remedy}") from error
    if problem := find_problem(value):
        raise UserError(f"{path} is not fit to be read ({problem}): {remedy}")
    return value


def read_json_object(path: Path, remedy: str, limit: int = LARGEST) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        UserError: see `read_json`, or its value is no object.
        OSError: it cannot be read.
    """
    value = read_json(path, remedy, limit)
    if not isinstance(value, dict):
        raise UserError(f"{path} holds no JSON object: {remedy}")
    return value
