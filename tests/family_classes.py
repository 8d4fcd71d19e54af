"""The members of a family: the classes in the files of a package that are not abstract."""

import importlib
import inspect
import pkgutil
from types import ModuleType
from typing import Any


def list_family_classes(package: ModuleType, base: Any) -> list[Any]:
    """Subclasses of `base`, in the order of their files."""
    modules = (
        importlib.import_module(f"{package.__name__}.{found.name}") for found in pkgutil.iter_modules(package.__path__)
    )
    return [
        one
        for module in modules
        for one in vars(module).values()
        if inspect.isclass(one)
        and issubclass(one, base)
        and not inspect.isabstract(one)
        and one.__module__ == module.__name__
    ]
