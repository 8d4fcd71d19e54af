from hashlib import blake2b

import numpy as np
import pytest
import torch

from datamodules.corruptions.conditions import Corrupted
from datamodules.corruptions.noise import GaussianNoise
from datamodules.corruptions.random import normal_quantiles


@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
def test_is_the_level_plus_rounded_down_noise(severity):
    images = torch.full((1, 1, 256, 256), 128, dtype=torch.uint8)
    sd = 255 * GaussianNoise.standard_deviations[severity - 1]
    residual = GaussianNoise()(images, severity, torch.tensor([11])).numpy().astype(float) - 128
    unclipped = np.clip(np.floor(np.random.default_rng(0).normal(0, sd, residual.size)), -128, 127)
    assert abs(residual.mean() - unclipped.mean()) < 5 * np.sqrt(2 * residual.var() / residual.size)
    assert residual.std() == pytest.approx(unclipped.std(), rel=0.015)


def test_quantiles_are_a_standard_normal():
    quantiles = normal_quantiles()
    assert quantiles.mean().abs() < 1e-12
    assert quantiles.square().mean() == pytest.approx(1, abs=1e-12)
    assert quantiles.pow(4).mean() == pytest.approx(3, abs=5e-3)
    assert (quantiles.diff() > 0).all()


def test_draws_differ_between_seeds_ids_and_severities():
    images = torch.full((2, 3, 32, 32), 128, dtype=torch.uint8)
    masks = torch.zeros(2, 32, 32, dtype=torch.int64)

    def drawn(severity: int, seed: int = 0) -> torch.Tensor:
        return Corrupted(GaussianNoise(), severity)(images, masks, ["a", "b"], seed)[0]

    draws = drawn(3)
    assert not torch.equal(draws[0], draws[1])
    assert not torch.equal(draws, drawn(3, seed=1))
    residuals = [drawn(severity).double() - 128 for severity in (1, 2)]
    correlation = np.corrcoef(residuals[0].flatten(), residuals[1].flatten())[0, 1]
    assert abs(correlation) < 5 / np.sqrt(images.numel())
    assert torch.equal(draws, drawn(3))


def test_golden_pixels():
    images = torch.arange(3 * 40 * 50, dtype=torch.int32).remainder(251).to(torch.uint8).view(1, 3, 40, 50)
    corrupted = GaussianNoise()(images, 3, torch.tensor([42]))
    assert blake2b(corrupted.numpy().tobytes(), digest_size=8).hexdigest() == "f156fd07a5017c02"
