"""Spatter of water or mud on the lens."""

import cv2
import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from datamodules.corruptions.base import Corruption
from datamodules.corruptions.declaration import declare
from datamodules.corruptions.kernels.filters import gaussian_filter
from datamodules.corruptions.kernels.random import draw_normals
from datamodules.corruptions.kernels.threads import map_in_threads

WATER = (175, 238, 238)
MUD = (63, 42, 20)
EMBOSS = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])


class Spatter(Corruption):
    """Water at severities 1 to 3, mud at 4 and 5, out of a smoothed noise field (Hendrycks & Dietterich, ICLR 2019).

    Water glistens along the edges of its drops, which OpenCV finds and measures, on the CPU wherever the images are. A
    field without a drop leaves the image as it is, where the reference divides by zero. Three channels are red, green and
    blue; any other number gets the luma of the colour in each. One of the four corruptions of ImageNet-C that are meant
    for validation.
    """

    name = "spatter"
    family = "weather"
    libraries = ("opencv-python-headless",)
    in_chunks = False
    severities = declare(
        mean=(0.65, 0.65, 0.65, 0.65, 0.67),
        deviation=(0.3, 0.3, 0.3, 0.3, 0.4),
        sigma=(4, 3, 2, 1, 1),
        threshold=(0.69, 0.68, 0.68, 0.65, 0.65),
        water=(0.6, 0.6, 0.5, None, None),
        mud=(None, None, None, 1.5, 1.5),
    )
    """Mean and standard deviation of the noise field, the standard deviation of the filter that smooths it, in pixels, and the
    threshold above which it is liquid; the opacity of water where it is brightest; the standard deviation of the filter that
    rounds off mud, in pixels.
    """

    @override
    def corrupt(
        self,
        images: Tensor,
        keys: Tensor,
        *,
        mean: float,
        deviation: float,
        sigma: float,
        threshold: float,
        water: float | None,
        mud: float | None,
    ) -> Tensor:
        field = draw_normals(keys, (1, *images.shape[2:])).mul_(deviation).add_(mean)
        field = gaussian_filter(field, sigma)
        if mud is None:
            wet = _compute_glistening(field.mul(field >= threshold)).mul_(water or 0)
            levels = images + wet * _make_levels(WATER, images)
        else:
            covered = gaussian_filter((field > threshold).to(torch.float32), mud)
            covered = covered.mul_(covered >= 0.8)
            levels = images * (1 - covered) + covered * _make_levels(MUD, images)
        return levels.clamp_(0, 255).to(torch.uint8)


def _make_levels(colour: tuple[int, int, int], images: Tensor) -> Tensor:
    """float32 (1, C, 1, 1): a colour, or its luma for any number of channels but three."""
    red, green, blue = colour
    levels = colour if images.shape[1] == 3 else (0.2989 * red + 0.587 * green + 0.114 * blue,)
    return torch.tensor(levels, dtype=torch.float32, device=images.device)[None, :, None, None]


def _compute_glistening(liquid: Tensor) -> Tensor:
    """How bright drops are: (B, 1, H, W) in [0, 1], of fields in [0, 1] that are 0 where it is dry."""
    layers = liquid.mul(255).to(torch.uint8).cpu().numpy()[:, 0]
    bright = np.stack(map_in_threads(_compute_drop_glistening, layers))
    return torch.from_numpy(bright)[:, None].to(liquid.device)


def _compute_drop_glistening(liquid: np.ndarray) -> np.ndarray:
    """float32 (H, W): the amount of liquid, uint8, times its embossed distance from the drop's edge, relative to the maximum."""
    edges = 255 - cv2.Canny(liquid, 50, 150)
    distance = np.minimum(cv2.distanceTransform(edges, cv2.DIST_L2, 5), 20)
    distance = cv2.equalizeHist(cv2.blur(distance, (3, 3)).astype(np.uint8))
    lit = cv2.blur(cv2.filter2D(distance, cv2.CV_8U, EMBOSS), (3, 3))
    bright = liquid * lit.astype(np.float32)
    most = bright.max()
    return bright / most if most else bright
