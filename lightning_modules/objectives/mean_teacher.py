"""Consistency with a mean teacher: the moving average of the network's weights says what a view shall look like."""

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from lightning_modules.batch_transforms.base import BatchTransform
from lightning_modules.networks.network import SEGMENTATION, as_network
from lightning_modules.objectives.base import Objective, ObjectiveLoss, StepContext
from lightning_modules.objectives.precomputed import Precomputed
from lightning_modules.objectives.views import ViewObjective, make_view
from lightning_modules.settings import require_amount
from lightning_modules.training_batch import TrainingBatch
from user_error import UserError

LOGGED = "train/teacher"


class MeanTeacher(ViewObjective):
    """Another objective on a view of the batch, and the distance of its predictions from a teacher's on another view.

    Tarvainen & Valpola, "Mean teachers are better role models: Weight-averaged consistency targets improve semi-supervised
    deep learning results", NeurIPS 2017, for each pixel of images that all have masks. The weights of the teacher are an
    exponential moving average of the network's, and no gradient flows into them. As in the authors' code:

    - The teacher is in training mode, with dropout of its own, and its batch normalisation takes the statistics of the view
      that it sees; the network's takes those of the other view, of B images each.
    - The distance is the squared difference of the probabilities. It is summed over the classes here and averaged over all
      pixels, those without a label included; the authors' weight of 100 for the mean over ten classes thus is 10.
    - The weight rises as exp(-5 (1 - t)^2) over the first steps, and the average forgets its beginning: its decay after n steps
      is at most 1 - 1 / (n + 1).

    The teacher moves once for each step of the optimiser, however many batches or passes that takes. It is there in
    training alone, and stored in checkpoints with the state of the optimiser. Each member of an ensemble has its own teacher.

    Args:
        views: batch transforms that keep the targets, and make a view one after the other; if empty, both see the batch
            itself, and differ by their dropout and their weights alone.
        inner: the objective on the network's view; the loss of the segmentation against the masks if null.
        decay: of the average, from one step of the optimiser to the next.
        weight: of the distance, after it has risen; its largest value is 2.
        ramp_up: number of steps of the optimiser over which the weight rises.
        clean_teacher: let the teacher see the batch itself, as is usual in training for robustness.

    Raises:
        UserError: a transform that moves the targets, or a decay, weight or number of steps out of range.
    """

    def __init__(
        self,
        views: list[BatchTransform] | None = None,
        inner: Objective | None = None,
        decay: float = 0.999,
        weight: float = 10.0,
        ramp_up: int = 500,
        clean_teacher: bool = False,
    ) -> None:
        super().__init__(views or [], inner)
        if not 0 <= decay < 1:
            raise UserError(f"the decay of MeanTeacher is {decay}: give a number from 0 to below 1, such as 0.999")
        require_amount("weight of MeanTeacher", weight)
        require_amount("ramp_up of MeanTeacher", ramp_up)
        self.decay = decay
        self.weight = weight
        self.ramp_up = ramp_up
        self.clean_teacher = clean_teacher
        self.teacher = Teacher(decay)

    @property
    def passes(self) -> int:
        """Those of the inner objective, and that of the teacher, which is forward alone."""
        return self.inner.passes + 1

    @property
    def logged(self) -> Sequence[str]:
        """What the inner objective logs, and the distance from the teacher."""
        return [*super().logged, LOGGED]

    def get_training_state(self) -> dict[str, Any]:
        """The teacher."""
        return self.teacher.get_state()

    def set_training_state(self, state: Mapping[str, Any]) -> None:
        """Restore the teacher."""
        self.teacher.set_state(state)

    def forward(self, network: nn.Module, batch: TrainingBatch, context: StepContext) -> ObjectiveLoss:
        """See `Objective`."""
        shown = make_view(batch, self.views, context.generator)
        targets = self.teacher.predict(
            batch.image if self.clean_teacher else make_view(batch, self.views, context.generator),
            network,
            context.updates,
        )
        outputs = as_network(network).compute_training_outputs(shown)
        loss, logged = self.inner(Precomputed(network, shown, outputs), replace(batch, image=shown), context)
        pairs = zip(outputs[SEGMENTATION], targets, strict=True)
        distance = torch.stack([compute_distance(logits.float(), target.float()) for logits, target in pairs]).mean()
        weight = self.weight * compute_ramp(context.updates, self.ramp_up)
        return ObjectiveLoss(loss + weight * distance, {**logged, LOGGED: distance.detach()})


