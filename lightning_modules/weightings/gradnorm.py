"""Weights under which all tasks learn at the same rate."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lightning_modules.weightings.base import Weighting
from user_error import UserError

LEAST = 1e-3
"""A weight that falls to 0 would never come back."""


class GradNorm(Weighting):
    """GradNorm (Chen et al., ICML 2018).

    At each step of training the weights move so that the norms of the tasks' gradients, at the last layer that all of
    them share, approach a common norm, larger for tasks that have learned less: the mean norm times the task's loss
    relative to its first one, itself relative to the tasks' mean, to the power of `alpha`. The step follows the sign of each
    difference, as the paper's L1 loss does, by plain gradient descent, and the weights are brought back to a sum of T.
    They and the first losses are buffers: a training that is resumed goes on with them. A task whose loss was 0 so far, such
    as depth in batches where none is known, has no first loss yet and counts as one that learned nothing.

    Args:
        alpha: how strongly tasks that lag behind are pulled; 0 makes all norms equal.
        lr: step size of the weights.

    Raises:
        UserError: a step size that is not positive, or a negative `alpha`.
    """

    task_weights: Tensor
    first_losses: Tensor

    def __init__(self, alpha: float = 1.5, lr: float = 0.025) -> None:
        super().__init__()
        if alpha < 0 or not lr > 0:
            raise UserError(f"GradNorm was given alpha {alpha} and lr {lr}: give alpha of at least 0 and lr above 0")
        self.alpha = alpha
        self.lr = lr

    def begin(self, names: Sequence[str], regression: Sequence[bool]) -> None:
        """See `Weighting`."""
        self.register_buffer("task_weights", torch.ones(len(names)))
        self.register_buffer("first_losses", torch.full((len(names),), torch.nan))

    def forward(self, losses: Tensor, shared: nn.Parameter | None) -> Tensor:
        """Losses (T,) to a scalar; in training the weights then take their step.

        Raises:
            UserError: the network has no shared layer, or no loss has a gradient there.
        """
        total = (losses * self.task_weights.clone()).sum()
        if self.training and torch.is_grad_enabled():
            self._step(losses, shared)
        return total

    def _step(self, losses: Tensor, shared: nn.Parameter | None) -> None:
        if shared is None:
            raise UserError(
                "GradNorm needs a layer that all tasks share, which the network has not: take another weighting"
            )
        found = [torch.autograd.grad(loss, shared, retain_graph=True, allow_unused=True)[0] for loss in losses]
        if all(gradient is None for gradient in found):
            raise UserError(
                "GradNorm found no task that depends on the shared layer: take another encoder or weighting"
            )
        norms = torch.stack([losses.new_zeros(()) if one is None else one.detach().float().norm() for one in found])
        current = losses.detach().clone()
        if torch.distributed.is_available() and torch.distributed.is_initialized():  # the same weights everywhere
            for values in (norms, current):
                torch.distributed.all_reduce(values)
                values /= torch.distributed.get_world_size()
        first = self.first_losses.isnan() & (current > 0)
        self.first_losses.copy_(torch.where(first, current, self.first_losses))
        rates = torch.where(self.first_losses.isnan(), 1, current / self.first_losses)
        scaled = self.task_weights * norms
        wanted = scaled.mean() * (rates / rates.mean().clamp(min=1e-12)) ** self.alpha
        moved = (self.task_weights - self.lr * torch.sign(scaled - wanted) * norms).clamp(min=LEAST)
        self.task_weights.copy_(moved * len(moved) / moved.sum())

    @property
    def weights(self) -> Tensor:
        """(T,)."""
        return self.task_weights
