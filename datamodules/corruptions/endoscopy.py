"""Endoscopy: artefacts of light, fluids, smoke and optics.

Results are rounded to the nearest level. Layers affect all channels equally, for any number of channels.
"""

from collections.abc import Callable
from functools import lru_cache
from math import ceil

import torch
from torch import Tensor
from typing_extensions import override

from datamodules.corruptions.base import Corruption
from datamodules.corruptions.declaration import declare
from datamodules.corruptions.kernels.plasma import draw_plasma
from datamodules.corruptions.kernels.soft_shapes import (
    blend,
    draw_between,
    draw_clusters,
    draw_directions,
    make_grid,
    render_maximum,
    smoothstep,
)


class SpecularHighlights(Corruption):
    """Specular reflections of the light source on wet tissue: clustered, saturated blobs with a faint halo.

    One of the artefact classes of Ali et al., "An objective comparison of detection and segmentation algorithms for
    artefacts in clinical endoscopy" (Scientific Reports, 2020). Shapes, sizes and numbers are our choice.
    """

    name = "specular_highlights"
    family = "endoscopy"
    severities = declare(count=(14, 28, 52, 90, 150))
    """Number of blobs."""
    constants = declare(clusters=6, radii=(0.004, 0.02))
    """`radii` are the smallest and the largest short half-axis, relative to the shorter side; most are small."""
    halo = 1.9
    """Radius of the halo, in radii of its blob."""

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, count: int, clusters: int, radii: tuple[float, float]) -> Tensor:
        height, width = images.shape[2:]
        side = min(height, width)
        low, high = radii
        draws = draw_between(0, 1, keys, (count, 1, 1), stream=1)
        radius = draws.mul_(draws).mul_(high - low).add_(low).mul_(side)
        length = draw_between(1, 2.2, keys, (count, 1, 1), stream=2)
        cosine, sine = draw_directions(keys, (count, 1, 1), stream=3)

        def compute_opacity(rows: Tensor, columns: Tensor) -> Tensor:
            along, across = (columns * cosine + rows * sine) / length, rows * cosine - columns * sine
            distance = (along * along + across * across).sqrt_()
            # Pixels at the rim are covered partially, so that blobs smaller than a pixel fade instead of vanishing.
            core = (radius - distance).add_(0.5).clamp_(0, 1).mul_((2 * radius).clamp_(max=1))
            halo = (1 - distance / (self.halo * radius)).clamp_(min=0)
            return torch.maximum(core, halo.mul_(0.8))

        places = draw_clusters(keys, count, clusters, 0.07, stream=0)
        reach = ceil(2.2 * self.halo * high * side)
        return blend(
            images, 255, render_maximum((height, width), places, reach, compute_opacity, torch.float32)[:, None]
        )


class Smoke(Corruption):
    """Smoke of electrocautery: a whitish layer of varying density.

    Rendered smoke over clean laparoscopic images is how Chen et al., "De-smokeGCN: Generative Cooperative Networks for
    Joint Surgical Smoke Detection and Removal" (IEEE TMI, 2020), obtain pairs. Plasma noise for the density, as in the
    fog of Hendrycks & Dietterich (ICLR 2019), and the opacities are our choice.
    """

    name = "smoke"
    family = "endoscopy"
    severities = declare(opacity=(0.25, 0.4, 0.55, 0.7, 0.85))
    """Largest opacity; the smallest is a fifth of it."""
    constants = declare(decay=1.9, level=215)
    """`level` is the level of the smoke in every channel."""

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, opacity: float, decay: float, level: int) -> Tensor:
        height, width = images.shape[2:]
        side = 1 << (max(height, width) - 1).bit_length()
        density = draw_plasma(keys, side, decay)[:, None, :height, :width]
        return blend(images, level, density.mul(0.8).add_(0.2).mul_(opacity))


class Bubbles(Corruption):
    """Bubbles of rinsing fluid: clear discs with a minified view, a bright rim and a reflection of the light source.

    One of the artefact classes of Ali et al. (Scientific Reports, 2020). Shapes, sizes and numbers are our choice.
    """

    name = "bubbles"
    family = "endoscopy"
    severities = declare(count=(6, 12, 22, 38, 64))
    """Number of bubbles."""
    constants = declare(clusters=4, radii=(0.02, 0.1))
    """`radii` are the smallest and the largest, relative to the shorter side; small ones are the most frequent."""

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, count: int, clusters: int, radii: tuple[float, float]) -> Tensor:
        height, width = images.shape[2:]
        side = min(height, width)
        low, high = radii
        draws = draw_between(0, 1, keys, (count,), stream=1)
        radius = draws.mul_(draws).mul_(high - low).add_(low).mul_(side)
        places = draw_clusters(keys, count, clusters, 0.13, stream=0)
        numbers = torch.arange(1, count + 1, dtype=torch.int32, device=images.device)[:, None, None]

        def compute_number(rows: Tensor, columns: Tensor) -> Tensor:
            return (rows * rows + columns * columns < radius[..., None, None].square()).to(torch.int32).mul_(numbers)

        uppermost = (
            render_maximum((height, width), places, ceil(high * side), compute_number, torch.int32).flatten(1).long()
        )
        nothing = torch.zeros_like(
            radius[:, :1]
        )  # pixels outside all bubbles belong to bubble 0, far larger than the others
        scale = torch.tensor([height, width], dtype=torch.float32, device=images.device)
        centres = torch.cat((nothing[..., None].expand(-1, 1, 2), places * scale - 0.5), 1)
        radius = torch.cat((nothing + 64 * (height + width), radius), 1).gather(1, uppermost)
        pixels = torch.arange(height * width, device=images.device)
        away = [
            pixels // width - centres[..., 0].gather(1, uppermost),
            pixels % width - centres[..., 1].gather(1, uppermost),
        ]
        views = _refract(images, away, radius, uppermost > 0)
        return blend(views, 255, _compute_reflection(away, radius).view(-1, 1, height, width))


