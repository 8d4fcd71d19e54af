"""Microscopy: artefacts of staining, slide and focus in images of cells and tissue.

Results are rounded to the nearest level, but for `OutOfFocus`.
"""

from functools import lru_cache
from math import ceil, exp, hypot, log

import torch
from torch import Tensor
from typing_extensions import override

from datamodules.corruptions.base import Corruption
from datamodules.corruptions.declaration import declare
from datamodules.corruptions.kernels.filters import blur_levels
from datamodules.corruptions.kernels.random import draw_bits
from datamodules.corruptions.kernels.soft_shapes import (
    blend,
    draw_between,
    draw_clusters,
    draw_directions,
    make_grid,
    render_maximum,
    smoothstep,
)

STAINS = ((0.65, 0.70, 0.29), (0.07, 0.99, 0.11), (0.27, 0.57, 0.78))
"""Optical densities of haematoxylin, eosin and DAB in red, green and blue (Ruifrok & Johnston, 2001)."""


class StainShift(Corruption):
    """Variation of stains between laboratories: the density of each stain is scaled and shifted; RGB only.

    Stains are separated as by Ruifrok & Johnston, "Quantification of Histochemical Staining by Color Deconvolution"
    (Analytical and Quantitative Cytology and Histology, 2001), and perturbed as by Tellez et al., "Whole-Slide Mitosis
    Detection in H&E Breast Histology Using PHH3 as a Reference to Train Distilled Stain-Invariant Convolutional
    Networks" (IEEE TMI, 2018). Our choice: the strengths, and that each stain's factor and shift are drawn from the
    outer halves of their ranges, so that every image shifts.
    """

    name = "stain_shift"
    family = "microscopy"
    colour_only = True
    severities = declare(scale=(0.12, 0.22, 0.34, 0.5, 0.7), shift=(0.015, 0.03, 0.05, 0.08, 0.12))
    """Largest relative change and largest shift of a stain's density."""

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, scale: float, shift: float) -> Tensor:
        factors = _draw_outer_halves(scale, keys, stream=0).add_(1)
        shifts = _draw_outer_halves(shift, keys, stream=1)
        stains, inverse = _make_stain_matrices(images.device)
        planes = images.flatten(2)
        densities = _make_density_table(images.device).index_select(0, planes.reshape(-1).int()).view(planes.shape)
        changed = torch.empty_like(densities)
        for colour in range(3):
            changed[:, colour] = sum(shifts[:, i, None] * stains[i, colour] for i in range(3))
            for source in range(3):
                weight = sum(inverse[source, i] * factors[:, i, None] * stains[i, colour] for i in range(3))
                changed[:, colour] += densities[:, source] * weight
        entries = changed.mul_(STEPS).add_(0.5).clamp_(0, DENSEST * STEPS).int()
        return _make_level_table(images.device).index_select(0, entries.view(-1)).view(images.shape)


STEPS = 4096  # of a natural unit of optical density: neighbouring steps are less than 1 / 16 of a level apart
DENSEST = 8  # 0.09 levels


def _draw_outer_halves(largest_change: float, keys: Tensor, stream: int) -> Tensor:
    """float32 (B, 3): between half of the largest change and all of it, of either sign."""
    draws = draw_between(-largest_change / 2, largest_change / 2, keys, (3,), stream)
    return draws.add_(draws.sign() * (largest_change / 2))


@lru_cache(maxsize=4)
def _make_stain_matrices(device: torch.device) -> tuple[Tensor, Tensor]:
    """float32 (3, 3), twice: stains of unit length by colour, and the inverse of that matrix."""
    stains = torch.tensor(STAINS, dtype=torch.float64)
    stains /= stains.square().sum(1, keepdim=True).sqrt()
    return stains.float().to(device), stains.inverse().float().to(device)


@lru_cache(maxsize=4)
def _make_density_table(device: torch.device) -> Tensor:
    """float32 (256,): optical density of each level; black is as dense as half a level."""
    return torch.tensor([-log(max(level, 0.5) / 255) for level in range(256)]).to(device)


