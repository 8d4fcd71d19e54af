"""Parameters that make a corruption as strong as a target says."""

import pytest

from datamodules.corruptions.base import Corruption
from datamodules.corruptions.lighting import ColourTemperature, OverExposure
from datamodules.corruptions.mri import Motion
from datamodules.corruptions.radiology import AcousticShadow
from experiments.measuring.strength import LIMITS, Strength, find_parameters, measure_strength

TARGETS = (0.9, 0.8, 0.7, 0.6, 0.5)


def falls_with(name: str, factor: float, least: float = 0.0):
    def measure(corruption: Corruption, severity: int) -> Strength:
        value = corruption.severities[name][severity - 1]
        return Strength(max(least, 1 - factor * (value if not isinstance(value, tuple) else 1 / value[0])), 0)

    return measure


def test_the_target_is_met_between_and_beyond_the_declared_severities() -> None:
    found = find_parameters(OverExposure(), TARGETS, falls_with("stops", 0.1))
    assert found["stops"] == pytest.approx([1, 2, 3, 4, 5], abs=0.01)


def test_whole_and_odd_numbers_stay_so() -> None:
    found = find_parameters(Motion(), TARGETS, falls_with("blocks", 0.01))
    assert found["blocks"] == pytest.approx([10, 20, 30, 40, 50], abs=2)
    assert all(isinstance(value, int) and value % 2 for value in found["blocks"])


def test_all_parameters_move_together() -> None:
    declared = AcousticShadow.severities
    found = find_parameters(AcousticShadow(), [1 - width for width in declared["width"]], falls_with("width", 1))
    for name, values in declared.items():
        assert found[name] == pytest.approx(values, rel=0.01)


def test_what_cannot_be_reached_is_moved_up_in_proportion() -> None:
    found = find_parameters(ColourTemperature(), TARGETS, falls_with("kelvins", 425))
    warmest = LIMITS["kelvins"][0]  # an SSIM of 0.75, half of the way to 0.5
    assert [425 / warm for warm, _ in found["kelvins"]] == pytest.approx([0.05, 0.1, 0.15, 0.2, 0.25], abs=1e-3)
    assert found["kelvins"][4][0] == pytest.approx(warmest, abs=10)
    assert max(cold for _, cold in found["kelvins"]) <= LIMITS["kelvins"][1]


def test_draws_are_the_same_at_all_severities() -> None:
    strengths = [measure_strength(ColourTemperature(), severity) for severity in (1, 5)]
    assert strengths[0].ssim > strengths[1].ssim
    assert strengths[0].psnr > strengths[1].psnr
    same = ColourTemperature().with_parameters({"kelvins": [(3900, 14000)] * 5})
    assert measure_strength(same, 1) == measure_strength(same, 4)
