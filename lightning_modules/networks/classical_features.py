"""Classical features as further input channels, or instead of the image."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lightning_modules.networks.base import IMAGENET_MEAN, IMAGENET_STD, require_for_each
from lightning_modules.networks.encoders import load_pretrained_encoder
from lightning_modules.networks.features.base import Feature
from lightning_modules.networks.features.hog import Hog
from lightning_modules.networks.smp import SmpNetwork
from user_error import UserError

FEATURE_MEAN, FEATURE_STD = 0.0, 0.25
"""Zero is preserved: it means that nothing was found, and is also the padding of convolutions."""


class ClassicalFeatureNetwork(SmpNetwork):
    """An encoder-decoder that gets classical features of the image as further channels.

    HOG (Dalal & Triggs, CVPR 2005), SIFT (Lowe, IJCV 2004), ORB (Rublee et al., ICCV 2011), Canny's edges (PAMI 1986),
    local binary patterns (Ojala et al., PAMI 2002); see `lightning_modules.networks.features`. They are computed on the CPU from
    the 8-bit levels of the image that the network is given, which may be corrupted; float images are rounded. Gradients do
    not flow through them: an attack uses the gradients of the image's channels alone.

    torch.compile breaks the graph at the features, which are computed outside torch; the rest is one graph.

    Args:
        num_classes: K; the command line takes it from the data.
        in_channels: C; the command line takes it from the data.
        features: in the order of their channels, see `lightning_modules.networks.features`; HOG if null.
        image: keep the image's own channels before the features; the features alone if false.
        mean: of the image's channels, see `SegmentationNetwork`.
        std: of the image's channels, see `SegmentationNetwork`.
        **settings: of `SmpNetwork`.

    Raises:
        UserError: no features, or a wrong setting of `SmpNetwork`.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        features: Sequence[Feature] | None = None,
        image: bool = True,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        **settings: Any,
    ) -> None:
        chosen = (Hog(),) if features is None else tuple(features)
        if not chosen:
            raise UserError(
                "the network is given no features: name one such as lightning_modules.networks.features.hog.Hog, or take "
                "SmpNetwork"
            )
        extra = sum(feature.channels for feature in chosen)
        colour = in_channels == 3
        means, stds = [FEATURE_MEAN] * extra, [FEATURE_STD] * extra
        if image:
            require_for_each("mean", mean, in_channels)
            require_for_each("std", std, in_channels)
            means = [*(mean or (IMAGENET_MEAN if colour else (0.5,) * in_channels)), *means]
            stds = [*(std or (IMAGENET_STD if colour else (0.25,) * in_channels)), *stds]
        super().__init__(num_classes, len(means), mean=means, std=stds, **settings)
        self.in_channels = in_channels
        self.features = chosen
        self.feature_channels = extra
        self.keeps_image = image

    @torch.compiler.disable
    @torch.no_grad()
    def compute_feature_maps(self, image: Tensor) -> Tensor:
        """Images (B, C, H, W), uint8 or float in [0, 1], to features (B, F, H, W) in [0, 1] on the same device."""
        if image.is_floating_point():
            image = (image.float() * 255).round().clamp(0, 255)
        levels = image.to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
        maps = np.empty((len(levels), self.feature_channels, *levels.shape[1:3]), np.float32)
        for one, place in zip(levels, maps, strict=True):
            np.concatenate([feature(one) for feature in self.features], out=place)
        return torch.from_numpy(maps).to(image.device)

    def forward(self, image: Tensor) -> Tensor:
        """Images (B, C, H, W), uint8 or float in [0, 1], to logits (B, K, H, W)."""
        maps = self.compute_feature_maps(image).to(self.mean.dtype)
        if not self.keeps_image:
            return super().forward(maps)
        colours = image.to(maps.dtype)
        if not image.is_floating_point():
            colours = colours / 255
        return super().forward(torch.cat([colours, maps], dim=1))

    def load_pretrained(self, weights: str) -> None:
        """Start the encoder from `weights`, a name on the hub or the path of a local file; see `SmpNetwork`.

        The weights of the first convolution for the features are initialised to zero, so that the network starts as the
        pretrained one, and are trained. Without the image, its weights are adapted to the features instead.

        Raises:
            UserError: they cannot be loaded, belong to another encoder, or its first layer is no plain convolution.
        """
        if not self.keeps_image:
            channels, blind = self.feature_channels, 0
        else:
            channels, blind = self.in_channels, self.feature_channels
        source = load_pretrained_encoder(self.encoder, self.encoder_name, weights, channels).state_dict()
        own = self.encoder.state_dict()
        state = {key: _widen(value, own[key], blind) for key, value in source.items() if key in own}
        if any(value.shape != own[key].shape for key, value in state.items()):
            raise UserError(
                f"the first layer of {self.encoder_name!r} does not take further channels beside pretrained ones: choose "
                "another encoder, or set encoder_weights to null"
            )
        self.encoder.load_state_dict(state)


def _widen(weight: Tensor, like: Tensor, blind: int) -> Tensor:
    """A weight (D, C, ...), with `blind` further input channels of zeros where `like` has them."""
    if weight.ndim < 2 or weight.shape[1] + blind != like.shape[1]:
        return weight
    return torch.cat([weight, weight.new_zeros(len(weight), blind, *weight.shape[2:])], dim=1)
