"""Corrections of models of smp where decoder and encoder do not fit, and explanations of failures."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from segmentation_models_pytorch.decoders.dpt.decoder import DPTDecoder, ReassembleBlock
from segmentation_models_pytorch.decoders.pspnet.decoder import PSPDecoder
from segmentation_models_pytorch.decoders.unetplusplus.decoder import UnetPlusPlusDecoder
from torch import nn

from lightning_modules.networks.encoders import TIMM_ERRORS, Unused
from user_error import UserError, shorten

DILATING = ("DeepLabV3", "DeepLabV3Plus", "PAN")
"""Decoders that need maps of at least an eighth or a sixteenth of the image's resolution."""
DOUBLINGS = 3


def explain_failure(architecture: str, encoder: str, decoder: dict[str, Any], error: Exception) -> UserError:
    """The `UserError` for an error of smp or timm when they construct a network."""
    undilated = isinstance(error, AssertionError) or any(word in str(error) for word in ("dilated", "output_stride"))
    if architecture in DILATING and undilated:
        return UserError(
            f"{architecture} asks for an encoder whose convolutions can be dilated, and those of {encoder!r} cannot: choose one "
            f"such as 'resnet18' or 'mobilenet_v2', or an architecture other than {', '.join(DILATING)}"
        )
    if architecture == "DPT" and not encoder.startswith("tu-"):
        return UserError(
            f"DPT asks for an encoder of timm, such as 'tu-vit_tiny_patch16_224', and {encoder!r} is none: choose one, or "
            "another architecture, such as Unet or UPerNet"
        )
    if "downsampling pattern" in str(error):
        return UserError(
            f"{architecture} reads maps of a quarter to a 32nd of the image's resolution, and {encoder!r} has others: choose "
            "another encoder, such as 'tu-swin_tiny_patch4_window7_224'; a plain vision transformer goes under DPT, or under the "
            "heads of FoundationNetwork (experiments/configs/network/dinov3_unet.yaml)"
        )
    given = f" with {decoder}" if decoder else ""
    remedy = "change 'decoder', or choose" if decoder else "choose"
    fits = "tu-vit_tiny_patch16_224" if architecture == "DPT" else "resnet18"
    return UserError(
        f"smp cannot build {architecture} on {encoder!r}{given} ({shorten(error).rstrip('.')}): {remedy} another encoder, such "
        f"as {fits!r}, or another architecture"
    )


def mend(model: Any) -> None:
    """Correct a new model of smp so that its modules match its forward pass."""
    if isinstance(model.decoder, UnetPlusPlusDecoder):
        # on VGG it holds a block that is never called, whose gradients DDP would wait for
        model.decoder.center = Unused()
    if isinstance(model.decoder, PSPDecoder):
        _fit_pyramid(model.decoder)
    if isinstance(model.decoder, DPTDecoder):
        _fit_patches(model.decoder, model.encoder.output_strides)


def _fit_patches(decoder: DPTDecoder, strides: Sequence[int]) -> None:
    """Scale the maps of DPT by powers of two where patches are of another size, such as the 14 pixels of DINOv2.

    smp rounds the factors of such a patch down, to maps that do not add up. With those of the nearest power of two, the logits
    are larger or smaller than the image by a factor, and resized by the network.
    """
    for level, (block, stride) in enumerate(zip(decoder.reassemble_blocks, strides, strict=True)):
        if stride & (stride - 1):
            channels = block.project_to_out_channel.out_channels
            rounded = 2 ** round(math.log2(stride))
            like: Any = ReassembleBlock(1, channels, 1, rounded / 2 ** (level + 2))
            block.upsample = like.upsample


def _fit_pyramid(decoder: Any) -> None:
    """Correct PSPNet's convolution: smp assumes four pooled quarters of the channels even where 4 is no divisor."""
    layer = decoder.conv[0]
    pooled = [block.pool[1][0] for block in decoder.psp.blocks]
    channels = pooled[0].in_channels + sum(one.out_channels for one in pooled)
    if channels != layer.in_channels:
        bias = layer.bias is not None
        decoder.conv[0] = nn.Conv2d(channels, layer.out_channels, layer.kernel_size, bias=bias)
        nn.init.kaiming_uniform_(decoder.conv[0].weight, mode="fan_in", nonlinearity="relu")  # as smp does


def require_side(model: nn.Module, in_channels: int, side: int, what: str) -> int:
    """The side of the only images of a model, if it takes them; see `find_sides`.

    Raises:
        UserError: it does not.
    """
    try:
        with torch.inference_mode():
            model.eval()(torch.zeros(1, in_channels, side, side))
    except TIMM_ERRORS as error:
        raise UserError(
            f"{what} do not fit at image_size {side} ({shorten(error)}): choose another encoder, architecture or size"
        ) from error
    finally:
        model.train()
    return side


@torch.inference_mode()
def find_sides(model: nn.Module, in_channels: int, stride: int, least: int, what: str) -> tuple[int, int]:
    """Find the multiple to which images are padded and the smallest side, by doubling until the model takes them.

    A shallow encoder may have windows or internal maps that need a larger multiple than its stride.

    Args:
        model: maps images (B, C, H, W) to one tensor; it is left in training mode.
        in_channels: C.
        stride: first candidate of the multiple.
        least: first candidate of the smallest side, a multiple of `stride`.
        what: name of the model for the message.

    Raises:
        UserError: the model takes none of the sizes.
    """
    model.eval()
    candidates = [(stride, least << step) for step in range(DOUBLINGS)]
    candidates += [(stride << step, max(least, stride << step)) for step in range(1, DOUBLINGS)]
    try:
        for sides in candidates:
            try:
                model(torch.zeros(1, in_channels, sides[1], sum(sides)))
                return sides
            except (RuntimeError, ValueError, AssertionError, IndexError) as error:
                last_error = error
    finally:
        model.train()
    raise UserError(
        f"{what} do not fit ({shorten(last_error)}): choose another encoder, architecture or depth"
    ) from last_error
