"""Occlusion, missing regions and changes of the background.

All severities are our choice.
"""

from typing import Any

import torch
from torch import Tensor
from typing_extensions import override

from datamodules.corruptions.base import Corruption
from datamodules.corruptions.declaration import GIVEN, JSON, declare, require_declared
from datamodules.corruptions.further_targets import TargetTensors
from datamodules.corruptions.kernels.plasma import draw_plasma
from datamodules.corruptions.kernels.random import draw_bits
from datamodules.corruptions.kernels.soft_shapes import draw_between, draw_directions
from datamodules.dataset import IGNORED
from user_error import UserError


class Patches(Corruption):
    """Rectangles of random colours, shapes and places in front of the scene.

    After Zhong et al., "Random Erasing Data Augmentation" (AAAI 2020). They may overlap and reach over the border, so
    `share` is an upper bound of the covered area, up to rounding to pixels: on average they cover 0.06, 0.12, 0.21, 0.31 and
    0.43 of the image.
    """

    name = "patches"
    family = "occlusion"
    severities = declare(share=(0.06, 0.14, 0.26, 0.42, 0.65))
    """Total area of the rectangles, relative to the image."""
    constants = declare(count=8)

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, share: float, count: int) -> Tensor:
        height, width = images.shape[2:]
        area = share * height * width / count
        stretch = draw_between(0.6, 1.7, keys, (count,), stream=0)
        half = torch.stack((stretch, 1 / stretch)).mul_(area**0.5 / 2)
        sides = torch.tensor([height, width], dtype=torch.float32, device=images.device)
        middle = draw_between(0, 1, keys, (2, count), stream=1).mul_(sides[:, None]).transpose(0, 1)
        lines = [torch.arange(side, device=images.device) for side in (height, width)]
        inside = [
            (line - place[..., None]).abs() <= reach[..., None]
            for line, place, reach in zip(lines, middle, half, strict=True)
        ]
        colours = draw_bits(keys, (count, images.shape[1], 1, 1), stream=2).bitwise_right_shift_(8).to(torch.uint8)
        result = images
        for place in range(count):
            covered = inside[0][:, place, None, :, None] & inside[1][:, place, None, None, :]
            result = torch.where(covered, colours[:, place], result)
        return result


class CheckerboardCutout(Corruption):
    """Grey cells of a tilted checkerboard; of one of its two colours each cell is drawn, of the other none is.

    One of the corruptions of ImageNet-C-bar (Mintun, Kirillov & Xie, "On Interaction Between Augmentations and Corruptions
    in Natural Corruption Robustness", NeurIPS 2021). Cells are between a tenth and a quarter of the shorter side.
    """

    name = "checkerboard_cutout"
    family = "occlusion"
    severities = declare(share=(0.2, 0.3, 0.4, 0.5, 0.6))
    """Probability of a cell of that colour; on average, half of it is covered."""
    constants = declare(sides=(0.1, 0.25), level=128)
    """Smallest and largest side of a cell, relative to the shorter side of the image; `level` is that of the cells."""

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, share: float, sides: tuple[float, float], level: int) -> Tensor:
        height, width = images.shape[2:]
        cosine, sine = draw_directions(keys, (1, 1), stream=0)
        side = draw_between(*sides, keys, (1, 1), stream=1).mul_(min(height, width)).clamp_(min=1)
        rows, columns = (torch.arange(length, dtype=torch.float32, device=keys.device) for length in (height, width))
        down = (rows[:, None] * cosine + columns * sine).div_(side).floor_().to(torch.int64)
        right = (columns * cosine - rows[:, None] * sine).div_(side).floor_().to(torch.int64)
        reach = int((height + width) / (sides[0] * min(height, width))) + 2
        drawn = draw_bits(keys, (2 * reach, 2 * reach), stream=2) < share * 65536
        places = (down + reach).mul_(2 * reach).add_(right + reach).flatten(1)
        covered = drawn.flatten(1).gather(1, places).view(down.shape) & ((down + right) % 2 == 0)
        return images.masked_fill(covered[:, None], level)


class DroppedRegions(Corruption):
    """Black cells of an 8 x 8 grid, as of blocks that were lost in transmission.

    The grid of Singh & Lee, "Hide-and-Seek" (ICCV 2017); an exact number of cells is lost.
    """

    name = "dropped_regions"
    family = "occlusion"
    exact = True
    side = 8
    """Cells along a side."""
    severities = declare(dropped=(4, 9, 16, 25, 38))
    """Number of cells that are lost."""
    constants = declare(cells=side**2)

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, dropped: int, cells: int) -> Tensor:
        mask = _draw_mask(keys, cells, dropped).view(-1, 1, self.side, self.side)
        rows, columns = (torch.arange(length, device=keys.device) * self.side // length for length in images.shape[2:])
        return images * mask.index_select(2, rows).index_select(3, columns)


def _draw_mask(keys: Tensor, number: int, lost: int, stream: int = 0) -> Tensor:
    """uint8 (B, number): 0 for `lost` of them, drawn without replacement, and 1 for the others."""
    # Distinct numbers in random order: the lowest digits tell equal words apart.
    order = (
        draw_bits(keys, (number,), stream).to(torch.int64).mul_(number).add_(torch.arange(number, device=keys.device))
    )
    return (order > order.kthvalue(lost, 1, keepdim=True).values).to(torch.uint8)


class DeadLines(Corruption):
    """Dead rows or columns of the sensor; for each image it is random which of the two, and which lines."""

    name = "dead_lines"
    family = "occlusion"
    exact = True
    severities = declare(share=(0.03, 0.07, 0.14, 0.25, 0.4))
    """Ratio of the dead lines, of which there is at least one."""

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, share: float) -> Tensor:
        across = draw_bits(keys, (1, 1, 1), stream=2).bitwise_and_(1).to(torch.uint8)
        rows, columns = (
            _draw_mask(keys, length, max(1, round(share * length)), stream)
            for stream, length in enumerate(images.shape[2:])
        )
        return images * (rows[:, None, :, None] | across) * (columns[:, None, None, :] | (1 - across))


