"""Losses of other libraries in the contract of ours."""

import pytest
import segmentation_models_pytorch.losses as smp
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lightning_modules.losses.counted import Counted
from lightning_modules.losses.cross_entropy import CrossEntropy
from lightning_modules.losses.guard import LossGuard, hand_ignored
from lightning_modules.losses.weighted_sum import WeightedSum
from user_error import UserError

CLASSES = 4


@pytest.fixture
def logits() -> Tensor:
    return torch.randn(3, CLASSES, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def mask() -> Tensor:
    return torch.randint(0, CLASSES, (3, 8, 8), generator=torch.Generator().manual_seed(1))


class Naive(nn.Module):
    """Takes an ignored pixel for one that is of no class."""

    def forward(self, logits: Tensor, mask: Tensor) -> Tensor:
        truth = torch.stack([mask == one for one in range(logits.shape[1])], 1).float()
        return F.binary_cross_entropy_with_logits(logits, truth)


FOREIGN = [
    nn.CrossEntropyLoss(),
    nn.CrossEntropyLoss(label_smoothing=0.1),
    smp.DiceLoss("multiclass"),
    smp.JaccardLoss("multiclass"),
    smp.TverskyLoss("multiclass"),
    smp.FocalLoss("multiclass"),
    smp.LovaszLoss("multiclass"),
    smp.SoftCrossEntropyLoss(smooth_factor=0.1),
    WeightedSum([nn.CrossEntropyLoss(), smp.DiceLoss("multiclass")]),
]


@pytest.mark.parametrize("loss", FOREIGN, ids=lambda loss: type(loss).__name__)
def test_the_ignored_id_is_handed_over(loss: nn.Module, logits: Tensor, mask: Tensor) -> None:
    mask[:, 5:] = 255
    other = logits.clone()
    other[:, :, 5:] += 3
    loss, guard = hand_ignored(loss), LossGuard()
    torch.testing.assert_close(guard(loss, logits, mask), guard(loss, other, mask))
    everywhere = torch.full_like(mask, 255)
    assert guard(loss, logits, everywhere) == 0


def test_what_was_chosen_stays(logits: Tensor, mask: Tensor) -> None:
    loss = hand_ignored(nn.CrossEntropyLoss(ignore_index=0))
    assert loss.ignore_index == 0
    torch.testing.assert_close(LossGuard()(loss, logits, mask), F.cross_entropy(logits, mask, ignore_index=0))


@pytest.mark.parametrize("loss", [Naive(), nn.CrossEntropyLoss(ignore_index=0)], ids=lambda loss: type(loss).__name__)
def test_ignored_pixels_that_would_count_are_refused_where_they_are_met(
    loss: nn.Module, logits: Tensor, mask: Tensor
) -> None:
    guard = LossGuard()
    torch.testing.assert_close(guard(loss, logits, mask), loss(logits, mask))
    mask[2, 7, 7] = 255
    with pytest.raises(
        UserError, match=r"--model.init_args.loss: \w+ does not leave out the pixels .* 255 in every mask"
    ):
        guard(loss, logits, mask)


@pytest.mark.parametrize(
    ("loss", "told"),
    [
        (nn.MSELoss(), "MSELoss cannot take logits"),
        (nn.BCEWithLogitsLoss(), "must be the same as input size"),
        (nn.MultiMarginLoss(), "MultiMarginLoss cannot take"),
        (nn.CrossEntropyLoss(reduction="none"), "no scalar"),
        (nn.CrossEntropyLoss(weight=torch.ones(7)), "weight tensor should be defined"),
        (nn.NLLLoss(), "takes probabilities or their logarithms"),
        (smp.DiceLoss("multiclass", from_logits=False), "from_logits true"),
        (smp.DiceLoss("multilabel"), "mode multiclass"),
        (smp.FocalLoss("binary"), "mode multiclass"),
        (smp.SoftBCEWithLogitsLoss(), "SoftBCEWithLogitsLoss cannot take"),
        (smp.MCCLoss(), "MCCLoss cannot take"),
        (Counted(smp.DiceLoss("binary")), "Counted of DiceLoss cannot take"),
        (nn.Identity(), "Identity cannot take"),
    ],
    ids=lambda part: part[:40] if isinstance(part, str) else type(part).__name__,
)
def test_what_a_loss_cannot_take(loss: nn.Module, told: str, logits: Tensor, mask: Tensor) -> None:
    with pytest.raises(UserError, match=r"--model.init_args.loss: ") as caught:
        LossGuard()(hand_ignored(loss), logits, mask)
    assert told in str(caught.value)


def test_trying_a_loss_draws_no_random_number(logits: Tensor, mask: Tensor) -> None:
    class Noisy(nn.Module):
        def forward(self, logits: Tensor, mask: Tensor) -> Tensor:
            return F.cross_entropy(F.dropout(logits), mask, ignore_index=255)

    torch.manual_seed(0)
    wanted = Noisy()(logits, mask)
    torch.manual_seed(0)
    assert LossGuard()(Noisy(), logits, mask) == wanted


def test_a_fault_of_a_loss_later_on_is_no_refusal(logits: Tensor, mask: Tensor) -> None:
    class Broken(nn.Module):
        def forward(self, logits: Tensor, mask: Tensor) -> Tensor:
            if mask.sum() == 0:
                raise RuntimeError("a fault of its author")
            return F.cross_entropy(logits, mask, ignore_index=255)

    guard = LossGuard()
    guard(Broken(), logits, mask)
    with pytest.raises(RuntimeError, match="a fault of its author"):
        guard(Broken(), logits, torch.zeros_like(mask))


def test_losses_of_ours_are_called_as_they_are(logits: Tensor, mask: Tensor) -> None:
    guard = LossGuard()
    assert guard(CrossEntropy(), logits, mask) == CrossEntropy()(logits, mask)
    assert not guard.tried
