"""The hinge losses against torch's, scikit-learn's and a plain loop."""

import numpy as np
import pytest
import torch
from sklearn.metrics import hinge_loss
from sklearn.svm import LinearSVC
from torch import nn

from lightning_modules.losses.hinge import CrammerSingerHinge, PixelHinge, SquaredHinge
from user_error import UserError

CLASSES = 4
WEIGHTS = [1.0, 2.0, 0.5, 3.0]
LOSSES = [CrammerSingerHinge, SquaredHinge]


@pytest.fixture
def logits() -> torch.Tensor:
    return 2 * torch.randn(2, CLASSES, 5, 6, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def mask() -> torch.Tensor:
    mask = torch.randint(0, CLASSES, (2, 5, 6), generator=torch.Generator().manual_seed(1))
    mask[:, 1, :4] = 255
    return mask


def counted(logits: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (N, K) and classes (N,) of the pixels that count."""
    keep = mask != 255
    return logits.permute(0, 2, 3, 1)[keep], mask[keep]


def loop(kind: type[PixelHinge], logits: torch.Tensor, mask: torch.Tensor, margin: float, weights: list) -> float:
    """The formulas of the papers, a pixel at a time."""
    total = ratio = 0.0
    for scores, true in zip(*counted(logits, mask), strict=True):
        scores, true = scores.tolist(), int(true)
        others = [score for number, score in enumerate(scores) if number != true]
        if kind is CrammerSingerHinge:
            loss = max(0.0, margin + max(others) - scores[true])
        else:
            loss = max(0.0, margin - scores[true]) ** 2 + sum(max(0.0, margin + score) ** 2 for score in others)
        total += weights[true] * loss
        ratio += weights[true]
    return total / ratio


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("margin", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_formulas(
    kind: type[PixelHinge], margin: float, weights: list | None, logits: torch.Tensor, mask: torch.Tensor
) -> None:
    wanted = loop(kind, logits, mask, margin, weights or [1.0] * CLASSES)
    assert kind(margin, weights)(logits, mask).item() == pytest.approx(wanted, rel=1e-5)


def test_crammer_singer_is_scikit_learns(logits: torch.Tensor, mask: torch.Tensor) -> None:
    scores, true = counted(logits, mask)
    wanted = hinge_loss(true, scores, labels=np.arange(CLASSES))
    assert CrammerSingerHinge()(logits, mask).item() == pytest.approx(wanted, rel=1e-5)
    wanted = hinge_loss(true, scores, labels=np.arange(CLASSES), sample_weight=np.array(WEIGHTS)[true])
    assert CrammerSingerHinge(class_weights=WEIGHTS)(logits, mask).item() == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("margin", [0.5, 2.0])
def test_crammer_singer_of_two_classes_is_pytorchs(margin: float, logits: torch.Tensor, mask: torch.Tensor) -> None:
    """Of two classes the strongest wrong one is the only one; torch divides by their number."""
    two, mask = logits[:, :2].requires_grad_(), mask.where(mask == 255, mask % 2)
    wanted = 2 * nn.MultiMarginLoss(margin=margin)(*counted(two, mask))
    loss = CrammerSingerHinge(margin)(two, mask)
    torch.testing.assert_close(loss, wanted)
    torch.testing.assert_close(*(torch.autograd.grad(value, two)[0] for value in (loss, wanted)))


def test_crammer_singer_costs_the_strongest_of_pytorchs_terms(logits: torch.Tensor, mask: torch.Tensor) -> None:
    scores, true = counted(logits, mask)
    each = [
        CLASSES
        * nn.MultiMarginLoss(reduction="none")(
            scores.where(torch.arange(CLASSES) == retained, -1e6).scatter(
                1, true[:, None], scores.gather(1, true[:, None])
            ),
            true,
        )
        for retained in range(CLASSES)
    ]  # the true class against a single other one
    torch.testing.assert_close(CrammerSingerHinge()(logits, mask), torch.stack(each).amax(0).mean())


def test_squared_hinge_is_pytorchs_of_each_class_against_the_rest(logits: torch.Tensor, mask: torch.Tensor) -> None:
    scores, true = counted(logits, mask)
    sides = 2 * nn.functional.one_hot(true, CLASSES) - 1
    wanted = nn.HingeEmbeddingLoss(reduction="none")(sides * scores, torch.full_like(sides, -1)).square()
    torch.testing.assert_close(SquaredHinge()(logits, mask), wanted.sum(1).mean())


def test_squared_hinge_is_what_scikit_learn_minimises() -> None:
    """At its solution the slope of ||w||^2 / 2 + C N loss is 0."""
    random = np.random.default_rng(0)
    labels = random.integers(0, CLASSES, 200)
    features = random.normal(size=(200, 6)) + np.eye(CLASSES, 6)[labels]
    machine = LinearSVC(C=0.1, fit_intercept=False, dual=False, tol=1e-8).fit(features, labels)
    weight = torch.tensor(machine.coef_, dtype=torch.float32, requires_grad=True)
    logits = (torch.tensor(features, dtype=torch.float32) @ weight.T).T[None, :, None]
    (weight.square().sum() / 2 + 0.1 * 200 * SquaredHinge()(logits, torch.tensor(labels)[None, None])).backward()
    assert weight.detach().norm() > 0.5
    assert weight.grad.norm() < 1e-3


@pytest.mark.parametrize("kind", LOSSES)
def test_beyond_the_margin_nothing_costs(kind: type[PixelHinge], mask: torch.Tensor) -> None:
    one_hot = nn.functional.one_hot(mask.where(mask != 255, 0), CLASSES).permute(0, 3, 1, 2)
    logits = (2.5 * (2 * one_hot.float() - 1)).requires_grad_()
    loss = kind(margin=2.5)(logits, mask)
    loss.backward()
    assert loss.item() == 0
    assert not logits.grad.any()
    assert kind(margin=5.1)(logits, mask) > 0


@pytest.mark.parametrize("kind", LOSSES)
def test_half_precision_does_not_overflow(kind: type[PixelHinge], mask: torch.Tensor) -> None:
    logits = torch.full((2, CLASSES, 5, 6), 2000.0, dtype=torch.float16)
    logits[:, 0] = -2000
    loss = kind()(logits, mask)
    assert loss.dtype == torch.float32
    assert torch.isfinite(loss)


@pytest.mark.parametrize("kind", LOSSES)
def test_what_diverged_is_seen_only_where_it_counts(
    kind: type[PixelHinge], logits: torch.Tensor, mask: torch.Tensor
) -> None:
    wanted = kind()(logits, mask)
    logits[0, 2, 1, 0] = torch.nan  # an ignored pixel
    torch.testing.assert_close(kind()(logits, mask), wanted)
    logits[0, 2, 0, 0] = torch.nan
    assert torch.isnan(kind()(logits, mask))


@pytest.mark.parametrize("kind", LOSSES)
def test_wrong_settings(kind: type[PixelHinge], logits: torch.Tensor, mask: torch.Tensor) -> None:
    with pytest.raises(UserError, match="number above 0"):
        kind(margin=0.0)
    with pytest.raises(UserError, match="one for each"):
        kind(class_weights=[1.0, 2.0])(logits, mask)
