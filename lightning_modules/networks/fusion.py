"""Several modalities in one image: where an encoder-decoder lets them meet.

The places are those of Zhou, Ruan and Canu ("A review: Deep learning for medical image segmentation using
multi-modality fusion", Array 2019):

- early: at the input. The ordinary network does this, with all channels in its first convolution: `SmpNetwork`.
- middle: at the features, `MiddleFusionNetwork`.
- late: at the logits, `LateFusionNetwork`.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Literal, get_args

from torch import Tensor, nn

from lightning_modules.networks.base import SegmentationNetwork
from lightning_modules.networks.decoder_inputs import decoder_inputs
from lightning_modules.networks.modalities import Modalities
from lightning_modules.networks.modality_weights import (
    Attention,
    ClassWeights,
    Concatenation,
    Gate,
    Mean,
    weighted_sum,
)
from lightning_modules.networks.part import Part
from lightning_modules.networks.refined_encoder import holder_of_encoder
from lightning_modules.networks.smp import SmpNetwork
from user_error import UserError

MiddleFusion = Literal["mean", "concat", "attention"]
LateFusion = Literal["mean", "learned", "attention"]


class FusionNetwork(SegmentationNetwork):
    """Base of networks with an encoder for each modality; see `MiddleFusionNetwork` and `LateFusionNetwork`.

    A dropped or missing modality is left out where the modalities meet (Havaei et al., "HeMIS: Hetero-Modal Image
    Segmentation", MICCAI 2016), and its encoder still runs: batch normalisation sees the same images in training as in
    evaluation, and every parameter gets a gradient at every step, zero at worst.

    Args:
        num_classes: K; the command line takes it from the data.
        in_channels: C; the command line takes it from the data.
        fusion: how the modalities become one.
        groups: the channels of each modality, by name or in order; see `Modalities`.
        architecture: see `SmpNetwork`.
        encoder: see `SmpNetwork`; one of its own for each modality.
        encoder_depth: see `SmpNetwork`.
        decoder: see `SmpNetwork`.
        dropout: see `SmpNetwork`.
        drop_path: see `SmpNetwork`.
        parts: see `SmpNetwork`; what refines feature maps refines the fused ones, or those of each modality where each has
            a decoder of its own.
        modality_dropout: probability with which each modality of an image is dropped in training, but never all; see
            `Modalities`.
        detect_missing: leave out a modality whose channels are constant over the image; see `Modalities`.
        mean: see `SegmentationNetwork`.
        std: see `SegmentationNetwork`.

    Raises:
        UserError: groups that do not make up the channels, a wrong probability, or a wrong setting of `SmpNetwork`.
    """

    own_decoders: ClassVar[bool]

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        fusion: str = "mean",
        groups: Mapping[str, Sequence[int]] | Sequence[int] | None = None,
        architecture: str = "Unet",
        encoder: str = "resnet18",
        encoder_depth: int | None = None,
        decoder: dict[str, Any] | None = None,
        dropout: float = 0.0,
        drop_path: float = 0.0,
        parts: Sequence[Part] = (),
        modality_dropout: float = 0.0,
        detect_missing: bool = False,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        modalities = Modalities(groups, in_channels, modality_dropout, detect_missing)
        branch = partial(
            SmpNetwork,
            num_classes,
            architecture=architecture,
            encoder=encoder,
            encoder_depth=encoder_depth,
            decoder=decoder,
            dropout=dropout,
            drop_path=drop_path,
        )
        branches = [branch(channels) for channels in modalities.groups]
        for network in branches if self.own_decoders else branches[:1]:
            for part in parts:
                part.build_into(network)
        super().__init__(num_classes, in_channels, branches[0].stride, mean, std)
        self.fusion = fusion
        self.modalities = modalities
        self._branch = branch
        self._assemble(branches, decoder_inputs(branches[0]))

    @abstractmethod
    def _assemble(self, branches: list[SmpNetwork], channels: dict[int, int]) -> None:
        """Make the network from one of smp for each modality.

        Args:
            branches: the networks; their own normalisation is not used.
            channels: index in an encoder's list to its number of channels, for the feature maps that the decoder reads.
        """

    @property
    @abstractmethod
    def encoders(self) -> list[Any]:
        """The encoder of each modality."""

    def load_pretrained(self, weights: str) -> None:
        """Start every encoder from `weights`, adapted to the channels of its modality; see `SmpNetwork`.

        Raises:
            UserError: they cannot be had, or belong to another encoder.
        """
        for encoder, channels in zip(self.encoders, self.modalities.groups, strict=True):
            source = self._branch(channels)
            source.load_pretrained(weights)
            encoder.load_state_dict(source.encoder.state_dict())


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
        _check_fusion(fusion, get_args(MiddleFusion))
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
        holder_of_encoder(self.model).encoder = FusedEncoder(encoders, self.modalities, stages)

    @property
    def encoders(self) -> list[Any]:
        """The encoder of each modality."""
        return list(holder_of_encoder(self.model).encoder.encoders)

    def logits(self, x: Tensor) -> Tensor:
        """Normalised images (B, C, H, W) to logits (B, K, H, W)."""
        return self.model(x)


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
        _check_fusion(fusion, get_args(LateFusion))
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
        return [holder_of_encoder(model).encoder for model in self.models]

    def logits(self, x: Tensor) -> Tensor:
        """Normalised images (B, C, H, W) to logits (B, K, H, W)."""
        present = self.modalities(x)
        deepest, logits = [], []
        model: Any
        for model, part in zip(self.models, self.modalities.split(x), strict=True):
            features = model.encoder(part)
            deepest.append(features[self.deepest])
            logits.append(model.segmentation_head(model.decoder(features)))
        if self.fusion == "attention":
            return weighted_sum(logits, self.fuse(deepest, present))
        return self.fuse(logits, present)


def _check_fusion(fusion: str, known: Sequence[str]) -> None:
    if fusion not in known:
        raise UserError(f"unknown fusion {fusion!r}: choose one of {', '.join(known)}")
