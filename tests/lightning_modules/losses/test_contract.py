"""One contract for every loss YAML."""

from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import ROOT
from jsonargparse import ArgumentParser
from torch import nn
from torch.nn import functional as F

from lightning_modules.losses.cross_entropy import CrossEntropy
from lightning_modules.losses.weighted_sum import WeightedSum
from user_error import UserError

PATHS = sorted((ROOT / "experiments/configs/loss").glob("*.yaml"))
CLASSES = 3


@pytest.fixture(params=PATHS, ids=lambda path: path.stem)
def loss(request: Any) -> nn.Module:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(nn.Module, "loss")
    return parser.instantiate_classes(parser.parse_args([f"--loss={request.param}"])).loss


@pytest.fixture
def mask() -> torch.Tensor:
    return torch.randint(0, CLASSES, (2, 8, 8), generator=torch.Generator().manual_seed(0))


def logits_of(mask: torch.Tensor, strength: float) -> torch.Tensor:
    """Logits that name the mask's class, the more clearly the larger `strength`."""
    one_hot = F.one_hot(mask.clamp(max=CLASSES - 1), CLASSES).permute(0, 3, 1, 2).float()
    return strength * one_hot


def test_right_is_better_than_unsure_and_unsure_than_wrong(loss: nn.Module, mask: torch.Tensor) -> None:
    right, unsure, wrong = (float(loss(logits_of(mask, strength), mask)) for strength in (8.0, 0.0, -8.0))
    assert right < unsure < wrong


def test_gradient_leads_towards_the_mask(loss: nn.Module, mask: torch.Tensor) -> None:
    logits = torch.zeros(2, CLASSES, 8, 8, requires_grad=True)
    loss(logits, mask).backward()
    assert torch.isfinite(logits.grad).all()
    step = (logits - logits.grad / logits.grad.abs().max()).detach()
    assert loss(step, mask) < loss(logits, mask)


def test_ignored_pixels_do_not_count(loss: nn.Module, mask: torch.Tensor) -> None:
    mask[:, :3] = 255
    logits = torch.randn(2, CLASSES, 8, 8, generator=torch.Generator().manual_seed(1))
    other = logits.clone()
    other[:, :, :3] = 5 * torch.randn(2, CLASSES, 3, 8, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(loss(logits, mask), loss(other, mask))
    logits.requires_grad_()
    loss(logits, mask).backward()
    assert not logits.grad[:, :, :3].any()


def test_all_ignored_is_finite(loss: nn.Module) -> None:
    logits = torch.randn(2, CLASSES, 8, 8, requires_grad=True)
    value = loss(logits, torch.full((2, 8, 8), 255))
    assert torch.isfinite(value)
    value.backward()
    assert torch.isfinite(logits.grad).all()


def test_cross_entropy_is_pytorchs(mask: torch.Tensor) -> None:
    mask[0, 0] = 255
    logits = torch.randn(2, CLASSES, 8, 8)
    weights = [1.0, 2.0, 0.5]
    for settings in ({}, {"label_smoothing": 0.1}):
        wanted = F.cross_entropy(logits, mask, ignore_index=255, **settings)
        torch.testing.assert_close(CrossEntropy(**settings)(logits, mask), wanted)
    wanted = F.cross_entropy(logits, mask, weight=torch.tensor(weights), ignore_index=255)
    torch.testing.assert_close(CrossEntropy(class_weights=weights)(logits, mask), wanted)


def test_sum_is_weighted(mask: torch.Tensor) -> None:
    logits = torch.randn(2, CLASSES, 8, 8)
    term = CrossEntropy()
    torch.testing.assert_close(WeightedSum([term, term], [2.0, 0.5])(logits, mask), 2.5 * term(logits, mask))
    with pytest.raises(UserError, match="one for each"):
        WeightedSum([term], [1.0, 2.0])


def test_paths_are_there() -> None:
    assert {Path(path).stem for path in PATHS} >= {"cross_entropy", "dice", "focal", "lovasz"}
