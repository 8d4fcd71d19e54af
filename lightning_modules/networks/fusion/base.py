"""An encoder for each modality of an image, and where they meet."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

from lightning_modules.networks.base import SegmentationNetwork
from lightning_modules.networks.fusion.modalities import Modalities
from lightning_modules.networks.parts.decoder_inputs import find_decoder_inputs
from lightning_modules.networks.smp import Part, SmpNetwork
from user_error import UserError


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
        for part in parts:
            for network in branches if self.own_decoders or part.of_encoder else branches[:1]:
                part.build_into(network)
        super().__init__(num_classes, in_channels, branches[0].stride, mean, std)
        self.fusion = fusion
        self.modalities = modalities
        self._branch = branch
        self.frozen = [part for network in branches for part in network.frozen]
        self._assemble(branches, find_decoder_inputs(branches[0]))

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


def require_fusion(fusion: str, known: Sequence[str]) -> None:
    """Refuse a way of fusing that there is none of.

    Raises:
        UserError: it is none of those known.
    """
    if fusion not in known:
        raise UserError(f"unknown fusion {fusion!r}: choose one of {', '.join(known)}")
