"""A corruption whose arithmetic takes other parameters than it declares is refused when its class is made."""

from typing import Any

import pytest
import torch
from typing_extensions import override

from datamodules.corruptions.base import Corruption
from datamodules.corruptions.declaration import as_json, declare
from datamodules.corruptions.geometric import Geometric
from datamodules.corruptions.occlusion import BackgroundCorruption
from user_error import UserError

IMAGES = torch.full((2, 3, 40, 48), 7, dtype=torch.uint8)
KEYS = torch.arange(2)


class Shifted(Corruption):
    """A constant, a default, a value that some severities are without and one of several numbers."""

    name = "shifted"
    family = "digital"
    severities = declare(step=(1, 2, 3, 4, 5), less=(None, None, None, 1, 1), pair=((1, 2),) * 5)
    constants = declare(sign=-1)

    @override
    def corrupt(self, images, keys, *, step, less, pair, sign, factor=1):
        assert isinstance(pair, tuple)
        return images + sign * (step - (less or 0)) * factor


def made(base: type = Corruption, **members: Any) -> type:
    """A class of these members."""
    return type("Made", (base,), {"name": "made", "family": "digital", **members})


def corrupt(self, images, keys, *, bits):
    return images


def compute_displacement(self, keys, height, width, *, bits):
    return torch.zeros(len(keys), 2, height, width)


def corrupt_background(self, images, behind, keys, *, bits):
    return images


FIVE = {"bits": (5, 4, 3, 2, 1)}


def test_the_arithmetic_is_handed_what_is_declared() -> None:
    for severity, level in enumerate((6, 5, 4, 4, 3), 1):
        assert (Shifted()(IMAGES, severity, KEYS) == level).all()


def test_parameters_follow_from_the_declaration() -> None:
    assert Shifted().describe_parameters(2) == {"step": 2, "pair": [1, 2], "sign": -1}
    assert Shifted().describe_parameters(5) == {"step": 5, "less": 1, "pair": [1, 2], "sign": -1}


def test_tuples_are_lists_in_a_manifest() -> None:
    assert as_json(((1, 2), [3, (4,)], "a", None)) == [[1, 2], [3, [4]], "a", None]


@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        ({"severities": {"bits": (5, 4, 3, 2)}}, r"Made declares 'bits' as \(5, 4, 3, 2\): list five values"),
        ({"severities": {"bits": 5}}, "Made declares 'bits' as 5: list five values"),
        ({"severities": {"bits": "54321"}}, "Made declares 'bits' as '54321': list five values"),
        ({"severities": {}}, r"Made.corrupt takes 'bits', which is not declared \(none\): add it to `severities`"),
        ({"severities": {"levels": (1, 2, 3, 4, 5)}}, r"takes 'bits', which is not declared \(levels\)"),
        ({"severities": {**FIVE, "levels": (1, 2, 3, 4, 5)}}, "Made.corrupt does not take 'levels', which is declared"),
        ({"severities": FIVE, "constants": {"most": 8}}, "Made.corrupt does not take 'most', which is declared"),
        ({"severities": FIVE, "constants": {"bits": 8}}, "Made declares 'bits' in `severities` and in `constants`"),
    ],
)
def test_another_declaration_is_refused(members: dict[str, Any], sentence: str) -> None:
    made(severities=FIVE, corrupt=corrupt)
    with pytest.raises(UserError, match=sentence):
        made(corrupt=corrupt, **members)


def test_so_are_those_of_families_with_arithmetic_of_their_own() -> None:
    made(Geometric, severities=FIVE, compute_displacement=compute_displacement)
    made(BackgroundCorruption, severities=FIVE, corrupt_background=corrupt_background)
    with pytest.raises(UserError, match=r"Made.compute_displacement takes 'bits', which is not declared \(degrees\)"):
        made(Geometric, severities={"degrees": (1, 2, 3, 4, 5)}, compute_displacement=compute_displacement)
    with pytest.raises(UserError, match=r"Made.corrupt_background takes 'bits', which is not declared \(degrees\)"):
        made(BackgroundCorruption, severities={"degrees": (1, 2, 3, 4, 5)}, corrupt_background=corrupt_background)


def test_a_subclass_may_declare_other_values() -> None:
    coarse = made(made(severities=FIVE, corrupt=corrupt), severities={"bits": (4, 3, 2, 1, 1)})
    assert coarse().describe_parameters(1) == {"bits": 4}
    with pytest.raises(UserError, match="list five values"):
        made(coarse, severities={"bits": (4,)})


def test_severities_that_are_forgotten_are_named() -> None:
    with pytest.raises(TypeError, match="severities"):
        made(corrupt=corrupt)()
