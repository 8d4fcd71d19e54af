"""Checks of values that were read from a file: plain values, bounded in number and in depth."""

import math
import reprlib
from collections.abc import Iterator
from itertools import chain
from typing import Any

DEEPEST = 64
"""Largest depth of nesting; the settings of this project have about ten levels."""

MOST = 1_000_000
"""Largest number of values; a value that a thousand lists share counts a thousand times."""


class UnboundedError(ValueError):
    """A value has too many parts, or is nested too deeply, to be traversed."""


def walk(value: Any, most: int = MOST, deepest: int = DEEPEST) -> Iterator[Any]:
    """Iterate over a value and all values in it, keys included; lists may contain one another, or themselves.

    Raises:
        UnboundedError: there are more than `most` values, counted with repetition, or more than `deepest` levels.
    """
    count = 0
    waiting: list[Iterator[Any]] = [iter((value,))]
    while waiting:
        one = next(waiting[-1], _END)
        if one is _END:
            waiting.pop()
            continue
        count += 1
        if count > most:
            raise UnboundedError(f"it unfolds to more than {most} values")
        yield one
        if isinstance(one, dict | list | tuple | set | frozenset):
            if len(waiting) > deepest:
                raise UnboundedError(f"it is nested deeper than {deepest} levels")
            waiting.append(chain.from_iterable(one.items()) if isinstance(one, dict) else iter(one))


def find_problem(value: Any, *, most: int = MOST, finite: bool = False, text_keys: bool = True) -> str:
    """Describe why a value is not plain, or is too large or too deep; an empty text where it is acceptable.

    Plain values are texts, numbers, truth values, `None`, and lists and mappings of these. A number of more than 64 bits,
    or a text that cannot be encoded in UTF-8, would fail where it is printed.

    Args:
        value: result of a parser.
        most: largest number of values.
        finite: whether numbers must be finite.
        text_keys: whether keys must be texts.
    """
    try:
        return next(
            (problem for one in walk(value, most) if (problem := _find_problem_of_one(one, finite, text_keys))), ""
        )
    except UnboundedError as error:
        return str(error)


def show(value: Any) -> str:
    """A shortened `repr` for use within a message."""
    return _REPR.repr(value)


_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = 80
_END = object()


def _find_problem_of_one(one: Any, finite: bool, text_keys: bool) -> str:
    if one is None or isinstance(one, bool | list | tuple):
        return ""
    if isinstance(one, dict):
        wrong = next((key for key in one if not isinstance(key, str)), None) if text_keys else None
        return "" if wrong is None else f"the key {_show_key(wrong)} is no text"
    if isinstance(one, int):
        return "" if abs(one) < 2**64 else f"it holds a number of {one.bit_length()} bits"
    if isinstance(one, float):
        return f"it holds {one}, no finite number" if finite and not math.isfinite(one) else ""
    if isinstance(one, str):
        return "" if one.isascii() or _is_writable(one) else "it holds a text that is not Unicode"
    return f"it holds a value of the type {type(one).__name__}"


def _show_key(key: Any) -> str:
    return repr(key)[:40] if key is None or isinstance(key, bool | float) else type(key).__name__


def _is_writable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a pair of surrogates, which JSON lets through
        return False
    return True
