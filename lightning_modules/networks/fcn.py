"""The fully convolutional network, with convolution, pooling, fully connected layers and skip connections as named parts."""

from collections.abc import Sequence
from functools import partial

import segmentation_models_pytorch as smp
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lightning_modules.networks.base import SegmentationNetwork, require_dropout
from lightning_modules.networks.encoders import (
    TIMM_ERRORS,
    Sized,
    check_encoder,
    keeps_its_classifier,
    load_pretrained_encoder,
    make_for_any_size,
    remove_unused_parts,
)
from lightning_modules.networks.mended import explain_failure
from lightning_modules.networks.strided import subsample_first
from user_error import UserError


class FcnNetwork(SegmentationNetwork):
    """FCN (Long, Shelhamer & Darrell, "Fully Convolutional Networks for Semantic Segmentation", CVPR 2015).

    An image classifier whose fully connected layers are convolutions of 1 x 1, so that it predicts every place of the
    coarsest map instead of the complete image; scores of finer maps are added during upsampling.

    - convolution and pooling: the encoder, any of smp, such as VGG in the paper;
    - fully connected layers: `fully_connected` and `score`, the same weights for a map and for a pooled vector;
    - `classify`: the classification head itself, pooling first;
    - skip fusion: `skip_scores`; two of them make FCN-8s, one FCN-16s, none FCN-32s.

    Scores are upsampled bilinearly, whereas the paper initialises its upsampling bilinearly and trains part of it. The
    scores of skips are initialised to zero, as in the paper.

    Args:
        num_classes: K; the command line takes it from the data.
        in_channels: C; the command line takes it from the data.
        encoder: any encoder of smp, or ``tu-NAME`` for one of timm.
        hidden: channels of each of the two fully connected layers (4096 in the paper).
        skips: number of finer maps that are fused: 0, 1 or 2.
        dropout: probability with which a channel of a fully connected layer is dropped in training.
        image_size: see `SmpNetwork`.
        mean: see `SegmentationNetwork`.
        std: see `SegmentationNetwork`.

    Raises:
        UserError: unknown encoder, no hidden channels, or more skips than the encoder has finer maps.
    """

    @torch.inference_mode(False)  # unused parts are found by gradients
    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        encoder: str = "resnet18",
        hidden: int = 512,
        skips: int = 2,
        dropout: float = 0.5,
        image_size: int | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        check_encoder(encoder)
        if hidden < 1:
            raise UserError(f"hidden of the fully connected layers is {hidden}: give at least 1")
        require_dropout("dropout", dropout)
        built, multiple = _make_encoder(encoder, in_channels, image_size)
        subsample_first(built)
        super().__init__(num_classes, in_channels, multiple, mean, std)
        self.only_side = image_size
        self.encoder = built
        self.encoder_name = encoder
        *finer, coarsest = (channels for channels in built.out_channels[1:] if channels)  # a stage may be left out
        if not 0 <= skips <= min(2, len(finer)):
            raise UserError(f"an FCN with {skips} skips cannot be: give 0 (FCN-32s), 1 (FCN-16s) or 2 (FCN-8s)")
        self.fully_connected = nn.Sequential(
            *(nn.Conv2d(coarsest, hidden, 1), nn.ReLU(), nn.Dropout2d(dropout)),
            *(nn.Conv2d(hidden, hidden, 1), nn.ReLU(), nn.Dropout2d(dropout)),
        )
        self.score = nn.Conv2d(hidden, num_classes, 1)
        self.skip_scores = nn.ModuleList([nn.Conv2d(channels, num_classes, 1) for channels in finer[::-1][:skips]])
        for parameter in self.skip_scores.parameters():
            nn.init.zeros_(parameter)
        if keeps_its_classifier(encoder) or encoder.startswith("tu-"):  # timm's may refine maps that no skip reads
            side = image_size or max(multiple, 64)
            remove_unused_parts(built, self, torch.zeros(1, in_channels, side, side))

    def compute_logits(self, x: Tensor) -> Tensor:
        """Normalised images (B, C, H, W) to logits (B, K, H, W)."""
        *finer, coarsest = (feature for feature in self.encoder(x)[1:] if feature.shape[1])
        logits = self.score(self.fully_connected(coarsest))
        for score, feature in zip(self.skip_scores, reversed(finer), strict=False):
            logits = F.interpolate(logits, feature.shape[2:], mode="bilinear") + score(feature)
        return F.interpolate(logits, x.shape[2:], mode="bilinear")

    def classify(self, image: Tensor) -> Tensor:
        """Images (B, C, H, W), uint8 or float in [0, 1], to logits (B, K) of the complete image.

        The coarsest map is pooled over all places before the fully connected layers.
        """
        pooled = self.encoder(self.pad(self.normalise(image)))[-1].mean((2, 3), keepdim=True)
        return self.score(self.fully_connected(pooled)).flatten(1)

    def load_pretrained(self, weights: str) -> None:
        """Start the encoder from `weights`; see `SmpNetwork`.

        Raises:
            UserError: they cannot be had, or belong to another encoder.
        """
        encoder = load_pretrained_encoder(self.encoder, self.encoder_name, weights, self.in_channels)
        own = self.encoder.state_dict()
        self.encoder.load_state_dict({key: value for key, value in encoder.state_dict().items() if key in own})


def _make_encoder(name: str, in_channels: int, image_size: int | None) -> Sized:
    make = partial(smp.encoders.get_encoder, name, in_channels=in_channels, depth=5, weights=None)
    try:
        return make_for_any_size(make, lambda one: one, name, in_channels, image_size)
    except TIMM_ERRORS as error:
        raise explain_failure("FCN", name, {}, error) from error
