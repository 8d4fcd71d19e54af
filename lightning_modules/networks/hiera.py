"""Hiera at any image size."""

import math
from typing import Any

from timm.layers import resample_abs_pos_embed
from timm.models.hiera import Hiera, Reroll, Unroll
from torch import Tensor, nn


class AnySizeHiera(Hiera):
    """Hiera (Ryali et al., ICML 2023) whose order of tokens and positions are those of each image's size.

    timm's class fixes both at construction. Positions are interpolated to the grid of the image as timm does it for vision
    transformers; those of the windows of its later variants it interpolates itself. Both sides of an image are multiples of the
    coarsest map's stride times what is left of a window there.
    """

    def forward_intermediates(self, x: Tensor, *args: Any, **settings: Any) -> Any:
        """Images (B, C, H, W) to the maps of timm's class."""
        self._fit(x.shape[-2], x.shape[-1])
        return super().forward_intermediates(x, *args, **settings)

    def _fit(self, height: int, width: int) -> None:
        size, stride = (height, width), self.patch_stride
        grid = [side // step for side, step in zip(size, stride, strict=True)]
        if grid == self.tokens_spatial_shape:
            return
        self.tokens_spatial_shape = grid
        self.mask_spatial_shape = [side // unit for side, unit in zip(grid, self.mask_unit_size, strict=True)]
        schedule = [self.q_stride] * (len(self.stage_ends) - 1)
        self.unroll = Unroll(size, stride, list(schedule))
        self.reroll = Reroll(size, stride, list(schedule), self.stage_ends, self.q_pool)

    def _pos_embed(self, x: Tensor) -> Tensor:
        if self.pos_embed_win is not None or self.pos_embed is None or self.pos_embed.shape[1] == x.shape[1]:
            return super()._pos_embed(x)
        side = math.isqrt(self.pos_embed.shape[1])
        return x + resample_abs_pos_embed(self.pos_embed, self.tokens_spatial_shape, [side, side], num_prefix_tokens=0)


def fit_hiera(encoder: nn.Module) -> None:
    """Let each Hiera within an encoder take images of any size; others are left as they are."""
    for one in encoder.modules():
        if type(one) is Hiera and one.pos_embed is not None:
            one.__class__ = AnySizeHiera  # timm's registry makes its own class alone
