"""Vision transformers of timm as encoders: the maps of patch tokens of chosen layers, at any image size."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import timm
import torch
from torch import Tensor, nn

from lightning_modules.networks.encoders import TIMM_ERRORS, check_encoder, find_timm_model_settings
from lightning_modules.networks.strided import subsample_first
from user_error import UserError, shorten

OWN_SETTINGS = {
    "in_chans": "the data",
    "num_classes": "the head",
    "global_pool": "the head",
    "img_size": "image_size",
    "dynamic_img_size": "image_size",
    "dynamic_img_pad": "the network",
    "strict_img_size": "image_size",
    "device": "--trainer.accelerator",
    "dtype": "--trainer.precision",
}
"""Arguments of timm's classes that are decided elsewhere, and by what."""

OF_CLASSIFIERS = ("head", "head_drop", "head_dist", "fc_norm", "attn_pool")
"""Parts of a classifier that no token passes through."""


class Tokens(NamedTuple):
    """What an encoder says of an image, layer by layer, normalised by its last layer norm.

    Args:
        maps: tokens of the patches, (B, D, h, w) each.
        prefix: class token and registers, (B, P, D) each; null where it has none.
    """

    maps: list[Tensor]
    prefix: list[Tensor] | list[None]


class TokenEncoder(nn.Module):
    """A vision transformer of timm: ViT, DeiT, DINOv2, DINOv3, EVA, BEiT, ...

    Positions are interpolated to the grid of the image, bicubically, or are rotary and need no interpolation; an encoder that
    can do neither, such as BEiT, is made for one size.

    Args:
        name: of timm, with or without its tag.
        in_channels: C.
        image_size: side of the only images that it takes; any size if null.
        arguments: further arguments of its class, such as ``{drop_path_rate: 0.1}``.

    Raises:
        UserError: no such encoder, one without tokens or of one size only, or an argument that it does not take.
    """

    def __init__(
        self,
        name: str,
        in_channels: int,
        image_size: int | None = None,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        check_encoder(name, of_timm=True)
        self.name = name
        settings = dict(arguments or {})
        _check_arguments(name, settings)
        model: Any = self._make(in_channels, image_size, settings)
        self.model = model
        self.settings = settings
        self.image_size = image_size
        _remove_classifier(self.model)
        subsample_first(self.model)
        self.depth = len(model.feature_info)
        self.channels: int = model.embed_dim
        self.prefix_tokens: int = model.num_prefix_tokens
        self.output_stride: int = model.feature_info[0]["reduction"]
        self.layers = [self.depth - 1]
        """Indices of the layers whose tokens are given."""

    def _make(self, in_channels: int, image_size: int | None, settings: dict[str, Any], **further: Any) -> nn.Module:
        accepted = find_parameters(self.name)
        sized: dict[str, Any] = {"dynamic_img_size": True}
        if image_size is not None and "img_size" not in accepted:
            raise UserError(f"encoder {self.name!r} of timm cannot be made for another size: set image_size to null")
        if image_size is not None:
            sized = {"img_size": image_size}
        elif "dynamic_img_size" not in accepted:
            side = find_timm_model_settings(self.name)["input_size"][-1]
            raise UserError(
                f"encoder {self.name!r} has positions of one image size: set image_size, such as {side}, and predict larger "
                "images by sliding windows of it; or choose one whose positions are interpolated, such as "
                "'vit_small_patch14_dinov2'"
            )
        try:
            return timm.create_model(self.name, in_chans=in_channels, num_classes=0, **sized, **settings, **further)
        except TIMM_ERRORS as error:
            given = f" with {settings}" if settings else ""
            raise UserError(
                f"timm cannot make the encoder {self.name!r}{given} ({shorten(error)}): correct encoder_args or image_size"
            ) from error

    def make_like(self, in_channels: int, **further: Any) -> "TokenEncoder":
        """An encoder of the same settings with other weights: random, or by ``pretrained=True`` those of its tag.

        Args:
            in_channels: C.
            **further: of `timm.create_model`.
        """
        other = TokenEncoder(self.name, in_channels, self.image_size, self.settings)
        if further:
            other.model = self._make(in_channels, self.image_size, self.settings, **further)
            _remove_classifier(other.model)
        return other

    def forward(self, x: Tensor) -> Tokens:
        """Normalised images (B, C, H, W), H and W multiples of the patch, to the tokens of the chosen layers."""
        found = self.model.forward_intermediates(
            x,
            indices=self.layers,
            norm=True,
            intermediates_only=True,
            return_prefix_tokens=self.prefix_tokens > 0,
        )
        if not self.prefix_tokens:
            return Tokens(list(found), [None] * len(found))
        maps, prefix = zip(*found, strict=True)
        return Tokens(list(maps), list(prefix))

    def list_undecayed(self) -> Sequence[str]:
        """Parameters that timm leaves without weight decay beside biases and normalisation: positions and prefix tokens."""
        return [
            name for name in self.model.no_weight_decay() if isinstance(getattr(self.model, name, None), nn.Parameter)
        ]


def find_parameters(name: str) -> set[str]:
    """Names of the arguments of an encoder's class.

    Raises:
        UserError: it is no transformer with tokens of patches.
    """
    try:
        with torch.device("meta"):  # no memory, no weights
            made = timm.create_model(name)
    except TIMM_ERRORS as error:
        raise UserError(f"timm cannot make the encoder {name!r} ({shorten(error)}): choose another one") from error
    found = inspect.signature(type(made).__init__).parameters
    forward: Any = getattr(made, "forward_intermediates", None)
    with_tokens = forward is not None and "return_prefix_tokens" in inspect.signature(forward).parameters
    if not (with_tokens and hasattr(made, "num_prefix_tokens") and hasattr(made, "embed_dim")):
        raise UserError(
            f"timm does not give tokens of {name!r} as those of a vision transformer: choose one such as "
            f"'vit_small_patch14_dinov2', or take SmpNetwork with the encoder 'tu-{name}' under a decoder such as Unet or DPT"
        )
    return set(found)


def _check_arguments(name: str, arguments: Mapping[str, Any]) -> None:
    accepted = find_parameters(name)
    for key in arguments:
        if key in OWN_SETTINGS:
            raise UserError(f"encoder_args: {key!r} is decided by {OWN_SETTINGS[key]}: leave it out")
        if key not in accepted:
            raise UserError(
                f"encoder_args: encoder {name!r} of timm takes no {key!r}: it takes "
                f"{', '.join(sorted(accepted - OWN_SETTINGS.keys() - {'self', 'kwargs'}))}"
            )


def _remove_classifier(model: Any) -> None:
    """Remove the parts whose gradients DistributedDataParallel would wait for."""
    for name in OF_CLASSIFIERS:
        if isinstance(getattr(model, name, None), nn.Module):
            setattr(model, name, nn.Identity())
