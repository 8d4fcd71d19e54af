"""Weather: brightness and fog."""

import torch
from torch import Tensor
from typing_extensions import override

from datamodules.corruptions.base import Corruption, count_images_per_chunk
from datamodules.corruptions.declaration import declare
from datamodules.corruptions.kernels.plasma import draw_plasma

FIELDS = 1 << 21  # values of fog that are drawn together on a CPU


class Brightness(Corruption):
    """More light: the value of HSV grows by a tenth of the range per severity (Hendrycks & Dietterich, ICLR 2019).

    Hue and saturation are unchanged, so every channel is scaled like the largest, V. V is the maximum over *all*
    channels of the image, whatever their number. Black becomes grey.
    """

    name = "brightness"
    family = "weather"
    exact = True
    severities = declare(value_added=(0.1, 0.2, 0.3, 0.4, 0.5))
    """Relative to the range."""

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, value_added: float) -> Tensor:
        added = round(510 * value_added)  # in half levels
        value = images.amax(1, keepdim=True).to(torch.float32)
        raised = (2 * value + added).clamp_(max=510)
        # x * min(2V + added, 510) / 2V, rounded down, in exact arithmetic: the product is below 2 ** 17, hence exact, and
        # a quotient that is no integer is at least 1 / 510 away from the next one, while rounding to float32 moves it
        # by less than 1e-5; one that is an integer is not moved at all.
        levels = images.to(torch.float32).mul_(raised).div_((2 * value).clamp_(min=1))
        return levels.masked_fill_(value == 0, added // 2).to(torch.uint8)


class Fog(Corruption):
    """Fog of varying density: a plasma field over the image (Hendrycks & Dietterich, ICLR 2019).

    The field has the size of the next power of two, and is cropped. The largest level of an image, over all its channels,
    is preserved; black images stay black. All channels have the same fog.
    """

    name = "fog"
    family = "weather"
    in_chunks = False
    severities = declare(density=(1.5, 2.0, 2.5, 2.5, 3.0), decay=(2.0, 2.0, 1.7, 1.5, 1.4))
    """Density relative to the range of the image; `decay` is the divisor of the roughness from scale to scale."""

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, density: float, decay: float) -> Tensor:
        height, width = images.shape[2:]
        side = 1 << (max(height, width) - 1).bit_length()
        on_cpu = images.device.type == "cpu"
        # The coarse levels of a field are so small that many images cost little more than one.
        group = max(1, FIELDS // side**2) if on_cpu else len(images)
        piece = count_images_per_chunk(images)
        result = torch.empty_like(images)
        for some, drawn, done in zip(images.split(group), keys.split(group), result.split(group), strict=True):
            fogs = draw_plasma(drawn, side, decay)[:, None, :height, :width]
            for parts in zip(some.split(piece), fogs.split(piece), done.split(piece), strict=True):
                _add_fog(*parts, 255 * density)
        return result


def _add_fog(images: Tensor, fogs: Tensor, result: Tensor, density: float) -> None:
    """Put fogs, float32 (B, 1, H, W) in [0, 1], over images, uint8 (B, C, H, W), into `result`; rounded down."""
    brightest = images.amax((1, 2, 3), keepdim=True).to(torch.float32)
    transmission = brightest / (brightest + density)
    result.copy_((images * transmission).add_(fogs * (density * transmission)).clamp_(max=255))