class Teacher:
    """The moving average of a network's weights, as a network of its own, which is made when it is first asked.

    It is no part of the objective's modules: nothing trains it, counts it or moves it with the network that is swept.

    Args:
        decay: of the average, from one step of the optimiser to the next.
    """

    def __init__(self, decay: float) -> None:
        self.decay = decay
        self.network: nn.Module | None = None
        self.updates = -1
        """Steps of the optimiser after which the weights have entered the average the last time."""
        self.weights: Mapping[str, Tensor] | None = None
        """Of a checkpoint, until the network is made."""

    @torch.no_grad()
    def predict(self, image: Tensor, network: nn.Module, updates: int) -> list[Tensor]:
        """The logits (B, K, H, W) of each member, in the mode in which the network was when the teacher was made.

        Args:
            image: (B, C, H, W), uint8 or float in [0, 1].
            network: whose weights enter the average, once for each number of steps.
            updates: steps that the optimiser has made.
        """
        teacher = self.network or self._make(network)
        if updates > self.updates:
            self.updates = updates
            self._average(teacher, network, min(self.decay, 1 - 1 / (updates + 1)))
        return as_network(teacher).compute_training_outputs(image)[SEGMENTATION]

    def _make(self, network: nn.Module) -> nn.Module:
        if any(one.dtype in (torch.bfloat16, torch.float16) for one in network.parameters()):
            raise UserError(
                "the teacher of MeanTeacher moves by thousandths, which weights of 16 bits cannot hold: train at "
                "--trainer.precision bf16-mixed or 32"
            )
        teacher = copy.deepcopy(network).requires_grad_(False)
        if self.weights is not None:
            try:
                teacher.load_state_dict(self.weights)
            except (RuntimeError, AttributeError) as error:
                raise _make_damage_error("its weights are not those of this network") from error
            self.weights = None
        self.network = teacher
        return teacher

    @staticmethod
    def _average(teacher: nn.Module, network: nn.Module, decay: float) -> None:
        """Move the weights; the running statistics of batch normalisation follow from what the teacher sees."""
        torch._foreach_lerp_(list(teacher.parameters()), list(network.parameters()), 1 - decay)

    def get_state(self) -> dict[str, Any]:
        """Its weights, and the steps after which they were averaged; empty before it is made."""
        if self.network is None:
            return {}
        return {"updates": self.updates, "weights": self.network.state_dict()}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `get_state` gave.

        Raises:
            UserError: it is of another form.
        """
        updates, weights = state.get("updates"), state.get("weights")
        if not isinstance(updates, int) or not isinstance(weights, Mapping):
            raise _make_damage_error("it has no number of steps and no weights")
        self.updates, self.weights, self.network = updates, weights, None


def _make_damage_error(problem: str) -> UserError:
    return UserError(
        f"the teacher of MeanTeacher in the checkpoint is damaged or of another training ({problem}): take another "
        "checkpoint, or begin anew with --restart"
    )


def compute_distance(logits: Tensor, target: Tensor) -> Tensor:
    """The squared difference of probabilities, summed over classes and averaged over images and pixels, a scalar.

    Args:
        logits: (B, K, ...).
        target: (B, K, ...), logits as well.
    """
    return (logits.softmax(1) - target.softmax(1)).square().sum(1).mean()


def compute_ramp(updates: int, length: int) -> float:
    """The share of the weight after so many steps of the optimiser: exp(-5 (1 - t)^2), and 1 from `length` on."""
    return math.exp(-5 * (1 - updates / length) ** 2) if updates < length else 1.0
