"""Members that share their weights but for a factor on every channel."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from lightning_modules.networks.combination import Combination
from lightning_modules.networks.smp import SmpNetwork
from user_error import UserError


class Turn:
    """Whose turn it is: the member of each image of a batch, (B,) int64."""

    members: Tensor


class BatchEnsemble(Combination, SmpNetwork):
    """An encoder-decoder of smp whose members share all weights but a rank-one factor of each convolution.

    Wen et al., "BatchEnsemble", ICLR 2020: the weight of member m is the shared one times the outer product of a factor
    for each output and for each input channel, which begin at 1 or -1 at random (here at 1 with some noise: random signs
    would undo pretrained weights). In training the images of a batch are dealt out to the members; in evaluation each
    member sees them all. Memory is that of one network, time that of M.

    Args:
        num_classes: K; the command line takes it from the data.
        in_channels: C; the command line takes it from the data.
        size: M, how many members there are.
        spread: standard deviation of the factors around 1 at the beginning.
        average: what the mean is of, "probabilities" or "logits".
        **settings: of `SmpNetwork`.

    Raises:
        UserError: no members, no such average, or a wrong setting of `SmpNetwork`.
    """

    unprunable = "each member has a factor for every channel; prune a plain network instead"

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        size: int = 4,
        spread: float = 0.1,
        average: str = "probabilities",
        **settings: Any,
    ) -> None:
        if size < 1:
            raise UserError(f"size is {size}: give at least 1 member")
        super().__init__(num_classes, in_channels, **settings)
        self.require_average(average)
        self.size = size
        self.turn = Turn()
        for layer in self.model.modules():
            if isinstance(layer, nn.Conv2d):
                _give_factors(layer, size, spread, self.turn)

    def opinions(self, image: Tensor) -> Iterator[Tensor]:
        """The logits (B, K, H, W) of each member; in training those of one member for each image."""
        images = len(image)
        if self.training:
            self.turn.members = torch.arange(images, device=image.device) % self.size
            yield SmpNetwork.forward(self, image)
            return
        for member in range(self.size):
            self.turn.members = torch.full((1,), member, device=image.device)
            yield SmpNetwork.forward(self, image)


def _give_factors(layer: Any, size: int, spread: float, turn: Turn) -> None:
    """Attach the factors as parameters and hooks: the names of the shared weights stay those of pretrained ones."""
    layer.turn = turn
    for name, channels in (("inputs", layer.in_channels), ("outputs", layer.out_channels)):
        layer.register_parameter(f"factors_of_{name}", nn.Parameter(1 + spread * torch.randn(size, channels, 1, 1)))
    layer.register_forward_pre_hook(_before)
    layer.register_forward_hook(_after)


def _before(layer: Any, inputs: tuple[Tensor]) -> tuple[Tensor]:
    return (inputs[0] * layer.factors_of_inputs[layer.turn.members],)


def _after(layer: Any, inputs: tuple[Tensor], output: Tensor) -> Tensor:
    return output * layer.factors_of_outputs[layer.turn.members]
