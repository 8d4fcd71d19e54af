"""TRADES: the clean loss, and how far the prediction moves within a ball around the image."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lightning_modules.attacks.base import Attack
from lightning_modules.attacks.held_network import hold_network
from lightning_modules.attacks.pgd import Pgd
from lightning_modules.labels import IGNORED
from lightning_modules.objectives.adversarial import MemberAnswer, make_answer
from lightning_modules.objectives.base import Objective, ObjectiveLoss, StepContext, average_over_members
from lightning_modules.settings import require_amount
from lightning_modules.training_batch import MASK, TrainingBatch
from user_error import UserError


class Trades(Objective):
    """The loss at the clean images x, and beta times KL(p(x) || p(x')) at images x' in a ball that maximise it.

    Zhang et al., "Theoretically Principled Trade-off between Robustness and Accuracy", ICML 2019, here for each labelled
    pixel, averaged as the loss is: over the pixels of each weighted set of targets, and over the network's members.

    - While x' is sought the network is in evaluation mode, p(x) is fixed, and the search begins at x with a little Gaussian
      noise, where the divergence is not flat, as in the authors' code.
    - The loss is computed in training mode by one pass for x and one for x', each normalised by its own statistics; the
      running statistics of batch normalisation see both, and nothing of the search. (In the authors' code x passes twice.)
      Gradients flow through p(x) and p(x').

    Args:
        attack: finds x'; its own loss is not used, and it must not begin at x itself. PGD with a Gaussian start if null.
        beta: weight of the divergence, 1 / lambda of the paper, where 1 and 6 are tried.

    Raises:
        UserError: a negative weight, an attack with a loss of its own, or one that begins where the divergence is flat.
    """

    def __init__(self, attack: Attack | None = None, beta: float = 6.0) -> None:
        super().__init__()
        require_amount("beta of TRADES", beta, "such as 6")
        self.attack = attack or Pgd(start="gaussian")
        self.beta = beta
        if self.attack.loss != "cross_entropy":
            raise UserError(
                f"TRADES raises the divergence from the clean prediction, not {self.attack.loss} of its attack: take "
                "attack/pgd.yaml or attack/one_step.yaml, or objective/adversarial.yaml for that loss"
            )
        if getattr(self.attack, "start", None) == "image":
            raise UserError(
                "the attack of TRADES begins at the clean image, where the divergence has no slope: set its start to "
                "'gaussian' or 'uniform'"
            )

    @property
    def passes(self) -> int:
        """One for each step of the attack, one of the clean and one of the adversarial images."""
        return self.attack.steps + 2

    @property
    def logged(self) -> Sequence[str]:
        """The clean loss and the divergence."""
        return ["train/clean", "train/divergence"]

    def forward(self, network: nn.Module, batch: TrainingBatch, context: StepContext) -> ObjectiveLoss:
        """See `Objective`."""
        answer = make_answer(network)
        with hold_network(network):
            found = self._find_furthest(answer, batch, context.generator)
        members, others = answer(batch.image), answer(found)
        clean = average_over_members(
            members, lambda logits: batch.compute_mean_loss(lambda targets: context.mask_loss(logits, targets[MASK]))
        )
        divergences = [compute_divergence(one, other) for one, other in zip(members, others, strict=True)]
        divergence = average_over_members(
            divergences, lambda each: batch.compute_mean_loss(lambda targets: _average_labelled(each, targets[MASK]))
        )
        logged = {"train/clean": clean.detach(), "train/divergence": divergence.detach()}
        return ObjectiveLoss(clean + self.beta * divergence, logged)

    def _find_furthest(self, answer: MemberAnswer, batch: TrainingBatch, generator: torch.Generator) -> Tensor:
        """Images (B, C, H, W) in [0, 1] whose predictions diverge most from those at the clean images."""
        weights = sum(weight * (targets[MASK] != IGNORED).float() for weight, targets in batch.targets)
        with torch.no_grad():
            clean = list(answer(batch.image.detach()))  # as another tensor: a wrapper may know outputs of another mode

        def compute_loss(images: Tensor, done: float) -> Tensor:
            pairs = zip(clean, answer(images), strict=True)
            return torch.stack([(weights * compute_divergence(one, other)).sum() for one, other in pairs]).sum()

        return self.attack.maximise(compute_loss, batch.image, generator)


def compute_divergence(clean: Tensor, other: Tensor) -> Tensor:
    """KL(p || q) (B, H, W) of the distributions of two logits (B, K, H, W), p of the first."""
    p, q = clean.float().log_softmax(1), other.float().log_softmax(1)
    return F.kl_div(q, p, reduction="none", log_target=True).sum(1)


def _average_labelled(values: Tensor, mask: Tensor) -> Tensor:
    """The mean of values (B, H, W) over the labelled pixels of a mask (B, H, W); 0 where there are none."""
    labelled = mask != IGNORED
    return (values * labelled).sum() / labelled.sum().clamp(min=1)
