"""Conditions of a user: an attack that follows the gradient, and a network that learns from what it is shown."""

import os
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lightning_modules.conditions.base import NetworkCondition


class GradientSign(NetworkCondition):
    """One step along the sign of the loss's gradient (Goodfellow et al., ICLR 2015)."""

    name = "gradient_sign"
    kind = "attack"
    needs_gradients = True

    def __init__(self, levels: float = 4.0, severity: int = 1) -> None:
        self.levels = levels
        self.severity = severity

    @property
    def parameters(self) -> dict[str, Any]:
        return {"levels": self.levels}

    def perturb(self, network: nn.Module, images: Tensor, masks: Tensor, keys: Tensor) -> Tensor:
        x = (images.float() / 255).requires_grad_()
        loss = F.cross_entropy(network(x), masks, ignore_index=255, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, x)
        return (x + self.levels / 255 * gradient.sign()).clamp(0, 1).detach()


class Learning(NetworkCondition):
    """Minimises the entropy of what it sees over the normalisation's weights (Tent, Wang et al., ICLR 2021).

    It writes down which process showed it how many images, and refuses a filling.
    """

    name = "learning"
    kind = "adaptation"
    needs_gradients = True
    has_state = True
    every_condition = True

    def __init__(self, rate: float = 0.01, log: str | None = None) -> None:
        self.rate = rate
        self.log = log

    @property
    def parameters(self) -> dict[str, Any]:
        return {"rate": self.rate}

    def begin(self, network: nn.Module) -> nn.Module:
        network.optimizer = torch.optim.SGD(  # type: ignore[assignment]
            [
                one.requires_grad_()
                for layer in network.modules()
                if "Norm" in type(layer).__name__
                for one in layer.parameters()
            ],
            self.rate,
        )
        return network

    def predict(self, network: nn.Module, images: Tensor) -> dict[str, Tensor]:
        if self.log is not None:
            with open(self.log, "a") as file:
                file.write(f"{os.getpid()} {len(images)}\n")
        outputs = super().predict(network, images)
        network.optimizer.zero_grad()  # type: ignore[union-attr, operator]
        torch.special.entr(outputs["segmentation"].softmax(1)).sum(1).mean().backward()
        network.optimizer.step()  # type: ignore[union-attr, operator]
        return outputs
