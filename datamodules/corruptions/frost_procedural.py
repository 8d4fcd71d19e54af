"""Procedural frost on the lens, without photographs."""

from functools import lru_cache
from math import ceil

import torch
from torch import Tensor
from torch.nn import functional
from typing_extensions import override

from datamodules.corruptions.base import Corruption
from datamodules.corruptions.declaration import declare
from datamodules.corruptions.frost import Frost, mix
from datamodules.corruptions.kernels.ice import PLATES, SIZE, draw_plate
from datamodules.corruptions.kernels.random import draw_bits

PLACES = 6  # binary places of a factor: with them and a level it fits 15 bits


class FrostProcedural(Corruption):
    """Procedural feathers and needles of ice, for use without the photographs of `Frost`.

    Mixed with the image as in the frost of Hendrycks & Dietterich (ICLR 2019), but a different corruption with its own
    name: its scores are not comparable with those of `frost`. Each image gets a random crop of one of four drawn windows,
    or of its mirror image. Brightness, contrast and tint are those of the photographs on average. Unlike the photographs,
    all windows have the same ones, and ice grows in from the border with severity, so that severities vary less by chance.

    A window that is smaller than the image is enlarged to cover it. Three channels are red, green and blue; with any other
    number of channels the luma of the frost is used in each.
    """

    name = "frost_procedural"
    family = "weather"
    exact = True
    severities = declare(**Frost.severities, rim=(0.0, 0.1, 0.2, 0.5, 0.65))
    """`rim` is the relative increase of the ice's brightness at the border."""

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, image: float, frost: float, rim: float) -> Tensor:
        height, width = images.shape[2:]
        windows = _make_windows(_compute_magnification(height, width), images.shape[1] == 3, images.device)
        places = _draw_places(draw_bits(keys, (4,)), windows, height, width)
        ice = windows.view(-1).index_select(0, places.view(-1)).view(places.shape)
        factors = _compute_rim(height, width, rim, images.device)
        ice = ice.to(torch.int16).mul_(factors).bitwise_right_shift_(PLACES).clamp_(max=255)
        return mix(images, ice, image, frost)


def _draw_places(words: Tensor, windows: Tensor, height: int, width: int) -> Tensor:
    """int32 (B, planes, H, W): indices into `windows` of the frost of each image, drawn by int32 (B, 4) of 16 bits."""
    number, planes, rows, columns = windows.shape
    which, down, right, mirror = words.unbind(1)
    top, left = down * (rows - height) >> 16, right * (columns - width) >> 16
    step = 1 - 2 * (mirror & 1)
    first = torch.where(step > 0, left, left + width - 1)
    line, place = (torch.arange(length, dtype=torch.int32, device=words.device) for length in (height, width))
    lines = ((which * number >> 16) * (planes * rows) + top)[:, None] + line
    grid = (lines * columns)[:, :, None] + (first[:, None] + step[:, None] * place)[:, None]
    plane = torch.arange(0, planes * rows * columns, rows * columns, dtype=torch.int32, device=words.device)
    return grid[:, None] + plane[:, None, None]


def _compute_magnification(height: int, width: int) -> float:
    """Factor that enlarges windows to at least 1.1 times the image, in steps of 1/4, so that few different ones are cached."""
    return max(4, ceil(4.4 * max(height / SIZE[0], width / SIZE[1]))) / 4


@lru_cache(maxsize=8)
def _make_windows(magnification: float, colour: bool, device: torch.device) -> Tensor:
    """uint8 (windows, 3, H', W') in red, green and blue, or luma (windows, 1, H', W')."""
    windows = torch.stack([draw_plate(number) for number in range(len(PLATES))]).to(torch.float32)
    if not colour:
        red, green, blue = windows.split(1, 1)
        windows = red * 0.2989 + green * 0.587 + blue * 0.114
    if magnification > 1:
        windows = functional.interpolate(windows, scale_factor=magnification, mode="bicubic")
    return windows.round_().clamp_(0, 255).to(torch.uint8).to(device)


@lru_cache(maxsize=32)
def _compute_rim(height: int, width: int, most: float, device: torch.device) -> Tensor:
    """int16 (H, W): factors with PLACES binary places, 1 + `most` at the border, half of that a tenth of a side inside."""
    down, right = (
        torch.minimum(place, length - 1 - place)
        for place, length in ((torch.arange(length, dtype=torch.float32), length) for length in (height, width))
    )
    inside = torch.minimum(down[:, None], right) / min(height, width)
    return ((1 << PLACES) * (1 + most * torch.exp2(-8 * inside))).round_().to(torch.int16).to(device)
