"""What a file may hold once it is read: plain values, of which there are only so many, so deep."""

import math
import reprlib
from collections.abc import Iterator
from itertools import chain
from typing import Any

DEEPEST = 64
"""Levels of nesting: settings of ours have about ten."""

MOST = 1_000_000
"""Values in all, each counted as often as it is met: what is shared by a thousand lists counts a thousand times."""


class UnboundedError(ValueError):
    """What a file holds is too much, or too deep, to be gone through."""


def walk(value: Any, most: int = MOST, deepest: int = DEEPEST) -> Iterator[Any]:
    """A value and all that it holds, keys too; lists may hold one another, or themselves.

    Raises:
        UnboundedError: there are more than `most` values, each counted as often as it is met, or more than `deepest` levels.
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


def complain(value: Any, *, most: int = MOST, finite: bool = False, text_keys: bool = True) -> str:
    """Why a value is not fit to be gone through, or nothing: it is too deep, unfolds without bound, or is not plain.

    Plain are texts, numbers, truth values, nothing, and lists and mappings of them. A number of more than 64 bits, or a
    text that cannot be written in UTF-8, would fail where it is printed.

    Args:
        value: of a parser.
        most: values in all.
        finite: whether numbers must be so.
        text_keys: whether keys must be texts.
    """
    try:
        return next((problem for one in walk(value, most) if (problem := _complain_of_one(one, finite, text_keys))), "")
    except UnboundedError as error:
        return str(error)


def show(value: Any) -> str:
    """A value as a sentence shows it: short, however long it is."""
    return _REPR.repr(value)


_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = 80
_END = object()


def _complain_of_one(one: Any, finite: bool, text_keys: bool) -> str:
    if one is None or isinstance(one, bool | list | tuple):
        return ""
    if isinstance(one, dict):
        wrong = next((key for key in one if not isinstance(key, str)), None) if text_keys else None
        return "" if wrong is None else f"the key {_shown(wrong)} is no text"
    if isinstance(one, int):
        return "" if abs(one) < 2**64 else f"it holds a number of {one.bit_length()} bits"
    if isinstance(one, float):
        return f"it holds {one}, no finite number" if finite and not math.isfinite(one) else ""
    if isinstance(one, str):
        return "" if one.isascii() or _is_writable(one) else "it holds a text that is not Unicode"
    return f"it holds a value of the type {type(one).__name__}"


def _shown(key: Any) -> str:
    return repr(key)[:40] if key is None or isinstance(key, bool | float) else type(key).__name__


def _is_writable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a pair of surrogates, which JSON lets through
        return False
    return True
