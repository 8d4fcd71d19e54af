"""Saturation, by conversion to HSV with the rounding errors of the reference."""

import torch
from torch import Tensor

STRIP = 1 << 16  # pixels whose float64 intermediates fit the cache of a core


def scale_saturation(images: Tensor, factor: float, offset: float) -> Tensor:
    """`images` whose saturation in HSV is multiplied by `factor` and raised by `offset`, at most to 1; rounded down.

    Args:
        images: uint8 (B, 3, H, W): red, green and blue.
        factor: of the saturation.
        offset: added to it.

    Returns:
        uint8 (B, 3, H, W).
    """
    pixels = images.flatten(2)
    strips = pixels.split(STRIP if images.device.type == "cpu" else pixels.shape[2], 2)
    return torch.cat([_scale_strip(strip, factor, offset) for strip in strips], 2).view(images.shape)


def _scale_strip(pixels: Tensor, factor: float, offset: float) -> Tensor:
    """uint8 (B, 3, N), like `pixels`: its saturation times `factor` plus `offset`."""
    most, least = pixels.amax(1), pixels.amin(1)
    value = most.to(torch.float64).div_(255).clamp_(min=1e-9)  # black stays black
    low = least.to(torch.float64).div_(255)
    chroma = value - low
    saturation = (chroma / value).mul_(factor).add_(offset).clamp_(max=1)
    red, green, blue = pixels.unbind(1)
    middle = (red + green).add_(blue).sub_(most).sub_(least)  # modulo 256 on the way
    position = middle.to(torch.float64).div_(255).sub_(low).div_(chroma.clamp_(min=1e-3))
    lowest = torch.sub(1, saturation, out=low).mul_(value).mul_(255).to(torch.uint8)

    # The middle channel gives the position of the hue within its sextant.
    is_blue = blue == most
    is_green = (green == most).logical_and_(~is_blue)
    is_red = (is_blue | is_green).logical_not_()
    rises = ((green >= blue) & is_red).logical_or_((blue >= red) & is_green).logical_or_((red >= green) & is_blue)
    rising = low.copy_(rises)
    hue = position.mul_(torch.mul(rising, 2, out=chroma).sub_(1))
    sector = is_blue.view(torch.uint8).mul(2).add_(is_green.view(torch.uint8)).mul_(2)  # 0, 2 or 4
    hue.add_(chroma.copy_(sector)).div_(6)
    part = hue.sub_(torch.floor(hue, out=chroma)).mul_(6).frac_()
    lack = part.sub_(rising).abs_().mul_(saturation)
    between = lack.neg_().add_(1).mul_(value).mul_(255).to(torch.uint8)

    coloured = most != least
    is_highest = pixels == most[:, None]
    is_highest[:, 1:] &= coloured[:, None]  # of grey, red alone
    levels = _select(pixels == least[:, None], lowest[:, None], between[:, None])
    return _select(is_highest, most[:, None], levels)


def _select(condition: Tensor, levels: Tensor, others: Tensor) -> Tensor:
    """`torch.where` on uint8, several times faster on a CPU."""
    ones = condition.view(torch.uint8).neg()
    return ones.bitwise_and_(levels ^ others).bitwise_xor_(others)