@lru_cache(maxsize=4)
def _make_level_table(device: torch.device) -> Tensor:
    """uint8 (DENSEST * STEPS + 1,): level of each optical density."""
    levels = [round(255 * exp(-step / STEPS)) for step in range(DENSEST * STEPS + 1)]
    return torch.tensor(levels, dtype=torch.uint8).to(device)


class OutOfFocus(Corruption):
    """A slide out of the focal plane: a Gaussian blur that grows with the image.

    Defocus is a corruption of Zhang et al., "Benchmarking the Robustness of Deep Neural Networks to Common Corruptions
    in Digital Pathology" (MICCAI 2022). Unlike the blur of ImageNet-C it has the same width relative to a cell at any
    resolution. The Gaussian and its widths are our choice. Computed in integers and rounded down.
    """

    name = "out_of_focus"
    family = "microscopy"
    severities = declare(sigma=(0.004, 0.007, 0.011, 0.017, 0.026))
    """Standard deviation relative to the shorter side."""
    constants = declare(in_focus=0.35)
    """Standard deviation of the blur of an image in focus, in pixels, which matters for small images only."""

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, sigma: float, in_focus: float) -> Tensor:
        return blur_levels(images, hypot(in_focus, sigma * min(images.shape[2:])))


class AirBubble(Corruption):
    """Air under the compute_cover slip: a large round area, washed out and blurred, with a dark rim and a bright line in it.

    Bubbles are a corruption of Zhang et al. (MICCAI 2022), who blend in a photo, and of Di Salvo, Doerrich & Ledig,
    "MedMNIST-C" (2024); this drawing and its sizes are our choice. All channels share it.
    """

    name = "air_bubble"
    family = "microscopy"
    severities = declare(radius=(0.12, 0.18, 0.26, 0.36, 0.48))
    """Mean radius relative to the shorter side; the radius varies by up to 8 %."""
    constants = declare(blur=0.009, wobble=0.06)
    """Standard deviation of the blur relative to the shorter side; largest deviation from a circle relative to the radius."""

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, radius: float, blur: float, wobble: float) -> Tensor:
        height, width = images.shape[2:]
        side = min(height, width)
        rows, columns = make_grid(height, width, images.device)
        middle = draw_between(-0.25, 0.25, keys, (2, 1, 1), stream=0)
        drawn = draw_between(0.92, 1.08, keys, (1, 1), stream=1).mul_(radius)
        rows, columns = rows - middle[:, 0] * (height / side), columns - middle[:, 1] * (width / side)
        distance = (rows.square() + columns.square()).sqrt_()
        edge = drawn * _draw_outline(rows, columns, distance, keys, wobble)
        depth = ((edge - distance) / drawn)[:, None]  # 0 at the rim, about 1 in the middle
        inside = smoothstep(depth, 0, 0.03)
        levels = images.to(torch.float32)
        air = blur_levels(images, blur * side).to(torch.float32).mul_(0.75).add_(0.25 * 240)
        levels.add_(air.sub_(levels).mul_(inside))
        light = smoothstep(depth, 0.1, 0.14).mul_(1 - smoothstep(depth, 0.14, 0.24)).mul_(0.55)
        levels.add_((255 - levels).mul_(light))
        dark = smoothstep(depth, -0.04, 0.02).mul_(1 - smoothstep(depth, 0.04, 0.13)).mul_(0.75)
        return blend(levels, 20, dark)


def _draw_outline(rows: Tensor, columns: Tensor, distance: Tensor, keys: Tensor, wobble: float) -> Tensor:
    """float32 (B, H, W): radius of a wobbly circle in the direction of each pixel, 1 on average."""
    draws = draw_between(-wobble / 2, wobble / 2, keys, (4, 1, 1), stream=2)
    across, down = columns / distance.clamp(min=1e-6), rows / distance.clamp(min=1e-6)
    double, third = 2 * across * down, across * (4 * across * across - 3)  # sin 2a and cos 3a
    return double.mul_(draws[:, 0]).add_(third.mul_(draws[:, 1])).add_(1)


