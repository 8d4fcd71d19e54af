"""Checks that a corruption declares the parameters of its severities which its function takes."""

from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter, signature
from math import isfinite
from types import MappingProxyType
from typing import Any

from user_error import UserError

JSON = None | bool | int | float | str | list["JSON"] | dict[str, "JSON"]

SEVERITIES = (1, 2, 3, 4, 5)

GIVEN = ("self", "images", "keys")
"""Arguments of every corruption beside its parameters."""


def declare(**parameters: Any) -> Mapping[str, Any]:
    """Declare parameters by name: their values at severities 1 to 5, or one value for a constant; read-only."""
    return MappingProxyType(parameters)


def require_declared(kind: Any, function: Callable[..., Any], given: Sequence[str] = GIVEN) -> None:
    """Refuse a class whose declared parameters differ from those of its function, or have not one value per severity.

    Args:
        kind: a class with `severities` and `constants`; accepted if its subclasses or instances define `severities`.
        function: the method that takes the parameters.
        given: names of its other arguments.

    Raises:
        UserError: the declaration is wrong.
    """
    if not isinstance(kind.severities, Mapping):
        return
    for name, values in kind.severities.items():
        if not isinstance(values, list | tuple) or len(values) != len(SEVERITIES):
            raise UserError(f"{kind.__name__} declares {name!r} as {values!r}: list five values, for severities 1 to 5")
    declared = [*kind.severities, *kind.constants]
    where = f"{kind.__name__}.{function.__name__}"
    for name in declared:
        if declared.count(name) > 1:
            raise UserError(f"{kind.__name__} declares {name!r} in `severities` and in `constants`: keep one")
    taken = {name: one for name, one in signature(function).parameters.items() if name not in given}
    for name, one in taken.items():
        if one.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD) or one.default is not Parameter.empty:
            continue
        if name not in declared:
            known = ", ".join(declared) or "none"
            raise UserError(f"{where} takes {name!r}, which is not declared ({known}): add it to `severities`")
    if any(one.kind is Parameter.VAR_KEYWORD for one in taken.values()):
        return
    for name in declared:
        if name not in taken:
            raise UserError(f"{where} does not take {name!r}, which is declared: add it to its arguments")


def as_json(value: Any) -> JSON:
    """The value of a parameter for a manifest, with tuples as lists."""
    return [as_json(one) for one in value] if isinstance(value, list | tuple) else value


def read_parameters(name: str, declared: Mapping[str, Sequence[Any]], given: Mapping[str, Any]) -> Mapping[str, Any]:
    """The declared parameters of a corruption, with those that a suite gives in their place.

    Args:
        name: of the corruption.
        declared: its parameters at severities 1 to 5.
        given: five values of some of them.

    Raises:
        UserError: the corruption has no such parameter, or one has not five values of the declared kind.
    """
    for parameter, values in given.items():
        if parameter not in declared:
            known = ", ".join(declared) or "none"
            raise UserError(
                f"{name} has no parameter {parameter!r} that depends on the severity ({known}): name one of these"
            )
        kinds = declared[parameter]
        if not isinstance(values, list | tuple) or len(values) != len(SEVERITIES):
            raise UserError(f"{name} is given {parameter} {values!r}: list five values, for severities 1 to 5")
        for value, kind in zip(values, kinds, strict=True):
            if not _is_alike(value, kind):
                raise UserError(
                    f"{name} is given {parameter} {value!r} in place of {kind!r}: give a value of that kind"
                )
    return declare(**{**declared, **{parameter: _as_tuples(values) for parameter, values in given.items()}})


def _is_alike(value: Any, declared: Any) -> bool:
    """Whether a value can stand in a declared one's place: a number for a number, as many for several, nothing for nothing."""
    if isinstance(declared, list | tuple):
        fits = isinstance(value, list | tuple) and len(value) == len(declared)
        return fits and all(map(_is_alike, value, declared))
    if declared is None or isinstance(declared, bool | str) or isinstance(value, bool):
        return type(value) is type(declared)
    return isinstance(value, int if isinstance(declared, int) else int | float) and isfinite(value)


def _as_tuples(value: Any) -> Any:
    return tuple(_as_tuples(one) for one in value) if isinstance(value, list | tuple) else value