def _refract(images: Tensor, away: list[Tensor], radius: Tensor, inside: Tensor) -> Tensor:
    """uint8 (B, C, H, W): the view through bubbles, which act as diverging lenses that refract more towards the rim."""
    height, width = images.shape[2:]
    stretch = (away[0] * away[0] + away[1] * away[1]).div_(radius * radius).mul_(0.8).mul_(inside)
    pixels = torch.arange(height * width, device=images.device)
    rows = (away[0] * stretch).round_().long().add_(pixels // width).clamp_(0, height - 1)
    columns = (away[1] * stretch).round_().long().add_(pixels % width).clamp_(0, width - 1)
    sources = rows.mul_(width).add_(columns)[:, None].expand(-1, images.shape[1], -1)
    return images.flatten(2).gather(2, sources).view(images.shape)


def _compute_reflection(away: list[Tensor], radius: Tensor) -> Tensor:
    """float32 (B, H * W): opacity of the rim, and of the light source's reflection at the upper left of a bubble."""
    rows, columns = away[0] / radius, away[1] / radius
    distance = (rows * rows + columns * columns).sqrt_()
    rim = smoothstep(distance, 0.72, 0.93).mul_(1 - smoothstep(distance, 0.95, 1)).mul_(0.6)
    source_distance = (rows.add_(0.4).square_() + columns.add_(0.4).square_()).sqrt_()
    return torch.maximum(rim, 1 - smoothstep(source_distance, 0.12, 0.2))


class Vignette(Corruption):
    """Vignetting: light falls off towards the corners by the cosine-fourth law.

    The law and its use as a model of lenses: Kang & Weiss, "Can We Calibrate a Camera Using an Image of a Flat,
    Textureless Lambertian Surface?" (ECCV 2000). An endoscope's light source is beside the lens, so that the brightest
    place is up to a tenth of the shorter side away from the centre. The strengths are our choice.
    """

    name = "vignette"
    family = "endoscopy"
    severities = declare(corner_light=(0.6, 0.4, 0.25, 0.13, 0.06))
    """Fraction of the light that reaches the corner of a square image."""
    constants = declare(shift=0.1)

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, corner_light: float, shift: float) -> Tensor:
        height, width = images.shape[2:]
        rows, columns = make_grid(height, width, images.device)
        middle = draw_between(-shift, shift, keys, (2, 1, 1), stream=0)
        distance = (rows - middle[:, 0]).square() + (columns - middle[:, 1]).square()
        steepness = (corner_light**-0.5 - 1) / 0.5  # the squared half diagonal of the unit square
        light = distance.mul_(steepness).add_(1).square_().reciprocal_()[:, None]
        return images.to(torch.float32).mul_(light).add_(0.5).to(torch.uint8)


class BlackCorner(Corruption):
    """The black mask around an endoscope's field of view: an octagon or a disc, drawn for each image.

    Black corners are a corruption of Di Salvo, Doerrich & Ledig, "MedMNIST-C" (2024), there for dermatoscopes. The
    octagon, and severities that cover the same fraction of an image of any size and shape, are our choice. The mask is
    displaced from the centre by up to 2 % of the shorter side, and its edge is soft.
    """

    name = "black_corner"
    family = "endoscopy"
    severities = declare(covered=(0.06, 0.13, 0.22, 0.34, 0.48))
    """Fraction of the image that is black where the mask is centred."""
    constants = declare(shift=0.02, softness=0.008)
    """`softness` is the width of the edge, relative to the shorter side."""

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, covered: float, shift: float, softness: float) -> Tensor:
        height, width = images.shape[2:]
        rows, columns = make_grid(height, width, images.device)
        middle = draw_between(-shift, shift, keys, (2, 1, 1), stream=0)
        rows, columns = rows - middle[:, 0], columns - middle[:, 1]
        octagon = _compute_octagonal_distance(rows, columns).sub_(
            _find_boundary(_compute_octagonal_distance, height, width, covered)
        )
        disc = _compute_circular_distance(rows, columns).sub_(
            _find_boundary(_compute_circular_distance, height, width, covered)
        )
        beyond = torch.where(draw_between(-1, 1, keys, (1, 1), stream=1) < 0, octagon, disc)
        return blend(images, 0, smoothstep(beyond, -softness / 2, softness / 2)[:, None])


def _compute_octagonal_distance(rows: Tensor, columns: Tensor) -> Tensor:
    """Inradius of the regular octagon around the centre on which each pixel lies."""
    rows, columns = rows.abs(), columns.abs()
    return torch.maximum(torch.maximum(rows, columns), (rows + columns).mul_(0.5**0.5))


def _compute_circular_distance(rows: Tensor, columns: Tensor) -> Tensor:
    return (rows.square() + columns.square()).sqrt_()


@lru_cache(maxsize=64)
def _find_boundary(distance: Callable[[Tensor, Tensor], Tensor], height: int, width: int, ratio: float) -> float:
    """The distance beyond which a given fraction of the pixels lies."""
    distances = distance(*make_grid(height, width, torch.device("cpu"))).flatten().sort().values
    return distances[round((1 - ratio) * distances.numel()) - 1].item()
