"""GradNorm: weights that balance the learning rates of the tasks."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lightning_modules.settings import require_amount, require_positive
from lightning_modules.weightings.base import Weighting
from user_error import UserError

LEAST = 1e-3
"""Lower bound of the weights; a weight of 0 would never grow again."""


class GradNorm(Weighting):
    """GradNorm (Chen et al., ICML 2018).

    At each training step the weights are updated such that the gradient norms of the tasks, at the last layer that all of
    them share, approach their targets. The target of a task is the mean norm times its relative inverse training rate to
    the power of `alpha`; that rate is the task's loss divided by its first loss, relative to the mean over tasks. The update
    follows the sign of each difference, as for the paper's L1 loss, by plain gradient descent, and the weights are
    renormalised to a sum of T. Weights and first losses are buffers, so that a resumed training continues with them. A task
    whose loss was 0 so far, such as depth in batches where none is known, has no first loss yet and the rate 1.

    Args:
        alpha: strength with which slow tasks are favoured; 0 makes all norms equal.
        lr: step size of the weights.

    Raises:
        UserError: a step size that is not positive, or a negative `alpha`.
    """

    task_weights: Tensor
    first_losses: Tensor

    def __init__(self, alpha: float = 1.5, lr: float = 0.025) -> None:
        super().__init__()
        require_amount("alpha of GradNorm", alpha, "such as 1.5")
        require_positive("lr of GradNorm", lr, "such as 0.025")
        self.alpha = alpha
        self.lr = lr

    def begin(self, names: Sequence[str], regression: Sequence[bool]) -> None:
        """See `Weighting`."""
        self.register_buffer("task_weights", torch.ones(len(names)))
        self.register_buffer("first_losses", torch.full((len(names),), torch.nan))

    def forward(self, losses: Tensor, shared: nn.Parameter | None) -> Tensor:
        """Losses (T,) to a scalar; in training the weights are then updated.

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
