"""Consistency of views: what the network says of several views of an image shall be the same."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from lightning_modules.batch_transforms.base import BatchTransform
from lightning_modules.images import to_unit_range
from lightning_modules.networks.network import SEGMENTATION, as_network
from lightning_modules.objectives.base import Objective, ObjectiveLoss, StepContext, average_over_members
from lightning_modules.objectives.precomputed import Precomputed
from lightning_modules.objectives.views import ViewObjective, make_view
from lightning_modules.settings import require_amount
from lightning_modules.training_batch import TrainingBatch
from user_error import UserError

LOGGED = "train/consistency"

MOST_VIEWS = 100
CACHED = 2**18
"""Logits that are compared at a time on a processor."""


class ViewConsistency(ViewObjective):
    """Another objective on the clean images, and the Jensen-Shannon divergence between the predictions of all views.

    The loss of AugMix (Hendrycks et al., "AugMix: A Simple Data Processing Method to Improve Robustness and Uncertainty",
    ICLR 2020), for each pixel; with AugMix chains as `views` it is their method. The batch itself is the first view, each
    other one is drawn anew. As in the authors' code all views go through the network in one pass of V x B images, so that
    batch normalisation takes its statistics, the running ones included, over all of them together; gradients flow
    through every view; and the inner objective, which sees the clean part of that pass, costs no pass of its own (but for
    `NetworkLoss`, whose loss is no function of the outputs). The divergence is the mean over all pixels, those without a label
    included, since it needs none. Members of an ensemble are compared each with itself; further tasks are not compared.

    Args:
        views: batch transforms that keep the targets, and make a view one after the other.
        inner: the objective of the clean images; the loss of the segmentation against the masks if null.
        number_of_views: V, the clean one included.
        weight: of the divergence, whose largest value is log V; 12 is the authors' choice for ImageNet.

    Raises:
        UserError: fewer than two views or more than 100, nothing that makes them, a transform that moves the targets, or a
            negative weight.
    """

    def __init__(
        self,
        views: list[BatchTransform],
        inner: Objective | None = None,
        number_of_views: int = 3,
        weight: float = 12.0,
    ) -> None:
        super().__init__(views, inner)
        if not 2 <= number_of_views <= MOST_VIEWS:
            raise UserError(
                f"number_of_views of ViewConsistency is {number_of_views}, and one view has nothing to agree with: give from 2 "
                f"to {MOST_VIEWS}, which pass through the network together"
            )
        if not views:
            raise UserError(
                "the views of ViewConsistency are empty, so that all would be equal: list batch transforms that make them"
            )
        require_amount("weight of ViewConsistency", weight)
        self.number_of_views = number_of_views
        self.weight = weight

    @property
    def passes(self) -> int:
        """One for each view, of which the inner objective takes the first."""
        return self.number_of_views - 1 + self.inner.passes

    @property
    def logged(self) -> Sequence[str]:
        """What the inner objective logs, and the divergence."""
        return [*super().logged, LOGGED]

    def forward(self, network: nn.Module, batch: TrainingBatch, context: StepContext) -> ObjectiveLoss:
        """See `Objective`."""
        others = [make_view(batch, self.views, context.generator) for _ in range(self.number_of_views - 1)]
        images = torch.cat([to_unit_range(batch.image), *others])
        outputs = as_network(network).compute_training_outputs(images)
        number = len(batch.image)
        clean = {name: [one[:number] for one in members] for name, members in outputs.items()}
        loss, logged = self.inner(Precomputed(network, batch.image, clean), batch, context)
        divergence = average_over_members(
            outputs[SEGMENTATION],
            lambda logits: compute_jensen_shannon(logits.unflatten(0, (self.number_of_views, number))),
        )
        return ObjectiveLoss(loss + self.weight * divergence, {**logged, LOGGED: divergence.detach()})


def compute_jensen_shannon(logits: Tensor) -> Tensor:
    """The Jensen-Shannon divergence between the softmax of V logits, in nats: 0 where all are equal, at most log V.

    Args:
        logits: (V, B, K, ...), in single precision.

    Returns:
        The mean over images and pixels, a scalar, which can be differentiated once.
    """
    return _JensenShannon.apply(logits)


class _JensenShannon(torch.autograd.Function):
    """With the gradient by hand, p_v (r_v - sum p_v r_v) for r_v = log (p_v / mean), which takes half as long."""

    @staticmethod
    def forward(context: Any, logits: Tensor) -> Tensor:
        gradient = torch.empty_like(logits) if context.needs_input_grad[0] else None
        number = logits.numel() // logits.shape[2]
        total = torch.zeros(
            (), dtype=torch.float64 if logits.device.type == "cpu" else logits.dtype, device=logits.device
        )
        for part in _list_parts(logits):
            log_p = logits[part].log_softmax(2)
            p = log_p.exp()
            mean = p.mean(0).clamp(min=torch.finfo(p.dtype).tiny)  # where it is 0, so is every p
            ratio = log_p.sub_(mean.log())
            divergence = (p * ratio).sum(2, keepdim=True)  # (V, ..., 1, ...), of each view from the mean
            total += divergence.sum(dtype=total.dtype)
            if gradient is not None:
                torch.mul(ratio.sub_(divergence).mul_(p), 1 / number, out=gradient[part])
        if gradient is not None:
            context.save_for_backward(gradient)
        return (total / number).to(logits.dtype)

    @staticmethod
    @once_differentiable
    def backward(context: Any, slope: Tensor) -> Tensor:
        (gradient,) = context.saved_tensors
        return gradient * slope


def _list_parts(logits: Tensor) -> list[tuple[slice, ...]]:
    """Indices of parts of logits (V, B, K, ...) that hold all views and classes of some rows of an image.

    On a processor what a part needs stays in its cache, which halves the time of many classes.
    """
    if logits.device.type != "cpu" or logits.ndim < 4:
        return [(slice(None),)]
    rows = max(1, CACHED * logits.shape[1] * logits.shape[3] // max(1, logits.numel()))
    return [
        (slice(None), slice(image, image + 1), slice(None), slice(row, row + rows))
        for image in range(logits.shape[1])
        for row in range(0, logits.shape[3], rows)
    ]
