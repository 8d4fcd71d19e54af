"""Operations that change the values of float images (n, C, H, W) in [0, 1], each by a strength of its own, (n, 1, 1, 1).

They are those of AutoAugment (Cubuk et al., CVPR 2019), as Pillow defines them for images of 8 bits.
"""

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the grey value, of ITU-R BT.601."""


def stretch_contrast(image: Tensor, _: Tensor) -> Tensor:
    """Autocontrast: stretch every channel to the whole range; a channel of one value stays."""
    channels = image.flatten(0, 1)[:, None]  # torchvision takes one or three channels, data sets may have others
    return functional.autocontrast_image(channels).view_as(image)


def equalize(image: Tensor, _: Tensor) -> Tensor:
    """Map the levels of every channel, of 8 bits, such that its histogram becomes even."""
    return functional.equalize_image(image)


def posterize(image: Tensor, bits: Tensor) -> Tensor:
    """Keep the highest `bits` of 8, rounded to whole bits, at least one."""
    step = 2.0 ** (8 - bits.round().clamp(min=1))
    return (image * 255 + 1e-3).div_(step).floor_().mul_(step / 255)  # a level that floats round down stays one


def solarize(image: Tensor, threshold: Tensor) -> Tensor:
    """Invert values from `threshold` on."""
    return torch.where(image < threshold, image, 1 - image)


def change_brightness(image: Tensor, change: Tensor) -> Tensor:
    """Blend with black: at a change of -1 black, at 0 the image, at 1 twice as bright."""
    return (image * (1 + change)).clamp_(0, 1)


def change_contrast(image: Tensor, change: Tensor) -> Tensor:
    """Blend with the image's mean grey value."""
    return _extrapolate(make_grey(image).mean((2, 3), keepdim=True), image, change)


def change_colour(image: Tensor, change: Tensor) -> Tensor:
    """Blend with the grey image: saturation. Images without three channels have no colours and stay."""
    return _extrapolate(make_grey(image), image, change) if image.shape[1] == len(LUMA) else image


def change_sharpness(image: Tensor, change: Tensor) -> Tensor:
    """Blend with the image smoothed by 3 x 3 pixels, of weights 5 in the middle and 1 around it; the border stays."""
    if min(image.shape[2:]) < 3:
        return image
    inside = image[:, :, 1:-1, 1:-1]
    rows = image[:, :, :-2] + image[:, :, 1:-1] + image[:, :, 2:]  # far faster than a convolution of each channel
    box = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]
    found = image.clone()
    found[:, :, 1:-1, 1:-1] = _extrapolate(box.add_(inside, alpha=4).div_(13), inside, change)
    return found


def make_grey(image: Tensor) -> Tensor:
    """Grey values (n, 1, H, W): by luma of three channels, by the mean of others."""
    if image.shape[1] != len(LUMA):
        return image.mean(1, keepdim=True)
    red, green, blue = (weight * image[:, channel : channel + 1] for channel, weight in enumerate(LUMA))
    return red + green + blue


def _extrapolate(other: Tensor, image: Tensor, change: Tensor) -> Tensor:
    """The other image at a change of -1, the image at 0, as far beyond it at 1; cut to [0, 1]."""
    return torch.lerp(other.expand_as(image), image, 1 + change).clamp_(0, 1)
