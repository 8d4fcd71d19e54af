"""CNN-SVM: the last layer is a linear support vector machine for each class, and the network below is trained with it."""

from typing import Any

import torch
from torch import Tensor, nn

from lightning_modules.networks.smp import SmpNetwork, get_only_head
from lightning_modules.settings import require_positive


class MarginConv2d(nn.Conv2d):
    """A convolution of 1 x 1 whose weights for each class have a bounded norm.

    A longer vector is scaled down where it is used; the parameter itself is left alone. Like weight normalisation
    (Salimans and Kingma, NeurIPS 2016) it then learns a direction, and the optimiser's weight decay keeps it short.

    Args:
        in_channels: C.
        num_classes: K.
        max_norm: the bound; none if null.
    """

    def __init__(self, in_channels: int, num_classes: int, max_norm: float | None) -> None:
        super().__init__(in_channels, num_classes, 1)
        self.max_norm = max_norm

    @property
    def bounded_weight(self) -> Tensor:
        """The weights in use, (K, C, 1, 1)."""
        if self.max_norm is None:
            return self.weight
        norm = self.weight.flatten(1).norm(dim=1).clamp(min=1e-12)
        return self.weight * (self.max_norm / norm).clamp(max=1).view(-1, 1, 1, 1)

    def forward(self, input: Tensor) -> Tensor:
        """Features (B, C, H, W) to margins (B, K, H, W)."""
        return self._conv_forward(input, self.bounded_weight, self.bias)


class MaxMarginNetwork(SmpNetwork):
    """An encoder-decoder with a linear SVM as its pixel head, trained end to end with a hinge loss.

    Tang, "Deep Learning using Linear Support Vector Machines", ICML workshops 2013; the loss is chosen beside the
    network: `SquaredHinge` as in the paper, or `CrammerSingerHinge`. What differs from the network of the same
    architecture:

    - The head is a convolution of 1 x 1, whatever kernel the architecture has there: each pixel's logits are linear in
      its own features.
    - An SVM's objective is a hinge plus the norm of its weights, which makes its margin wide. Here the norm is bounded
      (`max_norm`) instead of penalised, which comes to the same for a suitable bound and holds under every optimiser,
      loss scaling and accumulation of gradients; a penalty would have to be known to the loss. At a bound of 1, a class
      vector that reaches it gives logits that are distances from its hyperplane. The optimiser's weight decay, which is
      the same for all weights, comes on top.
    - As for any SVM the features are standardised, by batch normalisation without parameters; otherwise a decoder could
      evade the bound by scaling its features up.
    - Margins are no log-odds. In evaluation they are divided by the buffer `temperature`, 1 until it is fitted
      (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017), as the verb ``svm`` does; ``calibrate``
      fits one to any network. A positive number changes no prediction, only its confidence.

    Args:
        num_classes: K; the command line takes it from the data.
        in_channels: C; the command line takes it from the data.
        max_norm: largest Euclidean norm of a class's weights in the head; no bound if null.
        **settings: of `SmpNetwork`.

    Raises:
        UserError: no positive bound, an architecture whose head is not one convolution, or a wrong setting of
            `SmpNetwork`.
    """

    temperature: Tensor

    def __init__(self, num_classes: int, in_channels: int = 3, max_norm: float | None = 1.0, **settings: Any) -> None:
        if max_norm is not None:
            require_positive("max_norm of the head", max_norm, "such as 1, or null for no bound")
        super().__init__(num_classes, in_channels, **settings)
        head = get_only_head(self.model, str(settings.get("architecture")))
        channels = head[0].in_channels
        head[0] = nn.Sequential(nn.BatchNorm2d(channels, affine=False), MarginConv2d(channels, num_classes, max_norm))
        self.register_buffer("temperature", torch.ones(()))

    @property
    def margins(self) -> MarginConv2d:
        """The linear head."""
        return next(module for module in self.model.segmentation_head.modules() if isinstance(module, MarginConv2d))

    def compute_logits(self, x: Tensor) -> Tensor:
        """Normalised images (B, C, H, W) to logits (B, K, H, W)."""
        margins = super().compute_logits(x)
        return margins if self.training else margins / self.temperature

    @torch.no_grad()
    def load_head(self, weight: Tensor, bias: Tensor, temperature: float) -> None:
        """Take a linear classifier of the standardised features as the head.

        Where its weights are longer than the bound, all its margins are scaled down, and so is the temperature: the
        logits of evaluation stay what they were.

        Args:
            weight: (K, C, 1, 1).
            bias: (K,).
            temperature: what its margins are divided by in evaluation.
        """
        head = self.margins
        longest = weight.flatten(1).norm(dim=1).max().item()
        scale = 1.0 if head.max_norm is None else max(1.0, longest / head.max_norm)
        head.weight.copy_(weight / scale)
        head.bias.copy_(bias / scale)  # type: ignore[union-attr]
        self.temperature.fill_(temperature / scale)
