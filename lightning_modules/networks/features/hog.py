"""Histograms of oriented gradients."""

from dataclasses import dataclass
from itertools import product

import numpy as np
from skimage.feature import hog

from lightning_modules.networks.features.base import Feature, require_positive, spread_cells


@dataclass(frozen=True)
class Hog(Feature):
    """HOG (Dalal & Triggs, "Histograms of Oriented Gradients for Human Detection", CVPR 2005), by scikit-image.

    A map for each orientation: a cell's share of the gradients in its block (L2-Hys), averaged over the blocks in which
    the cell stands. Of several channels the one with the strongest gradient counts at each pixel, as in the paper. An
    image that is no whole number of cells is padded by repeating its edge.

    Args:
        orientations: bins of half a turn.
        cell: side of a cell in pixels.
        block: side of a block in cells.
    """

    orientations: int = 9
    cell: int = 8
    block: int = 2

    def __post_init__(self) -> None:
        require_positive(self, "orientations", "cell", "block")

    @property
    def channels(self) -> int:
        """The orientations."""
        return self.orientations

    def compute_maps(self, image: np.ndarray) -> np.ndarray:
        """Image uint8 (H, W, C) to (orientations, H, W) in [0, 1]."""
        height, width = image.shape[:2]
        below, beside = (max(-side % self.cell, self.cell * self.block - side) for side in (height, width))
        blocks = hog(
            np.pad(image, ((0, below), (0, beside), (0, 0)), mode="edge"),
            self.orientations,
            pixels_per_cell=(self.cell, self.cell),
            cells_per_block=(self.block, self.block),
            feature_vector=False,
            channel_axis=-1,
        )
        return spread_cells(_average_blocks(blocks), self.cell, height, width)


def _average_blocks(blocks: np.ndarray) -> np.ndarray:
    """Blocks (R, C, b, b, F) that overlap by all but one cell to cells (R + b - 1, C + b - 1, F)."""
    rows, columns, block = blocks.shape[:3]
    total = np.zeros((rows + block - 1, columns + block - 1, blocks.shape[4]))
    number = np.zeros((*total.shape[:2], 1))
    for down, right in product(range(block), repeat=2):
        place = slice(down, down + rows), slice(right, right + columns)
        total[place] += blocks[:, :, down, right]
        number[place] += 1
    return total / number
