"""Members of a family by the names of their files, for settings that list several of them in one YAML."""

import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from user_error import UserError


def names(package: str, base: type) -> tuple[str, ...]:
    """Stems of the package's files that hold a member: a subclass of `base` that is not abstract."""
    modules = pkgutil.iter_modules(importlib.import_module(package).__path__)
    return tuple(sorted(module.name for module in modules if _members(package, module.name, base)))


def find(package: str, name: str, base: type) -> Any:
    """The member in the file of that name.

    Raises:
        UserError: there is none.
    """
    known = names(package, base)
    if name not in known:
        what = base.__name__.lower()
        raise UserError(f"unknown {what} {name!r}: choose among {', '.join(known)}")
    return _members(package, name, base)[0]


def make(package: str, name: str, base: type, settings: Mapping[str, Any] | None = None) -> Any:
    """A member by its name; members are dataclasses of their settings.

    Args:
        package: of the family.
        name: of the member's file.
        base: of the family.
        settings: those that differ from the defaults.

    Raises:
        UserError: unknown name or setting, or a value that the member refuses.
    """
    cls = find(package, name, base)
    try:
        return cls(**(settings or {}))
    except TypeError as error:  # an unknown name, or a value that does not compare to numbers
        known = ", ".join(f"{field.name} ({field.default!r})" for field in fields(cls)) or "no settings"
        raise UserError(f"{base.__name__.lower()} {name!r} cannot be made with {settings}: it takes {known}") from error


def _members(package: str, name: str, base: type) -> list[Any]:
    module = importlib.import_module(f"{package}.{name}")
    return [
        value
        for value in vars(module).values()
        if inspect.isclass(value)
        and issubclass(value, base)
        and not inspect.isabstract(value)
        and value.__module__ == module.__name__
    ]
