"""A class that leaves methods open cannot be built, so that naming it by mistake ends in a sentence and not in a step."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator

import datamodules
import lightning_modules


def find_classes() -> Iterator[type]:
    for package in (datamodules, lightning_modules):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            module = importlib.import_module(found.name)
            yield from (one for one in vars(module).values() if inspect.isclass(one) and one.__module__ == found.name)


def test_bases_are_abstract() -> None:
    bases = [
        one
        for one in find_classes()
        if any(getattr(part, "__isabstractmethod__", False) for part in vars(one).values())
    ]
    assert len(bases) > 10
    assert [one.__qualname__ for one in bases if not inspect.isabstract(one)] == []
