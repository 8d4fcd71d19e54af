"""Settings that no method can train with are refused in a sentence, whatever the method."""

import importlib
import inspect
import math
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from torch import nn

import lightning_modules.attacks
import lightning_modules.batch_transforms
import lightning_modules.losses
import lightning_modules.objectives
import lightning_modules.weightings
from lightning_modules.attacks.base import Attack
from lightning_modules.batch_transforms.base import BatchTransform
from lightning_modules.batch_transforms.gaussian_noise import GaussianNoise
from lightning_modules.schedules import Schedule
from lightning_modules.settings import require_amount, require_count, require_positive, require_probability
from user_error import UserError

FAMILIES = (BatchTransform, Attack, Schedule, nn.Module)
PACKAGES = (
    lightning_modules.attacks,
    lightning_modules.batch_transforms,
    lightning_modules.losses,
    lightning_modules.objectives,
    lightning_modules.weightings,
)
MODULES = [f"{package.__name__}.{one.name}" for package in PACKAGES for one in pkgutil.iter_modules(package.__path__)]


def find_numbers() -> Iterator[tuple[type, str, bool]]:
    """Every setting of a method that is a number, or a list of numbers: class, name, and whether it is a list."""
    for name in [*MODULES, "lightning_modules.schedules"]:
        for one in vars(importlib.import_module(name)).values():
            if not inspect.isclass(one) or one.__module__ != name or not issubclass(one, FAMILIES):
                continue
            if inspect.isabstract(one) or one.__init__ is nn.Module.__init__:
                continue
            for setting in inspect.signature(one).parameters.values():
                if (
                    "float" in str(setting.annotation)
                    and "Mapping" not in str(setting.annotation)
                    and setting.default is not inspect.Parameter.empty
                ):
                    yield one, setting.name, "Sequence" in str(setting.annotation)


NUMBERS = list(find_numbers())


def make_others(method: type) -> dict[str, Any]:
    """What a constructor asks for beside the number; a number is refused before any of it is used."""
    needed = [one for one in inspect.signature(method).parameters.values() if one.default is inspect.Parameter.empty]
    return {one.name: {"terms": [nn.Identity()], "views": [GaussianNoise()]}.get(one.name) for one in needed}


@pytest.mark.parametrize(("method", "name", "listed"), NUMBERS, ids=[f"{m.__name__}.{n}" for m, n, _ in NUMBERS])
def test_no_method_takes_what_is_no_finite_number(method: type, name: str, listed: bool) -> None:
    for wrong in (math.nan, math.inf, -1.0):
        with pytest.raises(UserError, match=name):
            method(**{**make_others(method), name: [wrong] * 2 if listed else wrong})


def test_families_are_looked_through() -> None:
    assert {"alpha", "beta", "weight", "step_size", "class_weights", "warmup"} <= {name for _, name, _ in NUMBERS}


@pytest.mark.parametrize(
    ("refuse", "given", "message"),
    [
        (
            require_amount,
            ("weight of A", math.inf, "such as 2"),
            "the weight of A is inf: give a finite number of 0 or more, such as 2",
        ),
        (require_positive, ("alpha of A", 0.0), "the alpha of A is 0.0: give a finite number above 0"),
        (
            require_count,
            ("width of A", 0, 1000, "such as 3"),
            "the width of A is 0: give a whole number from 1 to 1,000, such as 3",
        ),
        (require_count, ("width of A", 1001, 1000), "the width of A is 1001: give a whole number from 1 to 1,000"),
        (require_probability, ("A", math.nan), "the probability of A is nan: give a number from 0 to 1"),
    ],
)
def test_a_refusal_names_setting_and_remedy(refuse: Callable[..., None], given: tuple[Any, ...], message: str) -> None:
    with pytest.raises(UserError) as refused:
        refuse(*given)
    assert str(refused.value) == message


def test_bounds_are_taken() -> None:
    require_amount("weight of A", 0.0)
    require_count("width of A", 1, 1000)
    require_count("width of A", 1000, 1000)
    require_probability("A", 1.0)
