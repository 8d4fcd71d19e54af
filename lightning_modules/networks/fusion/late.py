"""Several modalities whose logits meet."""

from typing import Any, Literal, get_args

from torch import Tensor, nn

from lightning_modules.networks.fusion.base import FusionNetwork, require_fusion
from lightning_modules.networks.fusion.modality_weights import ClassWeights, Gate, Mean, sum_weighted
from lightning_modules.networks.refined_encoder import find_encoder_holder
from lightning_modules.networks.smp import SmpNetwork

LateFusion = Literal["mean", "learned", "attention"]


class LateFusionNetwork(FusionNetwork):
    """An encoder and a decoder for each modality, whose logits meet.

    Args:
        num_classes: K; the command line takes it from the data.
        in_channels: C; the command line takes it from the data.
        fusion: how the logits become one: "mean", "learned" (a weight for each modality and class, the same for all
            images) or "attention" (weights for each image, from the globally pooled deepest features; like Chen et al.,
            "Attention to Scale", CVPR 2016, but for the whole image). All start as the mean.
        **settings: of `FusionNetwork`.

    Raises:
        UserError: unknown fusion, or a wrong setting of `FusionNetwork`.
    """

    own_decoders = True

    def __init__(self, num_classes: int, in_channels: int = 3, fusion: LateFusion = "mean", **settings: Any) -> None:
        require_fusion(fusion, get_args(LateFusion))
        super().__init__(num_classes, in_channels, fusion, **settings)

    def _assemble(self, branches: list[SmpNetwork], channels: dict[int, int]) -> None:
        number = len(branches)
        self.models = nn.ModuleList([branch.model for branch in branches])
        self.deepest = max(channels)
        self.fuse: nn.Module
        if self.fusion == "attention":
            self.fuse = Gate(channels[self.deepest], number)
        else:
            self.fuse = ClassWeights(self.num_classes, number) if self.fusion == "learned" else Mean()

    @property
    def encoders(self) -> list[Any]:
        """The encoder of each modality."""
        return [find_encoder_holder(model).encoder for model in self.models]

    def compute_logits(self, x: Tensor) -> Tensor:
        """Normalised images (B, C, H, W) to logits (B, K, H, W)."""
        present = self.modalities(x)
        deepest, logits = [], []
        model: Any
        for model, part in zip(self.models, self.modalities.split(x), strict=True):
            features = model.encoder(part)
            deepest.append(features[self.deepest])
            logits.append(model.segmentation_head(model.decoder(features)))
        if self.fusion == "attention":
            return sum_weighted(logits, self.fuse(deepest, present))
        return self.fuse(logits, present)
