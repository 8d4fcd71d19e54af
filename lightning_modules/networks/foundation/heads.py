"""Heads on the tokens of a vision transformer: linear, a pyramid under a U-Net's decoder, and DPT."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from segmentation_models_pytorch.base import SegmentationHead
from segmentation_models_pytorch.decoders.dpt.decoder import DPTDecoder, DPTSegmentationHead
from segmentation_models_pytorch.decoders.unet.decoder import UnetDecoder
from timm.layers import LayerNorm2d
from torch import Tensor, nn

from lightning_modules.networks.base import require_dropout
from lightning_modules.networks.foundation.tokens import Tokens
from user_error import UserError

LEVELS = 4
"""Layers of which a pyramid or a DPT is made."""


class TokenHead(nn.Module, ABC):
    """Base of the heads; a head is made from (channels of a token, number of prefix tokens, classes).

    Args:
        layers: indices of the encoder's layers, the first is 0 and the last -1.
    """

    multiple = 1
    """The grid of patches is padded to a multiple of it."""

    def __init__(self, layers: Sequence[int]) -> None:
        super().__init__()
        self.layers = list(layers)

    def choose_layers(self, depth: int) -> list[int]:
        """The layers of an encoder of `depth` whose tokens the head reads.

        Raises:
            UserError: the encoder has no such layer.
        """
        chosen = self.layers or [depth * (level + 1) // LEVELS - 1 for level in range(LEVELS)]
        if not all(-depth <= layer < depth for layer in chosen):
            raise UserError(f"the head reads the layers {chosen}, and the encoder has {depth}, 0 to {depth - 1}")
        chosen = [layer % depth for layer in chosen]
        if chosen != sorted(set(chosen)):
            raise UserError(f"the head reads the layers {chosen}: name different ones, in their order")
        return chosen

    @abstractmethod
    def forward(self, tokens: Tokens) -> Tensor:
        """Tokens of the chosen layers to logits (B, K, h, w) of any size."""


class LinearHead(TokenHead):
    """Batch normalisation and a 1 x 1 convolution: the linear protocol of DINOv2.

    Oquab et al., "DINOv2: Learning Robust Visual Features without Supervision", TMLR 2024. The class token is not read.

    Args:
        channels: D of a token.
        prefix_tokens: of the encoder.
        num_classes: K.
        last: number of last layers, whose tokens are concatenated: 1, or 4 as in its variant of several layers.
        dropout: probability with which a channel is dropped in training.

    Raises:
        UserError: no layer.
    """

    def __init__(
        self, channels: int, prefix_tokens: int, num_classes: int, last: int = 1, dropout: float = 0.0
    ) -> None:
        if last < 1:
            raise UserError(f"last of the linear head is {last}: give the number of layers, at least 1")
        require_dropout("dropout", dropout)
        super().__init__(range(-last, 0))
        self.norm = nn.BatchNorm2d(channels * last)
        self.dropout = nn.Dropout2d(dropout)
        self.score = nn.Conv2d(channels * last, num_classes, 1)
        nn.init.normal_(self.score.weight, std=0.01)
        nn.init.zeros_(self.score.bias)  # type: ignore[arg-type]

    def forward(self, tokens: Tokens) -> Tensor:
        """See `TokenHead`."""
        return self.score(self.dropout(self.norm(torch.cat(tokens.maps, 1))))


class UnetHead(TokenHead):
    """A pyramid of four maps under the decoder of a U-Net.

    The maps are those of the simple feature pyramid (Li et al., "Exploring Plain Vision Transformer Backbones for Object
    Detection", ECCV 2022): of four, two, one and half the resolution of the patches, by transposed convolutions and a
    pooling. As in the segmentation networks of BEiT (Bao et al., ICLR 2022), each comes from a layer of its own.

    Args:
        channels: D of a token.
        prefix_tokens: of the encoder.
        num_classes: K.
        layers: four layers, from the finest map to the coarsest; equally spaced if empty.
        width: channels of the maps.
        decoder_channels: of the four steps of the decoder.

    Raises:
        UserError: other numbers than four, or a width below 1.
    """

    def __init__(
        self,
        channels: int,
        prefix_tokens: int,
        num_classes: int,
        layers: Sequence[int] = (),
        width: int = 256,
        decoder_channels: Sequence[int] = (256, 128, 64, 32),
    ) -> None:
        _require_levels(layers=layers or range(LEVELS), decoder_channels=decoder_channels)
        if min(width, *decoder_channels) < 1:
            raise UserError(
                f"the U-Net head has maps of {width} and {list(decoder_channels)} channels: give at least 1"
            )
        super().__init__(layers)
        half, quarter = max(1, channels // 2), max(1, channels // 4)
        self.scales = nn.ModuleList(
            [
                nn.Sequential(
                    nn.ConvTranspose2d(channels, half, 2, 2),
                    LayerNorm2d(half),
                    nn.GELU(),
                    nn.ConvTranspose2d(half, quarter, 2, 2),
                ),
                nn.ConvTranspose2d(channels, half, 2, 2),
                nn.Identity(),
                nn.MaxPool2d(2, ceil_mode=True),
            ]
        )
        self.projections = nn.ModuleList(
            nn.Sequential(
                *(nn.Conv2d(one, width, 1, bias=False), LayerNorm2d(width)),
                *(nn.Conv2d(width, width, 3, padding=1, bias=False), LayerNorm2d(width)),
            )
            for one in (quarter, half, channels, channels)
        )
        self.decoder = UnetDecoder([0, *[width] * LEVELS], decoder_channels, LEVELS)
        self.score = SegmentationHead(decoder_channels[-1], num_classes)

    def forward(self, tokens: Tokens) -> Tensor:
        """See `TokenHead`."""
        maps = [project(scale(x)) for project, scale, x in zip(self.projections, self.scales, tokens.maps, strict=True)]
        batch, _, height, width = maps[0].shape
        finest = maps[0].new_empty(batch, 0, 2 * height, 2 * width)  # says the size of the last step, and holds nothing
        return self.score(self.decoder([finest, *maps]))


class DptHead(TokenHead):
    """DPT (Ranftl et al., "Vision Transformers for Dense Prediction", ICCV 2021), as smp implements it.

    Its four maps have four, two, one and half the resolution of the patches, whatever the size of a patch.

    Args:
        channels: D of a token.
        prefix_tokens: of the encoder.
        num_classes: K.
        layers: four layers, from the finest map to the coarsest; equally spaced if empty.
        readout: how the class token joins the others: "cat", "add" or "ignore".
        intermediate_channels: of the four maps.
        fusion_channels: of the decoder.

    Raises:
        UserError: other numbers than four, a width below 1, or an unknown readout.
    """

    multiple = 2  # the coarsest map is half the grid, and doubled again

    def __init__(
        self,
        channels: int,
        prefix_tokens: int,
        num_classes: int,
        layers: Sequence[int] = (),
        readout: str = "cat",
        intermediate_channels: Sequence[int] = (96, 192, 384, 768),
        fusion_channels: int = 256,
    ) -> None:
        _require_levels(layers=layers or range(LEVELS), intermediate_channels=intermediate_channels)
        if min(fusion_channels, *intermediate_channels) < 1:
            raise UserError(
                f"DPT has maps of {fusion_channels} and {list(intermediate_channels)} channels: give at least 1"
            )
        if readout not in ("cat", "add", "ignore"):
            raise UserError(f"the readout of DPT is {readout!r}: give 'cat', 'add' or 'ignore'")
        super().__init__(layers)
        with_prefix = prefix_tokens > 0
        self.decoder = DPTDecoder(
            [channels] * LEVELS,
            [16] * LEVELS,  # for patches of 16 pixels smp's factors are those above
            with_prefix,
            readout if with_prefix else "ignore",
            intermediate_channels,
            fusion_channels,
        )
        self.score = DPTSegmentationHead(fusion_channels, num_classes)

    def forward(self, tokens: Tokens) -> Tensor:
        """See `TokenHead`."""
        return self.score(self.decoder(tokens.maps, tokens.prefix))


def _require_levels(**given: Sequence[int]) -> None:
    for name, values in given.items():
        if len(values) != LEVELS:
            raise UserError(f"{name} of the head is {list(values)}: give {LEVELS} numbers, one for each of its maps")
