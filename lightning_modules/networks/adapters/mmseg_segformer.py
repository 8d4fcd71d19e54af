"""SegFormer with the head that mmsegmentation gives it."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lightning_modules.networks.adapters.transformers import TransformersNetwork


class ConvolutionModule(nn.Sequential):
    """A 1 x 1 convolution, batch normalisation and ReLU, by the names of mmcv's ConvModule."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.bn = nn.BatchNorm2d(out_channels)
        self.activate = nn.ReLU(inplace=True)


class MmsegSegformerHead(nn.Module):
    """The stages' maps, each convolved and brought to the size of the first, concatenated and fused.

    Args:
        hidden_sizes: channels of the stages.
        channels: of the head.
        num_classes: K.
    """

    def __init__(self, hidden_sizes: Sequence[int], channels: int, num_classes: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList([ConvolutionModule(size, channels) for size in hidden_sizes])
        self.fusion_conv = ConvolutionModule(channels * len(hidden_sizes), channels)
        self.dropout = nn.Dropout2d(0.1)
        self.conv_seg = nn.Conv2d(channels, num_classes, 1)

    def forward(self, maps: Sequence[Tensor], **_: Any) -> Tensor:
        """Maps (B, C, h, w) of the stages, the finest first, to logits (B, K, h, w) at the first one's size."""
        size = maps[0].shape[2:]
        brought = [
            F.interpolate(layer(one), size, mode="bilinear") for layer, one in zip(self.convs, maps, strict=True)
        ]
        return self.conv_seg(self.dropout(self.fusion_conv(torch.cat(brought, 1))))


class MmsegSegformerNetwork(TransformersNetwork):
    """SegFormer (Xie et al., NeurIPS 2021) as mmsegmentation (https://github.com/open-mmlab/mmsegmentation) builds it.

    Its encoder is that of Transformers; its head has a convolution, batch normalisation and ReLU for each stage, where that of
    the authors has a linear layer.

    Args:
        num_classes: K; the command line takes it from the data.
        in_channels: C; the command line takes it from the data.
        config: see `TransformersNetwork`.
        stride: see `TransformersNetwork`.
        mean: see `SegmentationNetwork`.
        std: see `SegmentationNetwork`.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        config: dict[str, Any] | None = None,
        stride: int = 1,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        super().__init__(num_classes, in_channels, "segformer", config, stride, mean, std)
        known = self.model.config
        self.model.decode_head = MmsegSegformerHead(known.hidden_sizes, known.decoder_hidden_size, num_classes)