class BackgroundCorruption(Corruption):
    """Base of corruptions that change the background but not the foreground, as given by the masks.

    Xiao et al. ("Noise or Signal: The Role of Image Backgrounds in Object Recognition", ICLR 2021) show that networks rely
    on backgrounds, by exchanging these. Ignored pixels are not changed.

    Args:
        background: ids of the classes that are background.

    Raises:
        UserError: `background` names no class, or the ignored pixels.
    """

    family = "occlusion"
    reads_masks = True

    def __init__(self, background: list[int] | None = None) -> None:
        self.background = [0] if background is None else list(background)
        if not self.background or not all(0 <= one < IGNORED for one in self.background):
            raise UserError(f"{self.name} met background {self.background}: list ids of classes, 0 to {IGNORED - 1}")

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        require_declared(cls, cls.corrupt_background, (*GIVEN, "behind"))

    @override
    def apply(
        self, images: Tensor, masks: Tensor, severity: int, keys: Tensor, targets: TargetTensors | None = None
    ) -> tuple[Tensor, Tensor]:
        self._check(images, severity, keys)
        if masks.shape != (len(images), *images.shape[2:]):
            raise UserError(
                f"{self.name} met masks of shape {tuple(masks.shape)}: hand it one of (H, W) for each image"
            )
        if not images.numel():
            return images.clone(), masks
        behind = torch.isin(masks, torch.tensor(self.background, device=masks.device))[:, None]
        parameters = self.look_up(severity)
        return self.corrupt_background(images.contiguous(), behind, keys.to(images.device), **parameters), masks

    @override
    def corrupt(self, images: Tensor, keys: Tensor, **parameters: Any) -> Tensor:
        raise UserError(f"{self.name} tells foreground and background apart by the mask: call `apply` with masks")

    @override
    def describe_parameters(self, severity: int) -> dict[str, JSON]:
        return {**super().describe_parameters(severity), "background": [*self.background]}

    def corrupt_background(self, images: Tensor, behind: Tensor, keys: Tensor, *_: Any, **parameters: Any) -> Tensor:
        """New images; `behind` is bool (B, 1, H, W), true in the background."""
        raise NotImplementedError


class BackgroundReplaced(BackgroundCorruption):
    """The background is blended with a texture: a plasma field between two random colours, of increasing opacity.

    Args:
        background: ids of the classes that are background.
    """

    name = "background_replaced"
    severities = declare(opacity=(0.2, 0.4, 0.6, 0.8, 1.0))
    """Opacity of the texture."""
    constants = declare(decay=1.8)

    @override
    def corrupt_background(
        self, images: Tensor, behind: Tensor, keys: Tensor, *, opacity: float, decay: float
    ) -> Tensor:
        height, width = images.shape[2:]
        side = 1 << (max(height, width) - 1).bit_length()
        field = draw_plasma(keys, side, decay)[:, None, :height, :width]
        first, second = draw_between(0, 255, keys, (2, images.shape[1], 1, 1), stream=1).unbind(1)
        texture = (second - first).mul(field).add_(first)
        levels = images.to(torch.float32)
        mixed = texture.sub_(levels).mul_(opacity).add_(levels).add_(0.5).clamp_(0, 255)
        return torch.where(behind, mixed.to(torch.uint8), images)


class BackgroundShuffled(BackgroundCorruption):
    """Tiles of the background are permuted, which preserves its texture but not its layout.

    Some tiles of an 8 x 8 grid (by severity) are permuted cyclically in random order. A pixel is replaced by that at the
    same place in the new tile, if both are background.

    Args:
        background: ids of the classes that are background.
    """

    name = "background_shuffled"
    exact = True
    side = 8
    """Tiles along a side."""
    severities = declare(moved=(8, 16, 28, 44, 64))
    """Number of permuted tiles."""
    constants = declare(tiles=side**2)

    @override
    def corrupt_background(self, images: Tensor, behind: Tensor, keys: Tensor, *, moved: int, tiles: int) -> Tensor:
        height, width = images.shape[2:]
        words = draw_bits(keys, (tiles,)).mul_(tiles).add_(torch.arange(tiles, dtype=torch.int32, device=keys.device))
        circle = words.argsort(1)[:, :moved]
        shown = torch.arange(tiles, device=keys.device).expand(len(keys), -1).clone()
        shown.scatter_(1, circle, circle.roll(1, 1))
        # All tiles have one size; the last rows and columns that do not fill one stay.
        tall, wide = height // self.side, width // self.side
        rows, columns = (
            torch.arange(tall * self.side, device=keys.device),
            torch.arange(wide * self.side, device=keys.device),
        )
        tile = (rows // tall)[:, None] * self.side + columns // wide
        source = shown.index_select(1, tile.view(-1)).view(-1, *tile.shape)
        from_rows = source // self.side * tall + (rows % tall)[:, None]
        from_columns = source % self.side * wide + columns % wide
        places = (from_rows * width + from_columns).flatten(1)[:, None]
        part = images[:, :, : len(rows), : len(columns)]
        taken = images.flatten(2).gather(2, places.expand(-1, images.shape[1], -1)).view_as(part)
        both = behind.flatten(2).gather(2, places).view(-1, 1, *tile.shape) & behind[:, :, : len(rows), : len(columns)]
        result = images.clone()
        result[:, :, : len(rows), : len(columns)] = torch.where(both, taken, part)
        return result
