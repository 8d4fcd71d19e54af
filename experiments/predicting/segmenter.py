"""Segmentation of images by a checkpoint, resized as in its training, or in tiles where they are large."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from datamodules.aspect import Aspect
from experiments.pictures.native_size import interpolate_levels, interpolate_parts
from experiments.predicting.network_input import make_network_input
from experiments.predicting.prediction import Prediction, classify
from experiments.predicting.uncertainty_maps import compute_uncertainty_maps, name_maps
from lightning_modules.segmentation import SegmentationModule
from user_error import UserError


@dataclass(frozen=True)
class Segmenter:
    """Predicts images of a network.

    Args:
        module: on its device.
        size: (height, width) that images are brought to for the network; their own if `None`.
        aspect: how images of another shape are.
        uncertainty: whether maps of it are computed, too.
    """

    module: SegmentationModule
    size: tuple[int, int] | None
    aspect: Aspect
    uncertainty: bool

    @property
    def maps(self) -> tuple[str, ...]:
        """Names of the maps that predictions have."""
        return name_maps(self.module) if self.uncertainty else ()

    def predict(self, image: np.ndarray, name: str, dtype: torch.dtype = torch.uint8) -> Prediction:
        """Segment an image (H, W, C) uint8.

        Args:
            image: as the network saw those of its training.
            name: of the image, for messages.
            dtype: of the maps: of 8 bits, where 255 is 1, or floats.

        Raises:
            UserError: it takes more memory than there is, or gives no numbers.
        """
        try:
            with torch.inference_mode():
                return self._predict_whole(image, name, dtype)
        except (torch.OutOfMemoryError, MemoryError) as error:
            raise UserError(
                f"the image {name!r} ({image.shape[0]} x {image.shape[1]}) is too large for the memory: leave out "
                "--native-size, or pass a smaller --tile"
            ) from error

    def _predict_whole(self, image: np.ndarray, name: str, dtype: torch.dtype) -> Prediction:
        seen, size = make_network_input(image, self.size, self.aspect), (image.shape[0], image.shape[1])
        batch = torch.from_numpy(np.ascontiguousarray(seen.image.transpose(2, 0, 1)))[None].to(self.module.device)
        logits = seen.cut(self.module.predict_logits(batch))
        mask, tally = classify(size, interpolate_parts(size, logits), name)
        del logits
        maps = compute_uncertainty_maps(self.module, batch) if self.uncertainty else {}
        return Prediction(
            mask, tally, {kind: _draw_map(size, seen.cut(values[None]), dtype) for kind, values in maps.items()}
        )


def _draw_map(size: tuple[int, int], values: Tensor, dtype: torch.dtype) -> np.ndarray:
    if dtype == torch.uint8:
        return interpolate_levels(size, values, lambda part: (255 * part[0, 0]).round())
    return interpolate_levels(size, values, lambda part: part[0, 0], dtype)