class DarkSpots(Corruption):
    """Dust and stain deposits: dark clots of a few grains each, out of focus at their rims.

    Stain deposits are a corruption of Di Salvo, Doerrich & Ledig, "MedMNIST-C" (2024). Shapes, sizes and numbers are
    our choice. All channels darken alike.
    """

    name = "dark_spots"
    family = "microscopy"
    severities = declare(clots=(3, 6, 10, 16, 25))
    """Number of clots."""
    constants = declare(grains=5, radii=(0.006, 0.03))
    """Number of grains in each clot; smallest and largest radius of a grain, relative to the shorter side."""
    opacity = 0.92

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, clots: int, grains: int, radii: tuple[float, float]) -> Tensor:
        height, width = images.shape[2:]
        side = min(height, width)
        count = clots * grains
        radius = draw_between(*radii, keys, (count, 1, 1), stream=1).mul_(side)

        def compute_cover(rows: Tensor, columns: Tensor) -> Tensor:
            distance = (rows * rows + columns * columns).sqrt_()
            return 1 - smoothstep(distance, radius * 0.6 - 0.5, radius * 1.1 + 0.5)

        places = draw_clusters(keys, count, clots, 0.016, stream=0)
        reach = ceil(1.1 * radii[1] * side + 0.5)
        cover_field = render_maximum((height, width), places, reach, compute_cover, torch.float32)
        return blend(images, 25, cover_field.mul_(self.opacity)[:, None])


class MarkerInk(Corruption):
    """A pathologist's felt pen across the slide: a translucent stroke in blue, green or black.

    Marks are a corruption of Zhang et al. (MICCAI 2022). The ink absorbs: it multiplies the light of each colour. With any
    other number of channels all are darkened equally. Inks, shapes and widths are our choice.
    """

    name = "marker_ink"
    family = "microscopy"
    severities = declare(width=(0.035, 0.07, 0.12, 0.2, 0.32))
    """Width of the stroke, relative to the shorter side."""
    constants = declare(inks=((0.12, 0.2, 0.75), (0.1, 0.62, 0.3), (0.14, 0.14, 0.16)), dark=0.2)
    """Transmittance of a full layer of each ink for red, green and blue; transmittance in images without colours."""

    @override
    def corrupt(
        self, images: Tensor, keys: Tensor, *, width: float, inks: tuple[tuple[float, ...], ...], dark: float
    ) -> Tensor:
        rows, columns = make_grid(images.shape[2], images.shape[3], images.device)
        cosine, sine = draw_directions(keys, (1, 1), stream=0)
        offset, bend = draw_between(-0.2, 0.2, keys, (2, 1, 1), stream=1).unbind(1)
        along, across = columns * cosine + rows * sine, rows * cosine - columns * sine
        # The centre of the stroke follows a parabola with a slight cubic deviation; streaks run along the stroke.
        away = (across - offset).sub_(along * along * bend * 3).sub_(along * (along * along - 0.2) * bend)
        ink = 1 - smoothstep(away.abs(), width / 2 - 0.006, width / 2 + 0.006)
        streaks = _draw_streaks(away.mul_(1 / width), keys)
        layer = ink.mul_(streaks)[:, None]
        passed = _draw_ink(inks, keys) if images.shape[1] == 3 else dark
        return blend(images, 0, layer.mul(1 - passed))


def _draw_ink(inks: tuple[tuple[float, ...], ...], keys: Tensor) -> Tensor:
    """float32 (B, 3, 1, 1): transmittance in each channel."""
    drawn = draw_bits(keys, (1,), stream=2).mul_(len(inks)).bitwise_right_shift_(16)
    return torch.tensor(inks, device=keys.device).index_select(0, drawn.view(-1))[:, :, None, None]


def _draw_streaks(position: Tensor, keys: Tensor) -> Tensor:
    """float32 (B, H, W): thickness of the ink by the position across the stroke; the tip leaves thin lines."""
    lines = draw_between(0.72, 1, keys, (16,), stream=3)
    at = position.add(0.5).mul_(13).clamp_(0, 13.99)
    first = at.floor()
    position = at.sub_(first)
    index = first.long().flatten(1)
    low, high = lines.gather(1, index).view(position.shape), lines.gather(1, index + 1).view(position.shape)
    return high.sub_(low).mul_(position).add_(low)
