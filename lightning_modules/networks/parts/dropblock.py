"""DropBlock: squares of the encoder's feature maps are dropped in training."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lightning_modules.networks.refined_encoder import StageModules
from lightning_modules.networks.smp import Part, SmpNetwork
from user_error import UserError


class DropBlock2d(nn.Module):
    """DropBlock (Ghiasi et al., "DropBlock: A Regularization Method for Convolutional Networks", NeurIPS 2018).

    Each channel of each image drops squares of its own, and what stays is scaled up to keep the mean. A square lies
    within the map. The module of the same name in timm draws squares that reach beyond it at the same rate: of 8 x 8
    pixels it drops 62 % where 10 % were asked for.

    Args:
        probability: share of the pixels that is dropped, as far as squares do not overlap.
        size: side of a square in pixels; a smaller map is dropped as a whole.
    """

    def __init__(self, probability: float, size: int) -> None:
        super().__init__()
        self.probability = probability
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """Feature maps (B, C, H, W) to as many of the same shape; the same ones in evaluation."""
        if not self.training or not self.probability:
            return x
        height, width = x.shape[-2:]
        down, along = min(self.size, height), min(self.size, width)
        places = (height - down + 1, width - along + 1)
        rate = self.probability * (height * width) / (down * along) / (places[0] * places[1])  # gamma of the paper
        corners = torch.rand(*x.shape[:2], *places, device=x.device) < rate
        padded = F.pad(corners.to(x.dtype), (along - 1, along - 1, down - 1, down - 1))
        mask = 1 - F.max_pool2d(padded, (down, along), stride=1)
        scale = mask.numel() / mask.sum(dtype=torch.float32).clamp(min=1)
        return x * mask * scale.to(x.dtype)


class DropBlock(Part):
    """The encoder's two deepest feature maps go through DropBlock.

    Ghiasi et al. drop in the last two stages too, at probability 0.1 and size 7; here once for each stage, where the
    decoder takes its map, and at the same probability throughout the training.

    Args:
        probability: share of a feature map that is dropped in training.
        size: side of the squares that are dropped, in pixels of the feature map.

    Raises:
        UserError: no share below one, or no size.
    """

    def __init__(self, probability: float = 0.1, size: int = 7) -> None:
        if not 0 <= probability < 1:
            raise UserError(f"probability of DropBlock is {probability}: give a share from 0 to below 1")
        if size < 1:
            raise UserError(f"size of DropBlock is {size}: give at least 1 pixel")
        self.probability = probability
        self.size = size

    def build_into(self, network: SmpNetwork) -> None:
        """Drop in the two deepest maps."""
        deepest = len(network.encoder.out_channels) - 1
        modules: dict[int, nn.Module] = {
            index: DropBlock2d(self.probability, self.size) for index in (deepest - 1, deepest)
        }
        network.refine_features(StageModules(modules))
