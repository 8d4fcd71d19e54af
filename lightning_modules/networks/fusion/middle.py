"""Several modalities whose feature maps meet."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

from torch import Tensor, nn

from lightning_modules.networks.fusion.base import FusionNetwork, require_fusion
from lightning_modules.networks.fusion.modalities import Modalities
from lightning_modules.networks.fusion.modality_weights import Attention, Concatenation, Mean
from lightning_modules.networks.refined_encoder import find_encoder_holder
from lightning_modules.networks.smp import SmpNetwork

MiddleFusion = Literal["mean", "concat", "attention"]


class FusedEncoder(nn.Module):
    """Stands where an encoder of smp stood, and runs one for each modality; the decoder does not notice.

    Args:
        encoders: of smp, one for each modality.
        modalities: splits the image and says what is present.
        stages: index in an encoder's list of feature maps to what makes one of theirs. The others pass from the first
            modality: the decoder does not read them.
    """

    def __init__(self, encoders: Sequence[Any], modalities: Modalities, stages: dict[int, nn.Module]) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(encoders)
        self.modalities = modalities
        self.stages = nn.ModuleDict({str(index): module for index, module in stages.items()})
        self.out_channels = encoders[0].out_channels
        self.output_stride = encoders[0].output_stride

    def forward(self, x: Tensor) -> list[Tensor]:
        """Images (B, C, H, W) to fused feature maps, finest first."""
        present = self.modalities(x)
        features = [encoder(part) for encoder, part in zip(self.encoders, self.modalities.split(x), strict=True)]
        fused = list(features[0])
        for index, fuse in self.stages.items():
            fused[int(index)] = fuse([maps[int(index)] for maps in features], present)
        return fused


class MiddleFusionNetwork(FusionNetwork):
    """An encoder for each modality, whose feature maps meet at every stage, and one decoder.

    Args:
        num_classes: K; the command line takes it from the data.
        in_channels: C; the command line takes it from the data.
        fusion: how the maps of a stage become one: "mean" (HeMIS, Havaei et al., MICCAI 2016), "concat" (beside each
            other, then a 1x1 convolution) or "attention" (the softmax of gates on globally pooled features, after
            Li et al., CVPR 2019). All start as the mean.
        **settings: of `FusionNetwork`.

    Raises:
        UserError: unknown fusion, or a wrong setting of `FusionNetwork`.
    """

    own_decoders = False

    def __init__(self, num_classes: int, in_channels: int = 3, fusion: MiddleFusion = "mean", **settings: Any) -> None:
        require_fusion(fusion, get_args(MiddleFusion))
        super().__init__(num_classes, in_channels, fusion, **settings)

    def _assemble(self, branches: list[SmpNetwork], channels: dict[int, int]) -> None:
        number = len(branches)
        stages: dict[int, nn.Module]
        if self.fusion == "mean":
            stages = {index: Mean() for index in channels}
        else:
            kind = Concatenation if self.fusion == "concat" else Attention
            stages = {index: kind(count, number) for index, count in channels.items()}
        self.model: Any = branches[0].model
        encoders = [branch.encoder for branch in branches]
        find_encoder_holder(self.model).encoder = FusedEncoder(encoders, self.modalities, stages)

    @property
    def encoders(self) -> list[Any]:
        """The encoder of each modality."""
        return list(find_encoder_holder(self.model).encoder.encoders)

    def compute_logits(self, x: Tensor) -> Tensor:
        """Normalised images (B, C, H, W) to logits (B, K, H, W)."""
        return self.model(x)
