"""Settings in untrusted files: validated as plain data, and built by one function.

A checkpoint and the ``config.yaml`` of a run folder name the classes that they are built from. The parser that builds them
would also accept a text with JSON in it, the path of a YAML, or a name in place of a class: `require_plain_component`
refuses these before the parser sees them, and `build` checks every class that the parser resolved against the trusted ones
again, just before it is called.
"""

import collections.abc
import inspect
import types
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from jsonargparse import ArgumentParser

from experiments.checkpoints.trusted_classes import find_trusted, require_trusted_class
from safe_files.yaml_file import load_yaml
from user_error import UserError

Built = TypeVar("Built")

COMPONENT = ("class_path", "init_args", "dict_kwargs")
"""Keys of a component: a class with its settings."""

DEEPEST = 32
"""Deepest nesting of settings; those of an ensemble of combinations need less than half of it."""

LONGEST_TEXT = 4096
PLAIN = (str, int, float, bool, types.NoneType, bytes, Mapping, list, tuple, set, type)


def require_plain_component(base: type, component: Any, where: str, place: str) -> None:
    """Refuse a component that would build an untrusted class, or that holds a component in another form.

    Args:
        base: what it must be a subclass of.
        component: ``class_path`` and ``init_args``, as the file has them.
        where: the file, for the message.
        place: of the component in it.

    Raises:
        UserError: there is an untrusted class, a text or path in place of a component, or a value that is not plain data.
    """
    if not isinstance(component, Mapping) or "class_path" not in component:
        raise _refuse(component, where, place)
    kind = find_trusted(component["class_path"], where)
    if not (inspect.isclass(kind) and issubclass(kind, base)):
        raise UserError(
            f"{where} has {component['class_path']!r} as {place}, which is no {base.__name__}: it was refused"
        )
    _require_component(component, where, place, 0)


def build(base: type[Built], component: Mapping[str, Any], where: str) -> Built:
    """Build a component that `require_plain_component` has accepted.

    Args:
        base: what it must be a subclass of.
        component: its class and its settings.
        where: the file, for the message.

    Raises:
        UserError: the parser resolved a class that is not trusted.
    """
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(base, "built", fail_untyped=False)
    parsed = parser.parse_object({"built": dict(component)})

    def build_trusted(cls: type, *args: Any, **kwargs: Any) -> Any:
        require_trusted_class(cls, where)
        return cls(*args, **kwargs)

    return parser.instantiate(parsed, instantiators=[(build_trusted, object, True)]).built


def _require_component(component: Mapping[str, Any], where: str, place: str, depth: int) -> None:
    unknown = [key for key in component if key not in COMPONENT]
    if unknown:
        raise UserError(f"{where} has {place} with the unknown key {unknown[0]!r}: write it anew with 'fit'")
    kind = find_trusted(component["class_path"], where)
    for key in COMPONENT[1:]:
        settings = component.get(key)
        if settings is not None and not isinstance(settings, Mapping):
            raise _refuse(settings, where, f"{place}.{key}")
        _require_settings(kind, settings or {}, where, place, depth)


def _require_settings(kind: Any, settings: Mapping[str, Any], where: str, place: str, depth: int) -> None:
    hints, closed = find_parameters(kind)
    for name, value in settings.items():
        if closed and name not in hints:
            raise UserError(
                f"{where} gives {kind.__name__} the setting {name!r}, which it has not: take the version of this project "
                "that wrote the file"
            )
        if name in getattr(kind, "names_of_code", ()):
            find_trusted(value, where)
        else:
            _require_value(value, hints.get(name, Any), where, f"{place}.{name}", depth + 1)


def _require_value(value: Any, hint: Any, where: str, place: str, depth: int) -> None:
    if depth > DEEPEST:
        raise UserError(f"{where} nests its settings deeper than {DEEPEST} levels at {place}: write it anew with 'fit'")
    if isinstance(value, str):
        _require_text(value, hint, where, place)
    elif isinstance(value, Mapping):
        if any("class_path" in str(key) and key != "class_path" for key in value):  # dotted keys name nested places
            raise _refuse(value, where, place)
        if "class_path" in value:
            _require_component(value, where, place, depth)
            return
        if is_component(hint) and not _has_mappings(hint):
            raise _refuse(value, where, place)
        for key, one in value.items():
            _require_value(one, _find_element_type(hint, Mapping), where, f"{place}.{key}", depth + 1)
    elif isinstance(value, list | tuple):
        for one in value:
            _require_value(one, _find_element_type(hint, collections.abc.Sequence), where, place, depth + 1)
    elif not isinstance(value, bool | int | float | types.NoneType):
        raise _refuse(value, where, place)


