"""Adversarial training: another objective on images that an attack finds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Literal, get_args

from torch import Tensor, nn

from lightning_modules.attacks.base import Attack
from lightning_modules.attacks.held_network import hold_network
from lightning_modules.attacks.pgd import Pgd
from lightning_modules.networks.network import SEGMENTATION, as_network
from lightning_modules.objectives.base import Objective, ObjectiveLoss, StepContext
from lightning_modules.objectives.outer import OuterObjective
from lightning_modules.training_batch import MASK, TrainingBatch
from user_error import UserError

Mode = Literal["evaluation", "training"]
MODES: tuple[Mode, ...] = get_args(Mode)

MemberAnswer = Callable[[Tensor], Sequence[Tensor]]
"""Images (B, C, H, W) to the logits (B, K, H, W) of each member."""


class AdversarialTraining(OuterObjective):
    """The loss of another objective at images that an attack found in a ball around those of the batch.

    Madry et al., "Towards Deep Learning Models Resistant to Adversarial Attacks", ICLR 2018. For segmentation Croce et al.,
    "Towards Reliable Evaluation and Fast Training of Robust Semantic Segmentation Models", ECCV 2024, and Halmosi et al.,
    "Evaluating the Adversarial Robustness of Semantic Segmentation: Trying Harder Pays Off", ECCV 2024, train on adversarial
    images alone, on which any robustness depends according to the latter.

    - While the attack runs, the network is in evaluation mode, as in the code of Croce et al.; with `attack_mode`
      "training" it drops out and normalises by the batch that is attacked, as in that of Wong et al. Either way the running
      statistics of batch normalisation see none of it (in the code of Wong et al. they do), and gradients of weights are
      neither computed nor added up.
    - The loss itself is computed in training mode: batch normalisation sees the adversarial images, and with a
      `clean_weight` the clean ones too, in a pass of their own.
    - The attack raises its own loss against the masks, the mean over the network's members and over several weighted sets
      of targets, whatever the inner objective is; further tasks of the network are trained, and not attacked.

    Args:
        inner: the objective at the adversarial images; the loss of the segmentation against the masks if null.
        attack: finds them; PGD if null.
        clean_weight: weight of the loss at the clean images, beside 1 minus it at the adversarial ones (Goodfellow et al.,
            ICLR 2015, take 0.5); one further pass if it is above 0.
        attack_mode: mode of the network while the attack runs, "evaluation" or "training".

    Raises:
        UserError: a weight outside of [0, 1), or an unknown mode.
    """

    def __init__(
        self,
        inner: Objective | None = None,
        attack: Attack | None = None,
        clean_weight: float = 0.0,
        attack_mode: Mode = "evaluation",
    ) -> None:
        super().__init__(inner)
        if not 0 <= clean_weight < 1:
            raise UserError(
                f"clean_weight of adversarial training is {clean_weight}: give a part of the loss from 0 to below 1; without "
                "adversarial images take objective/supervised.yaml"
            )
        if attack_mode not in MODES:
            raise UserError(f"attack_mode of adversarial training is {attack_mode!r}: give 'evaluation' or 'training'")
        self.attack = attack or Pgd()
        self.clean_weight = clean_weight
        self.attack_mode = attack_mode

    @property
    def passes(self) -> int:
        """One for each step of the attack, and those of the inner objective on the adversarial and on clean images."""
        return self.attack.steps + self.inner.passes * (2 if self.clean_weight else 1)

    @property
    def logged(self) -> Sequence[str]:
        """What the inner objective logs at the adversarial images, and both losses where clean images count."""
        return [*super().logged, *(("train/adversarial", "train/clean") if self.clean_weight else ())]

    def forward(self, network: nn.Module, batch: TrainingBatch, context: StepContext) -> ObjectiveLoss:
        """See `Objective`."""
        masks = [(weight, targets[MASK]) for weight, targets in batch.targets]
        with hold_network(network, training=self.attack_mode == "training"):
            found = self.attack(make_answer(network), batch.image, masks, context.generator)
        loss, logged = self.inner(network, replace(batch, image=found), context)
        if not self.clean_weight:
            return ObjectiveLoss(loss, logged)
        clean = self.inner(network, batch, context).loss
        parts: Mapping[str, Tensor] = {"train/adversarial": loss.detach(), "train/clean": clean.detach()}
        total = (1 - self.clean_weight) * loss + self.clean_weight * clean
        return ObjectiveLoss(total, {**logged, **parts})


def make_answer(network: nn.Module) -> MemberAnswer:
    """The logits of each member of a network, as a function of images."""
    return lambda images: as_network(network).compute_training_outputs(images)[SEGMENTATION]
