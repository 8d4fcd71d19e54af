"""What every classical feature is: maps of one 8-bit image, without weights and without chance."""

from abc import ABC, abstractmethod

import cv2
import numpy as np

from user_error import UserError


class Feature(ABC):
    """A classical feature of one image; a subclass is a frozen dataclass of its settings and implements `compute_maps`.

    The maps depend on the image alone: not on the number of threads, nor on what was computed before. Where nothing is
    found they are zero.
    """

    @property
    @abstractmethod
    def channels(self) -> int:
        """F, the number of maps."""

    @abstractmethod
    def compute_maps(self, image: np.ndarray) -> np.ndarray:
        """The feature itself, on a checked image uint8 (H, W, C): (F, H, W) in [0, 1]."""

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Maps of an image of any size.

        Args:
            image: uint8 (H, W) or (H, W, C), RGB where C is three.

        Returns:
            float32 (F, H, W) in [0, 1].

        Raises:
            UserError: it is no such image.
        """
        if image.dtype != np.uint8 or image.ndim not in (2, 3) or not image.size:
            raise UserError(
                f"{type(self).__name__} met an image of {image.dtype} and shape {image.shape}: hand it 8-bit levels of "
                "shape (H, W) or (H, W, C)"
            )
        image = np.ascontiguousarray(image if image.ndim == 3 else image[..., None])
        return np.ascontiguousarray(self.compute_maps(image), dtype=np.float32)


def to_gray(image: np.ndarray) -> np.ndarray:
    """uint8 (H, W) of an image uint8 (H, W, C): the luma of ITU-R BT.601 of three channels, the rounded mean of others."""
    if image.shape[2] == 3:
        return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return np.rint(image.mean(2)).astype(np.uint8)


def spread_cells(cells: np.ndarray, side: int, height: int, width: int) -> np.ndarray:
    """Cells (h, w, F) of `side` pixels to maps (F, height, width): every pixel has the values of its cell."""
    pixels = cells.repeat(side, axis=0).repeat(side, axis=1)
    return pixels[:height, :width].transpose(2, 0, 1)


def require_positive(feature: Feature, *names: str) -> None:
    """Refuse settings below one.

    Raises:
        UserError: naming the first of them.
    """
    for name in names:
        if getattr(feature, name) < 1:
            raise UserError(f"{name} of {type(feature).__name__} is {getattr(feature, name)}: give at least 1")