def _require_text(text: str, hint: Any, where: str, place: str) -> None:
    """Refuse a text in place of a component, and one that the parser would parse into settings."""
    members = _list_members(hint)
    if all(get_origin(one) is Literal or one in (str, int, float, bool, types.NoneType) for one in members):
        return
    if is_component(hint) or len(text) > LONGEST_TEXT or _is_parsed_to_settings(text):
        raise _refuse(text, where, place)


def _is_parsed_to_settings(text: str) -> bool:
    try:
        return not isinstance(load_yaml(text), str | int | float | bool | types.NoneType)
    except Exception:  # the parser leaves a text that raises an error unchanged; it is refused all the same
        return True


def _refuse(value: Any, where: str, place: str) -> UserError:
    found = f"the text {value[:60]!r}" if isinstance(value, str) else f"a {type(value).__name__}"
    return UserError(
        f"{where} has {found} as {place}, where a class with its settings or plain data stand: it was refused, since what a "
        "text or a path leads to can run code"
    )


def find_parameters(kind: Any) -> tuple[dict[str, Any], bool]:
    """The types of a constructor's or function's parameters by name, including those that it passes on to its bases.

    Returns:
        The types, and whether this list is complete; a parameter whose type cannot be resolved is taken for a component.
    """
    if not inspect.isclass(kind):
        return _find_own_parameters(kind)
    constructors = [vars(base)["__init__"] for base in kind.__mro__[:-1] if "__init__" in vars(base)]
    found: dict[str, Any] = {}
    for constructor in constructors:
        own, closed = _find_own_parameters(constructor)
        found = own | found
        if closed:
            return found, True
    return found, not constructors


def _find_own_parameters(function: Any) -> tuple[dict[str, Any], bool]:
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # some functions in C have no signature
        return {}, False
    try:
        hints = get_type_hints(function)
    except Exception:  # annotations of other packages may name what is not imported
        hints = {}
    found = {
        one.name: hints.get(one.name, Any if one.annotation is one.empty else type)
        for one in parameters
        if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD) and one.name != "self"
    }
    return found, all(one.kind is not one.VAR_KEYWORD for one in parameters)


def _list_members(hint: Any) -> list[Any]:
    """The types that a value may have: the members of a union, or the type itself."""
    if get_origin(hint) in (Union, types.UnionType):
        return [member for one in get_args(hint) for member in _list_members(one)]
    return [hint]


def is_component(hint: Any) -> bool:
    """Whether a value of this type is built from a class, or contains one that is."""
    return any(_is_component(member) for member in _list_members(hint))


def _is_component(hint: Any) -> bool:
    origin = get_origin(hint)
    if hint is Any or hint is object or origin is Literal or isinstance(hint, TypeVar):
        return False
    if hint is type or origin in (type, collections.abc.Callable):
        return True
    if origin is not None:
        return any(is_component(one) for one in get_args(hint) if one is not Ellipsis)
    return not (inspect.isclass(hint) and issubclass(hint, PLAIN))


def _has_mappings(hint: Any) -> bool:
    return any(inspect.isclass(get_origin(one)) and issubclass(get_origin(one), Mapping) for one in _list_members(hint))


def _find_element_type(hint: Any, container: type) -> Any:
    """The type of the values in a container of this type; the union of them where several fit."""
    found = []
    for one in _list_members(hint):
        origin = get_origin(one)
        if inspect.isclass(origin) and issubclass(origin, container) and not issubclass(origin, str):
            arguments = [argument for argument in get_args(one) if argument is not Ellipsis]
            found.append(arguments[-1] if container is Mapping else Union[tuple(arguments)])  # noqa: UP007
    if not found:
        return hint if is_component(hint) else Any
    return Union[tuple(found)]  # noqa: UP007
