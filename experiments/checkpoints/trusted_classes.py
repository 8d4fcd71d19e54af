"""Classes that an untrusted file may name: those of this project, PyTorch's parts, and packages that the user trusts."""

import importlib
import inspect
import os
import sys
from typing import Any

from user_error import UserError, shorten

OWN = ("datamodules.", "lightning_modules.")
"""Packages of this project, whose modules are imported where a file names one."""

PARTS = ("torch.nn.", "torch.optim.", "segmentation_models_pytorch.losses.")
"""Packages whose classes are parts of a training. Nothing is imported from them: what the project uses is loaded already."""

TRUST = "ROBUST_SEGMENTATION_TRUST"
"""Environment variable: further packages, separated by commas ("mypackage.,other.nets."), that the user trusts by name."""


def list_user_packages() -> tuple[str, ...]:
    """The prefixes in ``ROBUST_SEGMENTATION_TRUST``, each with a final dot, so that "my" does not match "mypackage"."""
    packages = (part.strip().rstrip(".") for part in os.environ.get(TRUST, "").split(","))
    return tuple(f"{package}." for package in packages if package)


def find_trusted(name: Any, where: str) -> Any:
    """The class that a file names, if it is trusted; in packages that the user trusts also a factory function.

    The name is checked before anything is imported, and the object that it resolves to again: a trusted module also holds
    names imported from others, so that ``datamodules.datasets.folder.Path`` belongs to the project by its name alone.

    Args:
        name: as it stands in the file.
        where: the file, for the message.

    Raises:
        UserError: it is none of the trusted ones, or there is no such class.
    """
    if not isinstance(name, str) or not _is_allowed(name):
        raise _refuse(name, where)
    found = _import(name, where)
    defined = f"{getattr(found, '__module__', None)}.{getattr(found, '__qualname__', None)}"
    made = inspect.isclass(found) or (callable(found) and defined.startswith(list_user_packages()))
    if not made or not _is_allowed(defined):
        raise _refuse(name, where)
    _require_stated_trust(found, where)
    return found


def require_trusted_class(kind: Any, where: str) -> None:
    """Refuse to build a class that is not trusted.

    Raises:
        UserError: it is not trusted.
    """
    name = f"{kind.__module__}.{kind.__qualname__}"
    if not _is_allowed(name):
        raise _refuse(name, where)
    _require_stated_trust(kind, where)


def _require_stated_trust(kind: Any, where: str) -> None:
    """Refuse a class of this project that executes a program from the file itself, unless the user trusts such files."""
    word = getattr(kind, "needs_trust", None)
    if word is not None:
        require_trusted_word(word, where)


def require_trusted_word(word: str, where: str) -> None:
    """Refuse what executes a program from a file, unless ``ROBUST_SEGMENTATION_TRUST`` names its kind.

    Raises:
        UserError: the user has not stated trust.
    """
    if f"{word}." not in list_user_packages():
        raise UserError(
            f"{where} holds a program of the kind {word}, which can read and write files like any program of yours: it was "
            f"refused; if you trust who made it, set {TRUST}={word}"
        )


def _is_allowed(name: str) -> bool:
    return name.startswith((*OWN, *PARTS, *list_user_packages()))


def _import(name: str, where: str) -> Any:
    module, _, attribute = name.rpartition(".")
    try:
        if name.startswith((*OWN, *list_user_packages())):
            importlib.import_module(module)
        return getattr(sys.modules[module], attribute)
    except Exception as error:  # a package that the user trusts may raise anything when it is imported
        raise UserError(
            f"{where} asks for {name!r}, which is not to be had here ({shorten(error)}): install its package, or take the "
            "version of this project that wrote the file"
        ) from error


def _refuse(name: Any, where: str) -> UserError:
    return UserError(
        f"{where} asks for {name!r}, which is no class of this project: it was refused{_describe_remedy(name)}"
    )


def _describe_remedy(name: Any) -> str:
    """How to trust a package; empty for Python's own modules and PyTorch, which the settings of a network never need."""
    package = str(name).split(".")[0]
    if not package.isidentifier() or package in sys.stdlib_module_names or package in ("builtins", "posix", "torch"):
        return ""
    if f"{package}." in OWN:
        return ""
    return f"; if it is yours, trust its package by {TRUST}={package}."
