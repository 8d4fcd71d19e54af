"""Encoders of smp and timm by name: checks of names, pretrained weights for any channels, and removal of unused parts."""

import difflib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import segmentation_models_pytorch as smp
import timm
import torch
from torch import Tensor, nn

from lightning_modules.networks.hiera import fit_hiera
from lightning_modules.networks.pretrained import load_hub_encoder, load_local, make_encoder_like
from user_error import UserError

ONE_SIZE = (
    "the encoder {name!r} has positions of one image size: set image_size, such as {side}, and predict larger images by "
    "sliding windows of it; or choose an encoder of any size, such as 'mit_b0' or 'tu-swin_tiny_patch4_window7_224'"
)

TIMM_ERRORS = (TypeError, ValueError, KeyError, IndexError, AssertionError, RuntimeError, NotImplementedError)
"""Errors that smp and timm raise for incompatible parts."""


def check_encoder(name: str, of_timm: bool = False) -> None:
    """Refuse a name that is unknown to smp and, as ``tu-NAME``, to timm.

    Args:
        name: of the encoder.
        of_timm: whether it is one of timm without ``tu-`` before it.

    Raises:
        UserError: the name is unknown; the message suggests similar ones.
    """
    timm_name = name if of_timm else name.removeprefix("tu-")
    known = timm.list_models() if of_timm or timm_name != name else list(smp.encoders.encoders)
    if timm_name.split(".")[0] not in known:
        close = difflib.get_close_matches(timm_name, known, n=3)
        hint = (
            f"did you mean {' or '.join(map(repr, close))}?"
            if close
            else f"see the list of {'timm' if of_timm else 'smp'}"
        )
        form = "" if of_timm else " (an encoder of timm is written 'tu-NAME')"
        raise UserError(f"unknown encoder {name!r}: {hint}{form}")


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
    if not is_path(weights):
        return load_hub_encoder(like, name, weights, in_channels)
    encoder: Any = make_encoder_like(like, name, in_channels=3)
    load_local(encoder, Path(weights), name)
    if not hasattr(encoder, "set_in_channels"):  # timm fixes the channels at construction
        return _adapt_channels(encoder, name, in_channels)
    encoder.set_in_channels(in_channels, pretrained=True)
    return encoder


def is_path(weights: str) -> bool:
    """Whether weights are named by the path of a file, and not by a name on the hub."""
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


def find_timm_model_settings(name: str) -> dict[str, Any]:
    """What the pretraining of an encoder of timm tells of its images: ``mean``, ``std``, ``input_size`` (C, H, W)."""
    found: Any = timm.models.get_pretrained_cfg(name.removeprefix("tu-"), allow_unregistered=True)
    return found.to_dict()


class Sized(NamedTuple):
    """A network, and the multiple to which its encoder needs images to be padded."""

    network: Any
    multiple: int


def make_for_any_size(
    make: Callable[..., nn.Module],
    encoder_of: Callable[[Any], nn.Module],
    name: str,
    in_channels: int,
    image_size: int | None = None,
) -> Sized:
    """Make a network with an encoder that takes images of any size, or of `image_size`.

    Positions of timm's ViTs and masks of its Swins have a fixed size, unless `dynamic_img_size` is set; the windows of a MaxViT
    divide the multiples of its size; a Hiera is fitted to each image (see `HieraSize`).

    Args:
        make: makes the network; keyword arguments are passed to its encoder.
        encoder_of: returns the encoder of the network.
        name: name of the encoder; those of smp take any size.
        in_channels: C of its images.
        image_size: side of the only images that it is made for.

    Raises:
        UserError: the encoder takes images of one size only, or cannot be made for `image_size`.
    """
    if image_size is not None:
        return _make_for_one_size(make, encoder_of, name, in_channels, image_size)
    made = make()
    encoder: Any = encoder_of(made)
    if not name.startswith("tu-"):
        return Sized(made, encoder.output_stride)
    fit_hiera(encoder)
    if _takes_multiples(encoder, in_channels, encoder.output_stride, 544):
        return Sized(made, encoder.output_stride)
    side = find_timm_model_settings(name)["input_size"][-1]
    if side % encoder.output_stride == 0 and _takes_multiples(encoder, in_channels, side, 2 * side):
        return Sized(made, side)
    try:
        made = make(dynamic_img_size=True)
    except TypeError as error:  # it knows no such argument
        raise UserError(ONE_SIZE.format(name=name, side=side)) from error
    encoder = encoder_of(made)
    if not _takes_multiples(encoder, in_channels, encoder.output_stride, 544):
        raise UserError(ONE_SIZE.format(name=name, side=side))
    return Sized(made, encoder.output_stride)


def _make_for_one_size(
    make: Callable[..., nn.Module], encoder_of: Callable[[Any], nn.Module], name: str, in_channels: int, side: int
) -> Sized:
    if not name.startswith("tu-"):
        raise UserError(f"the encoder {name!r} takes images of any size: leave image_size out")
    native = find_timm_model_settings(name)["input_size"][-1]
    try:
        made = make(img_size=side)
    except TIMM_ERRORS:  # some know no such argument, and have their own size
        made = make()
    if not _takes(encoder_of(made), in_channels, side, side):
        raise UserError(
            f"the encoder {name!r} cannot be made for images of {side} x {side}: set image_size to {native}, as in its "
            "pretraining"
        )
    return Sized(made, side)


def _takes_multiples(encoder: Any, in_channels: int, multiple: int, widest: int) -> bool:
    """Whether an encoder takes square images and wide ones, both sides multiples of `multiple`."""
    low, high = (-(-side // multiple) * multiple for side in (64, widest))
    return all(_takes(encoder, in_channels, low, width) for width in (low, high))


@torch.inference_mode()
def _takes(encoder: Any, in_channels: int, height: int, width: int) -> bool:
    training = encoder.training
    encoder.eval()
    try:
        encoder(torch.zeros(1, in_channels, height, width))
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
