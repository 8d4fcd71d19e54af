"""Encoders by name, those of smp and those of timm alike: which there are, what they hold, and weights for any channels."""

import difflib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import segmentation_models_pytorch as smp
import timm
import torch
from torch import Tensor, nn

from lightning_modules.networks.pretrained import load_hub_encoder, load_local, make_encoder_like
from user_error import UserError

ONE_SIZE = "{what} takes images of one size only: choose another encoder, such as 'mit_b0' or 'tu-swin_tiny_patch4_window7_224'"


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


def load_pretrained_encoder(like: nn.Module, name: str, weights: str, in_channels: int) -> nn.Module:
    """An encoder for `in_channels` with `weights`, a name on the hub or the path of a local file.

    Weights of three channels are spread over any other number, as smp and timm do it.

    Args:
        like: the encoder that the weights are for.
        name: of it.
        weights: see above.
        in_channels: C.

    Raises:
        UserError: the weights cannot be had, or belong to another encoder.
    """
    if not _is_path(weights):
        return load_hub_encoder(like, name, weights, in_channels)
    encoder: Any = make_encoder_like(like, name, in_channels=3)
    load_local(encoder, Path(weights), name)
    if not hasattr(encoder, "set_in_channels"):  # an encoder of timm knows its channels from birth
        return _adapt_channels(encoder, name, in_channels)
    encoder.set_in_channels(in_channels, pretrained=True)
    return encoder


def _is_path(weights: str) -> bool:
    return "/" in weights or Path(weights).suffix in {".safetensors", ".pt", ".pth", ".bin", ".ckpt"}


def _adapt_channels(encoder: nn.Module, name: str, in_channels: int) -> nn.Module:
    """An encoder of timm for `in_channels`, with the weights of one for three: those of its first convolution spread."""
    adapted = make_encoder_like(encoder, name, in_channels)
    shapes = {key: value.shape for key, value in adapted.state_dict().items()}
    state = {
        key: value if value.shape == shapes[key] else timm.models.adapt_input_conv(in_channels, value)
        for key, value in encoder.state_dict().items()
    }
    adapted.load_state_dict(state)
    return adapted


def make_for_any_size(
    make: Callable[..., nn.Module], encoder_of: Callable[[Any], nn.Module], name: str, in_channels: int, what: str
) -> nn.Module:
    """What `make` makes, with an encoder that takes images of any size.

    Positions and masks of timm's ViTs and Swins are made for one size, unless they are told to make them anew for every image.

    Args:
        make: a network around an encoder; further arguments go to the encoder.
        encoder_of: the encoder of such a network.
        name: of the encoder; those of smp fit any size as they are.
        in_channels: C of its images.
        what: is said to take one size only.

    Raises:
        UserError: it does, whatever it is told.
    """
    made = make()
    if not name.startswith("tu-") or _takes_any_size(encoder_of(made), in_channels):
        return made
    try:
        made = make(dynamic_img_size=True)
    except TypeError as error:  # it knows no such argument
        raise UserError(ONE_SIZE.format(what=what)) from error
    if not _takes_any_size(encoder_of(made), in_channels):
        raise UserError(ONE_SIZE.format(what=what))
    return made


@torch.inference_mode()
def _takes_any_size(encoder: Any, in_channels: int) -> bool:
    training = encoder.training
    encoder.eval()
    low, high = (-(-side // encoder.output_stride) * encoder.output_stride for side in (64, 544))
    try:
        for width in (low, high):
            encoder(torch.zeros(1, in_channels, low, width))
    except (AssertionError, RuntimeError, IndexError):
        return False
    finally:
        encoder.train(training)
    return True


def keeps_its_classifier(name: str) -> bool:
    """Whether smp keeps the last convolution of the classifier in an encoder: that of EfficientNets, in every make."""
    return "efficientnet" in name


@torch.inference_mode(False)
@torch.enable_grad()
def remove_unused_parts(encoder: nn.Module, model: nn.Module, image: Tensor) -> None:
    """Remove what `model` does not use of its encoder: costs without a use, and DDP would wait for its gradients.

    Encoders of smp keep the stages beyond their depth, and EfficientNets the last convolution of the classifier. What goes on
    being called for its shape, as between the branches of an HRNet, stays and learns nothing.

    Args:
        encoder: a part of the model.
        model: maps images to one tensor, or to several.
        image: (B, C, H, W) of a size that it takes.
    """
    model.eval()
    expected = _concatenate_outputs(model, image)
    expected.sum().backward()
    removed = _remove_without_gradient(encoder)
    if not _has_output(model, image, expected):
        _keep_needed(removed, model, image, expected)
    model.zero_grad()
    model.train()


def _concatenate_outputs(model: nn.Module, image: Tensor) -> Tensor:
    expected = model(image)
    return torch.cat([one.flatten() for one in (expected if isinstance(expected, list | tuple) else [expected])])


def _has_output(model: nn.Module, image: Tensor, expected: Tensor) -> bool:
    try:
        with torch.no_grad():
            return torch.equal(_concatenate_outputs(model, image), expected)
    except RuntimeError:
        return False


class Unused(nn.Identity):
    """Stands where a part stood that no answer depends on: passes on what it is given first, whatever comes with it.

    Some encoders go on calling their parts. Weights of the part, in a checkpoint that still has them, are passed over.
    """

    def forward(self, input: Tensor, *_: Any, **__: Any) -> Tensor:
        """The first of what it is given."""
        return input

    def _load_from_state_dict(self, *_: Any) -> None:
        pass


def _remove_without_gradient(module: nn.Module) -> list[tuple[nn.Module, str, nn.Module]]:
    """Put `Unused` where no parameter has a gradient: the parents, the names there, and what was taken out."""
    removed = []
    for name, child in list(module.named_children()):
        parameters = list(child.parameters())
        indexed = isinstance(child, nn.ModuleList | nn.ModuleDict)
        if parameters and not indexed and all(parameter.grad is None for parameter in parameters):
            setattr(module, name, Unused())
            removed.append((module, name, child))
        else:
            removed += _remove_without_gradient(child)
    return removed


def _keep_needed(
    removed: list[tuple[nn.Module, str, nn.Module]], model: nn.Module, image: Tensor, expected: Tensor
) -> None:
    for parent, name, child in removed:
        setattr(parent, name, child)
    for parent, name, child in removed:
        setattr(parent, name, Unused())
        if not _has_output(model, image, expected):
            setattr(parent, name, child.requires_grad_(False))
