"""A corruption whose arithmetic takes other parameters than it declares is refused when its class is made."""

from typing import Any

import pytest
import torch
from typing_extensions import override

from datamodules.corruptions.base import Corruption
from datamodules.corruptions.declaration import as_json, declare
from datamodules.corruptions.geometric import Geometric
from datamodules.corruptions.localised import Localised
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


def test_a_suite_may_give_other_values() -> None:
    other = Shifted().with_parameters({"step": [9, 8, 7, 6, 5], "pair": [[3, 4]] * 5})
    assert other.describe_parameters(2) == {"step": 8, "pair": [3, 4], "sign": -1}
    assert Shifted().describe_parameters(2)["step"] == 2
    assert (other(IMAGES, 5, KEYS) == 7 - (5 - 1)).all()
    assert other.with_parameters({}).describe_parameters(2) == Shifted().describe_parameters(2)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            {"size": [1, 2, 3, 4, 5]},
            r"shifted has no parameter 'size' that depends on the severity \(step, less, pair\)",
        ),
        ({"sign": [1, 2, 3, 4, 5]}, "has no parameter 'sign'"),
        ({"step": [1, 2, 3, 4]}, "list five values"),
        ({"step": "54321"}, "list five values"),
        ({"step": 3}, "list five values"),
        ({"step": [1, 2, 3, 4, "5"]}, "shifted is given step '5' in place of 5: give a value of that kind"),
        ({"step": [1, 2, 3, 4, 5.5]}, "in place of 5"),
        ({"step": [1, 2, 3, 4, True]}, "in place of 5"),
        ({"step": [1, 2, 3, 4, None]}, "in place of 5"),
        ({"less": [1, None, None, 1, 1]}, "is given less 1 in place of None"),
        ({"pair": [(1, 2, 3)] * 5}, r"in place of \(1, 2\)"),
        ({"pair": [1] * 5}, r"in place of \(1, 2\)"),
    ],
)
def test_values_of_another_kind_are_refused(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        Shifted().with_parameters(given)


def test_numbers_must_be_finite() -> None:
    five = made(severities={"bits": (0.5, 1, 2, 3, 4.0)}, corrupt=corrupt)()
    assert five.with_parameters({"bits": [1, 2, 3, 4, 5]}).describe_parameters(1) == {"bits": 1}
    with pytest.raises(UserError, match=r"nan in place of 4\.0"):
        five.with_parameters({"bits": [1, 2, 3, 4, float("nan")]})


def test_severities_that_are_arguments_are_stated_there() -> None:
    with pytest.raises(UserError, match="localised_shifted takes its severities as arguments"):
        Localised(Shifted()).with_parameters({"share": [0.1] * 5})
