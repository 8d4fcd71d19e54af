"""Sharpness-aware minimisation: steps along the gradient at the worst weights in a neighbourhood."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from pytorch_lightning.cli import OptimizerCallable
from torch import Tensor
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer

from lightning_modules.settings import require_positive
from user_error import UserError

ETA = 0.01
"""Added by ASAM to the absolute value of a weight, so that weights of zero are perturbed as well (Kwon et al.)."""


class SAM(Optimizer):
    """SAM (Foret et al., "Sharpness-Aware Minimization for Efficiently Improving Generalization", ICLR 2021).

    Each step takes two passes: the gradient g at the weights w, then the gradient at w + rho g / |g|, with which the
    base optimiser moves w. A step thus costs twice as much. Under Lightning both passes are training steps:

    - Both draw the same random numbers (dropout, stochastic depth, mixing), as in the authors' implementation.
    - Gradients are clipped in both passes. Clipping by norm does not change the perturbation, clipping by value does.
    - Running statistics of batch normalisation include both passes (in the authors' code only the first); weight decay is
      applied by the base optimiser and is not part of g.
    - The loss that is logged is that of the second pass; `step` returns that of the first.
    - Each process of a distributed training perturbs by the gradient averaged over all of them, hence equally.
    - Gradients are released after a step.

    Args:
        params: parameters or parameter groups.
        lr: learning rate of the base optimiser; its own if null.
        rho: radius of the neighbourhood.
        adaptive: ASAM (Kwon et al., "ASAM: Adaptive Sharpness-Aware Minimization for Scale-Invariant Learning of Deep
            Neural Networks", ICML 2021): the neighbourhood scales with the absolute value of each weight, except for biases
            and normalisation. It needs a `rho` about ten times as large.
        base: makes the base optimiser from parameter groups.

    Raises:
        UserError: `rho` is not positive.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float | None = None,
        rho: float = 0.05,
        adaptive: bool = False,
        base: OptimizerCallable = torch.optim.SGD,
    ) -> None:
        require_positive("rho of SAM", rho, "such as 0.05")
        groups: list[Any] = list(params)
        if not groups or not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        if lr is not None:
            groups = [{"lr": lr, **group} for group in groups]
        self.base = base(groups)
        self.rho = rho
        self.adaptive = adaptive
        super().__init__(self.base.param_groups, self.base.defaults)
        self._link_to_base()

    def _link_to_base(self) -> None:
        """Use the parameter groups and state of the base optimiser, so that schedules change its learning rates."""
        self.param_groups = self.base.param_groups
        self.state = self.base.state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state of the base optimiser, which is the complete state."""
        self.base.load_state_dict(state_dict)
        self._link_to_base()

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step of the base optimiser, with the gradient at the perturbed weights.

        Args:
            closure: clears the gradients, computes the loss and its gradients, and returns the loss.

        Returns:
            The loss at the weights themselves.

        Raises:
            UserError: there is no closure, as under a gradient scaler, or gradients of earlier batches were accumulated.
        """
        if closure is None:
            raise UserError(
                "SAM takes two backward passes in a step, which the gradient scaler of 16-bit floats cannot follow: train "
                "at --trainer.precision bf16-mixed or 32"
            )
        if any(parameter.grad is not None for parameter in self._list_parameters()):
            raise UserError(
                "SAM met gradients of earlier batches, which it cannot take again at the perturbed weights: set "
                "--trainer.accumulate_grad_batches to 1"
            )
        devices = {parameter.device for parameter in self._list_parameters() if parameter.device.type == "cuda"}
        with torch.random.fork_rng(devices), torch.enable_grad():  # the second pass draws what the first one drew
            loss = closure()
        weights = self._perturb()
        self.zero_grad()
        with torch.enable_grad():
            closure()
        for parameter, weight in weights.items():  # a copy: subtracting the perturbation would leave rounding errors
            parameter.copy_(weight)
        self.base.step()
        self.zero_grad()
        return loss

    def _list_parameters(self) -> list[Tensor]:
        return [parameter for group in self.param_groups for parameter in group["params"]]

    def _perturb(self) -> dict[Tensor, Tensor]:
        """Move to the worst weights in the neighbourhood; returns the original weights."""
        slopes = {one: self._compute_scale(one) * one.grad for one in self._list_parameters() if one.grad is not None}
        length = self.rho / (get_total_norm(slopes.values()) + 1e-12)
        weights = {parameter: parameter.clone() for parameter in slopes}
        for parameter, slope in slopes.items():
            parameter.add_(self._compute_scale(parameter) * slope * length.to(slope.device))
        return weights

    def _compute_scale(self, parameter: Tensor) -> Tensor:
        """Size of the neighbourhood along each weight, relative to `rho`: T_w of ASAM."""
        if self.adaptive and parameter.ndim > 1:
            return parameter.abs() + ETA
        return parameter.new_ones(())
