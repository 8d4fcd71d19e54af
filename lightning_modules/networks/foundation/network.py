"""A foundation encoder under a head, frozen or not."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from lightning_modules.networks.base import SegmentationNetwork, resize_to
from lightning_modules.networks.encoders import find_timm_model_settings
from lightning_modules.networks.foundation.heads import LinearHead, TokenHead
from lightning_modules.networks.foundation.tokens import TokenEncoder
from lightning_modules.networks.foundation.weights import load_tokens
from user_error import UserError


class FoundationNetwork(SegmentationNetwork):
    """A vision transformer of timm with a head on its tokens.

    DINOv2 (Oquab et al., TMLR 2024), with registers (Darcet et al., ICLR 2024), DINOv3 (Siméoni et al., arXiv 2508.10104) and
    any other vision transformer of timm. Images are normalised as the encoder's pretraining did, and padded to multiples of
    its patch.

    Args:
        num_classes: K; the command line takes it from the data.
        in_channels: C; the command line takes it from the data.
        encoder: of timm, such as ``vit_small_patch14_dinov2.lvd142m`` or ``vit_small_patch16_dinov3.lvd1689m``.
        head: makes the head from (channels of a token, prefix tokens, K).
        frozen: whether the encoder keeps its weights and stays in evaluation mode; only the head is trained.
        image_size: side of the only images that the encoder is made for, where it needs one: smaller images are padded to
            it, larger ones refused. Any size if null.
        encoder_args: further arguments of timm's class, such as ``{drop_path_rate: 0.1}``.
        mean: see `SegmentationNetwork`; the encoder's own for three channels.
        std: see `SegmentationNetwork`; the encoder's own for three channels.

    Raises:
        UserError: unknown encoder or argument, or a head that does not fit.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        encoder: str = "vit_small_patch14_dinov2.lvd142m",
        head: Callable[[int, int, int], TokenHead] = LinearHead,
        frozen: bool = False,
        image_size: int | None = None,
        encoder_args: dict[str, Any] | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        built = TokenEncoder(encoder, in_channels, image_size, encoder_args)
        patch = built.output_stride
        if image_size is not None and image_size % patch:
            raise UserError(
                f"image_size is {image_size}, and the patches of {encoder!r} are of {patch}: give a multiple of it"
            )
        made = head(built.channels, built.prefix_tokens, num_classes)
        built.layers = made.choose_layers(built.depth)
        if in_channels == 3:
            known = find_timm_model_settings(encoder)
            mean, std = mean or known["mean"], std or known["std"]
        super().__init__(num_classes, in_channels, image_size or patch * made.multiple, mean, std)
        self.only_side = image_size
        self.encoder = built
        self.head = made
        self.encoder.model.undecayed = built.list_undecayed()  # see `SegmentationModule.make_parameter_groups`
        if frozen:
            self.freeze(self.encoder)

    def compute_logits(self, x: Tensor) -> Tensor:
        """Normalised images (B, C, H, W) to logits (B, K, H, W)."""
        return resize_to(x, self.head(self.encoder(x)))

    def load_pretrained(self, weights: str) -> None:
        """Start the encoder from `weights`; see `load_tokens`.

        Raises:
            UserError: they cannot be had, or belong to another encoder.
        """
        load_tokens(self.encoder, weights, self.in_channels)
