"""Weather: light and what falls through it."""

import torch
from torch import Tensor
from typing_extensions import override

from datamodules.corruptions.base import JSON, Corruption


class Brightness(Corruption):
    """More light: the value of HSV rises by a tenth of the range per severity (Hendrycks & Dietterich, ICLR 2019).

    Hue and saturation stay, so every channel is scaled by the factor of the largest, V. V is the maximum over *all*
    channels of the image, whatever their number. Black becomes grey.
    """

    name = "brightness"
    family = "weather"

    @override
    def corrupt(self, images: Tensor, severity: int, keys: Tensor) -> Tensor:
        value = images.amax(1, keepdim=True).to(torch.float32)
        raised = (2 * value + 51 * severity).clamp_(max=510)
        # x * min(2V + 51k, 510) / 2V, rounded down, in exact arithmetic: the product is below 2 ** 17, hence exact, and
        # a quotient that is no integer is at least 1 / 510 away from the next one, while rounding to float32 moves it
        # by less than 1e-5; one that is an integer is not moved at all.
        levels = images.to(torch.float32).mul_(raised).div_((2 * value).clamp_(min=1))
        return levels.masked_fill_(value == 0, 51 * severity // 2).to(torch.uint8)

    @override
    def parameters(self, severity: int) -> dict[str, JSON]:
        return {"value_added": severity / 10}
