"""Encoders by name, those of smp and those of timm alike: which there are, and with weights for any channels."""

import difflib
from pathlib import Path

import segmentation_models_pytorch as smp
import timm
from torch import nn

from lightning_modules.networks.pretrained import hub_encoder, load_local
from user_error import UserError


def check_encoder(name: str) -> None:
    """Refuse a name that neither smp nor, as ``tu-NAME``, timm knows.

    Raises:
        UserError: with the names that come close.
    """
    timm_name = name.removeprefix("tu-")
    known = timm.list_models() if timm_name != name else list(smp.encoders.encoders)
    if timm_name.split(".")[0] not in known:
        close = difflib.get_close_matches(timm_name, known, n=3)
        hint = f"did you mean {' or '.join(map(repr, close))}?" if close else "see the encoder list of smp"
        raise UserError(f"unknown encoder {name!r}: {hint} (an encoder of timm is written 'tu-NAME')")


def pretrained_encoder(name: str, weights: str, depth: int, in_channels: int) -> nn.Module:
    """An encoder for `in_channels` with `weights`, a name on the hub or the path of a local file.

    Weights of three channels are spread over any other number, as smp and timm do it.

    Raises:
        UserError: the weights cannot be had, or belong to another encoder.
    """
    if not _is_path(weights):
        return hub_encoder(name, weights, depth, in_channels)
    encoder = smp.encoders.get_encoder(name, in_channels=3, depth=depth, weights=None)
    load_local(encoder, Path(weights), name)
    if not hasattr(encoder, "set_in_channels"):  # an encoder of timm knows its channels from birth
        return _with_channels(encoder, name, depth, in_channels)
    encoder.set_in_channels(in_channels, pretrained=True)
    return encoder


def _is_path(weights: str) -> bool:
    return "/" in weights or Path(weights).suffix in {".safetensors", ".pt", ".pth", ".bin", ".ckpt"}


def _with_channels(encoder: nn.Module, name: str, depth: int, in_channels: int) -> nn.Module:
    """An encoder of timm for `in_channels`, with the weights of one for three: those of its first convolution spread."""
    adapted = smp.encoders.get_encoder(name, in_channels=in_channels, depth=depth, weights=None)
    shapes = {key: value.shape for key, value in adapted.state_dict().items()}
    state = {
        key: value if value.shape == shapes[key] else timm.models.adapt_input_conv(in_channels, value)
        for key, value in encoder.state_dict().items()
    }
    adapted.load_state_dict(state)
    return adapted
