"""Sines, angles and powers from tables."""

import numpy as np
import torch

from datamodules.corruptions.kernels.tables import (
    STEPS,
    compute_cosines,
    compute_powers,
    compute_sines,
    compute_turns,
    look_up_sines,
)


def test_sines_and_cosines_are_those_of_numpy() -> None:
    turns = torch.linspace(-3.7, 4.1, 5001)
    angles = 2 * np.pi * turns.double().numpy()
    assert np.abs(compute_sines(turns).numpy() - np.sin(angles)).max() < 2e-4
    assert np.abs(compute_cosines(turns).numpy() - np.cos(angles)).max() < 2e-4


def test_integers_of_any_size_are_angles() -> None:
    steps = torch.tensor([0, STEPS // 4, -STEPS // 4, 5 * STEPS // 4, 1 << 40])
    assert look_up_sines(steps).tolist() == [0, 1, -1, 1, 0]


def test_turns_are_those_of_arctan2() -> None:
    rows, columns = torch.randn(2, 4000, generator=torch.Generator().manual_seed(0))
    expected = np.arctan2(rows.double().numpy(), columns.double().numpy()) / (2 * np.pi)
    assert np.abs(compute_turns(rows, columns).numpy() - expected).max() < 1e-5
    axes = torch.tensor([[0.0, 1], [1, 0], [0, -1], [-1, 0], [0, 0]])
    assert compute_turns(axes[:, 0].contiguous(), axes[:, 1].contiguous()).tolist() == [0, 0.25, 0.5, -0.25, 0]


def test_powers_are_clamped() -> None:
    values = torch.tensor([-1.0, 0, 0.5, 1.5, 2, 9])
    assert torch.allclose(compute_powers(values, 1.4, 2.0), values.clamp(0, 2).pow(1.4), atol=5e-5)
