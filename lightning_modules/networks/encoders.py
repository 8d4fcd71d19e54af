"""Encoders of smp and timm by name: checks of names, pretrained weights for any channels, and removal of unused parts."""

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
    """Refuse a name that is unknown to smp and, as ``tu-NAME``, to timm.

    Raises:
        UserError: the name is unknown; the message suggests similar ones.
    """
    timm_name = name.removeprefix("tu-")
    known = timm.list_models() if timm_name != name else list(smp.encoders.encoders)
    if timm_name.split(".")[0] not in known:
        close = difflib.get_close_matches(timm_name, known, n=3)
        hint = f"did you mean {' or '.join(map(repr, close))}?" if close else "see the encoder list of smp"
        raise UserError(f"unknown encoder {name!r}: {hint} (an encoder of timm is written 'tu-NAME')")


def load_pretrained_encoder(like: nn.Module, name: str, weights: str, in_channels: int) -> nn.Module:
    """An encoder for `in_channels` with `weights`, a name on the hub or the path of a local file.

    Weights of three channels are adapted to any other number, as in smp and timm.

    Args:
        like: an encoder of the same kind.
        name: name of the encoder.
        weights: see above.
        in_channels: C.

    Raises:
        UserError: the weights cannot be loaded, or belong to another encoder.
    """
    if not _is_path(weights):
        return load_hub_encoder(like, name, weights, in_channels)
    encoder: Any = make_encoder_like(like, name, in_channels=3)
    load_local(encoder, Path(weights), name)
    if not hasattr(encoder, "set_in_channels"):  # timm fixes the channels at construction
        return _adapt_channels(encoder, name, in_channels)
    encoder.set_in_channels(in_channels, pretrained=True)
    return encoder


def _is_path(weights: str) -> bool:
    return "/" in weights or Path(weights).suffix in {".safetensors", ".pt", ".pth", ".bin", ".ckpt"}


def _adapt_channels(encoder: nn.Module, name: str, in_channels: int) -> nn.Module:
    """An encoder of timm for `in_channels`, with the adapted weights of one for three channels."""
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
    """Make a network with an encoder that takes images of any size.

    Position embeddings and masks of timm's ViTs and Swins have a fixed size, unless `dynamic_img_size` is set.

    Args:
        make: makes the network; keyword arguments are passed to its encoder.
        encoder_of: returns the encoder of the network.
        name: name of the encoder; those of smp take any size.
        in_channels: C of its images.
        what: name of the network for the message.

    Raises:
        UserError: the encoder takes images of one size only.
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
    """Whether an encoder of smp still contains the last convolution of the classifier, as all EfficientNets do."""
    return "efficientnet" in name


@torch.inference_mode(False)
@torch.enable_grad()
def remove_unused_parts(encoder: nn.Module, model: nn.Module, image: Tensor) -> None:
    """Remove parts of the encoder that `model` does not use, whose gradients DistributedDataParallel would wait for.

    Encoders of smp contain stages beyond their depth, and EfficientNets the last convolution of the classifier. Parts that
    are called only for the shape of their output, as between the branches of an HRNet, are frozen instead.

    Args:
        encoder: a part of the model.
        model: maps images to one tensor, or to several.
        image: (B, C, H, W) of a valid size.
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
    """Replaces a part that does not affect the output; returns its first argument, since some encoders still call it.

    Weights of the part in older checkpoints are ignored.
    """

    def forward(self, input: Tensor, *_: Any, **__: Any) -> Tensor:
        """The first argument."""
        return input

    def _load_from_state_dict(self, *_: Any) -> None:
        pass


def _remove_without_gradient(module: nn.Module) -> list[tuple[nn.Module, str, nn.Module]]:
    """Replace parts without gradients by `Unused`; returns the parents, attribute names and removed parts."""
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
