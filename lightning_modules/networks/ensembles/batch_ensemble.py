"""Members that share their weights but for a factor on every channel."""

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from lightning_modules.networks.ensembles.cached import Cached
from lightning_modules.networks.ensembles.combination import Combination
from lightning_modules.networks.smp import SmpNetwork
from user_error import UserError


class ActiveMembers:
    """The active member of each image of a batch, (B,) int64, and the network that computes the logits."""

    members: Tensor
    network: nn.Module

    def __deepcopy__(self, memo: dict[int, Any]) -> "ActiveMembers":
        return ActiveMembers()


class BatchEnsemble(Combination, SmpNetwork):
    """An encoder-decoder of smp whose members share all weights but a rank-one factor of each convolution.

    Wen et al., "BatchEnsemble", ICLR 2020: the weight of member m is the shared one times the outer product of a factor
    for each output and for each input channel, which begin at 1 or -1 at random (here at 1 with some noise: random signs
    would destroy pretrained weights) and have no weight decay. In training the images of a batch are assigned to members in
    turn, beginning with a random one, so that small batches reach all of them. In evaluation each member predicts all
    images; its factors are multiplied into cached kernels, so that a member costs as much as a plain network. A checkpoint
    contains one network, and evaluation needs the kernels of M.

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
        self.active = ActiveMembers()
        self.layers = [layer for layer in self.model.modules() if isinstance(layer, nn.Conv2d)]
        for layer in self.layers:
            _give_factors(layer, size, spread, self.active)
        self.cache = Cached()

    def compute_member_logits(self, image: Tensor) -> Iterator[Tensor]:
        """The logits (B, K, H, W) of each member; in training those of one member for each image."""
        self.active.network = self.model
        if self.training:
            first = torch.randint(self.size, (1,), device=image.device)
            self.active.members = (first + torch.arange(len(image), device=image.device)) % self.size
            yield SmpNetwork.forward(self, image)
            return
        members = self.build_members()
        for member in range(self.size):
            self.active.members = torch.full((1,), member, device=image.device)
            self.active.network = members[member] if members else self.model
            yield SmpNetwork.forward(self, image)

    def compute_logits(self, x: Tensor) -> Tensor:
        """Normalised images (B, C, H, W) to logits (B, K, H, W) of the active members."""
        return self.active.network(x)

    def build_members(self) -> list[nn.Module]:
        """The members as plain networks; an empty list where gradients or compilation need the factors."""
        if torch.is_grad_enabled() or torch.compiler.is_compiling():
            return []
        factored = (one for layer in self.layers for one in layer.parameters(recurse=False))
        return self.cache.get(factored, lambda: [self.multiply_out(member) for member in range(self.size)])

    @torch.inference_mode(False)
    @torch.no_grad()
    def multiply_out(self, member: int) -> nn.Module:
        """A copy of the network with a member's factors in its kernels, which shares all else."""
        factored = {id(one) for layer in self.layers for one in layer.parameters(recurse=False)}
        tensors = (*self.model.parameters(), *self.model.buffers())
        plain = copy.deepcopy(self.model, {id(one): one for one in tensors if id(one) not in factored})
        for layer in plain.modules():
            if isinstance(layer, nn.Conv2d):
                _multiply_out(layer, member)
        return plain


def _give_factors(layer: Any, size: int, spread: float, active: ActiveMembers) -> None:
    """Attach the factors as parameters and hooks: the names of the shared weights stay those of pretrained ones."""
    layer.active = active
    for name, channels in (("inputs", layer.in_channels), ("outputs", layer.out_channels)):
        layer.register_parameter(f"factors_of_{name}", nn.Parameter(1 + spread * torch.randn(size, channels, 1, 1)))
    layer.undecayed = ("factors_of_inputs", "factors_of_outputs")  # towards 0, where they should be about 1
    layer.register_forward_pre_hook(_scale_inputs)
    layer.register_forward_hook(_scale_outputs)


def _scale_inputs(layer: Any, inputs: tuple[Tensor]) -> tuple[Tensor]:
    return (inputs[0] * layer.factors_of_inputs[layer.active.members],)


def _scale_outputs(layer: Any, inputs: tuple[Tensor], output: Tensor) -> Tensor:
    return output * layer.factors_of_outputs[layer.active.members]


def _multiply_out(layer: Any, member: int) -> None:
    """Put a member's factors into the kernels, and take away what gave them."""
    inputs = layer.factors_of_inputs[member].view(layer.groups, 1, -1, 1, 1)
    outputs = layer.factors_of_outputs[member]  # (C_out, 1, 1)
    layer.weight.copy_((layer.weight.unflatten(0, (layer.groups, -1)) * inputs).flatten(0, 1) * outputs[:, None])
    if layer.bias is not None:
        layer.bias.mul_(outputs.flatten())
    layer._forward_pre_hooks.clear()
    layer._forward_hooks.clear()
    del layer.factors_of_inputs, layer.factors_of_outputs, layer.undecayed, layer.active
