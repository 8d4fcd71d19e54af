"""MixStyle: in training, early feature maps get the mean and deviation of a blend of two images."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Beta

from lightning_modules.networks.parts.encoder_stages import find_stage_modules
from lightning_modules.networks.smp import Part, SmpNetwork
from lightning_modules.settings import require_positive, require_probability
from user_error import UserError

EPSILON = 1e-6
"""Added to a variance before its root is taken, as in the paper's code."""


class MixStyle(Part):
    """MixStyle (Zhou et al., "Domain Generalization with MixStyle", ICLR 2021), within the encoder.

    The map of a stage is standardised for each image and channel, and gets the mean and the deviation of a blend of its own and
    those of another image of the batch, at a ratio from Beta(alpha, alpha) for each image. The mixed map goes on to the next
    stage and to the decoder. Statistics have no gradients; partners are drawn over the whole batch, as in the paper's variant
    without labels of domains. Whether a batch is mixed, each stage draws for itself. In evaluation nothing changes, nor in an
    encoder that is kept in evaluation mode (`FrozenEncoder`). Draws are PyTorch's own, as those of dropout.

    Args:
        stages: where, as indices in the encoder's list of maps: stage i has 1 / 2^i of the resolution in most encoders. The
            default is the first two residual stages of a ResNet, as in the paper.
        probability: probability with which a stage mixes a batch.
        alpha: of the Beta distribution; smaller values blend less evenly.

    Raises:
        UserError: no stages, a probability or an alpha out of range.
    """

    of_encoder = True

    def __init__(self, stages: Sequence[int] = (2, 3), probability: float = 0.5, alpha: float = 0.1) -> None:
        if not stages or not all(stage > 0 for stage in stages):
            raise UserError(
                f"stages of MixStyle are {list(stages)}: give indices of feature maps from 1, such as [2, 3]"
            )
        require_probability("MixStyle", probability)
        require_positive("alpha of MixStyle", alpha, "such as 0.1")
        self.stages = tuple(stages)
        self.probability = probability
        self.alpha = alpha

    def build_into(self, network: SmpNetwork) -> None:
        """Mix what the stages of the encoder give, by hooks, so that the names of its weights stay those of pretrained ones.

        Raises:
            UserError: the encoder has no such stage, or none that could be mixed on its way to the next one.
        """
        mix = partial(_mix_output, probability=self.probability, alpha=self.alpha)
        for module in find_stage_modules(network, self.stages):
            module.register_forward_hook(mix)
        network.mixing.append(type(self).__name__)


def _mix_output(module: nn.Module, _: Any, output: Tensor, probability: float, alpha: float) -> Tensor:
    return mix_styles(output, probability, alpha) if module.training and len(output) > 1 else output


def mix_styles(x: Tensor, probability: float, alpha: float) -> Tensor:
    """Feature maps (B, C, H, W) with the mean and deviation of blends of two images each.

    That a batch is not mixed is a ratio of 1, which leaves every number as it was: no device waits for what was drawn.

    Args:
        x: the maps.
        probability: probability with which the batch is mixed.
        alpha: of the distribution of the ratios.
    """
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    with torch.no_grad(), torch.autocast(x.device.type, enabled=False):
        mean = wide.mean((2, 3), keepdim=True)
        variance = (wide - mean).square().mean((2, 3), keepdim=True)  # `torch.var_mean` takes four times as long
        deviation = (variance + EPSILON).sqrt()
        ratio = draw_ratios(wide, probability, alpha)
        partners = torch.randperm(len(x), device=x.device)
        scale = torch.lerp(deviation[partners], deviation, ratio) / deviation
        shift = torch.lerp(mean[partners], mean, ratio) - scale * mean
    return torch.addcmul(shift, wide, scale).to(x.dtype)


def draw_ratios(x: Tensor, probability: float, alpha: float) -> Tensor:
    """Draw the weights of each image's own statistics, (B, 1, 1, 1), which are all 1 unless the batch is mixed."""
    concentration = torch.full((len(x), 1, 1, 1), alpha, dtype=x.dtype, device=x.device)
    ratio = Beta(concentration, concentration, validate_args=False).sample()
    return torch.where(torch.rand((), device=x.device) < probability, ratio, 1.0)
