"""The temperature of a network's probabilities, from logits of single pixels of the validation split."""

import numpy as np
import torch
from torch import nn

from datamodules.base import SegmentationDataModule
from experiments.probing.pixel_features import sample_logits
from user_error import UserError

COLDEST, HOTTEST = 1e-3, 1e3


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The positive number that logits are divided by for the lowest negative log-likelihood.

    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017. For two classes it is the method of Platt
    ("Probabilistic Outputs for Support Vector Machines", 1999) without the offset, which would change predictions. The
    likelihood is convex in the inverse of the temperature, so its slope is bisected.

    Args:
        logits: (N, K).
        labels: (N,) class ids.

    Returns:
        The temperature, from `COLDEST` (everything is predicted right) to `HOTTEST` (logits tell nothing).
    """
    scores = torch.from_numpy(logits).double()
    true = scores.gather(1, torch.from_numpy(labels)[:, None])[:, 0]
    low, high = np.log(1 / HOTTEST), np.log(1 / COLDEST)
    for _ in range(50):
        middle = (low + high) / 2
        chances = (scores * np.exp(middle)).softmax(1)
        slope = ((chances * scores).sum(1) - true).mean().item()
        low, high = (low, middle) if slope > 0 else (middle, high)
    return float(np.exp(-(low + high) / 2))


def mean_nll(logits: np.ndarray, labels: np.ndarray) -> float:
    """Mean negative log-likelihood in nats."""
    return torch.nn.functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(labels)).item()


def fit_validation_temperature(network: nn.Module, data: SegmentationDataModule, pixels: int, seed: int) -> float:
    """The temperature that fits pixels drawn from the validation split; prints the gain in likelihood there.

    Raises:
        UserError: no pixel counts there.
    """
    logits, labels = sample_logits(network, data.make_evaluation_dataloader("val"), data.num_classes, pixels, seed)
    if not len(labels):
        raise UserError("no pixel of the validation split counts, so no temperature can be fitted: pass other --data")
    found = fit_temperature(logits, labels)
    after = mean_nll((logits / found).astype(np.float32), labels)
    print(f"temperature {found:.4g}: {mean_nll(logits, labels):.4f} to {after:.4f} nats a pixel in validation")
    return found
