"""Segmentation of images by a checkpoint, resized as in its training, or in tiles where they are large."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from datamodules.aspect import Aspect
from experiments.pictures.native_size import interpolate_levels, interpolate_parts
from experiments.predicting.network_input import make_network_input
from experiments.predicting.prediction import Part, Prediction, classify
from experiments.predicting.tiles import Tiles, choose_tiles
from experiments.predicting.uncertainty_maps import compute_uncertainty_maps, name_maps
from experiments.trust.statistics import describe_images
from experiments.trust.trust_model import Judgement, TrustModel
from lightning_modules.segmentation import SegmentationModule
from lightning_modules.tiling import Place, blend_tiles
from user_error import UserError


@dataclass(frozen=True)
class Segmenter:
    """Predicts images of a network.

    Args:
        module: on its device.
        size: (height, width) that images are brought to for the network; their own if `None`.
        aspect: how images of another shape are.
        uncertainty: whether maps of it are computed, too.
        tile: (height, width) of the tiles of an image; chosen where it is large if `None`.
        overlap: fraction of a tile that the next shares.
        trust: what is known of when to trust the masks.
    """

    module: SegmentationModule
    size: tuple[int, int] | None
    aspect: Aspect
    uncertainty: bool
    tile: tuple[int, int] | None = None
    overlap: float | None = None
    trust: TrustModel | None = None

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
                size = (image.shape[0], image.shape[1])
                tiles = choose_tiles(self.module, size, self.tile, self.overlap) if self.size is None else None
                if tiles is not None:
                    return self._predict_tiles(tiles, image, name, dtype)
                return self._predict_whole(image, name, dtype)
        except (torch.OutOfMemoryError, MemoryError) as error:
            raise UserError(
                f"the image {name!r} ({image.shape[0]} x {image.shape[1]}) is too large for the memory: leave out "
                "--native-size, or pass a smaller --tile"
            ) from error

    def _predict_whole(self, image: np.ndarray, name: str, dtype: torch.dtype) -> Prediction:
        seen, size = make_network_input(image, self.size, self.aspect), (image.shape[0], image.shape[1])
        batch = self._as_batch(seen.image)
        logits, judgement = self._judge(batch)
        mask, tally = classify(size, interpolate_parts(size, seen.cut(logits)), name)
        if not self.uncertainty:
            return Prediction(mask, tally, {}, judgement)
        maps = compute_uncertainty_maps(self.module.network, logits, batch)
        return Prediction(
            mask,
            tally,
            {kind: _draw_map(size, seen.cut(values[None]), dtype) for kind, values in maps.items()},
            judgement,
        )

    def _judge(self, batch: Tensor) -> tuple[Tensor, Judgement | None]:
        """Logits (1, K, h, w) of an image (1, C, h, w), and whether they are to be trusted, where that is asked for."""
        if self.trust is None:
            return self.module.predict_logits(batch), None
        logits, statistics = describe_images(self.module, batch)
        return logits, self.trust.judge(statistics[0].cpu().numpy())

    def _predict_tiles(self, tiles: Tiles, image: np.ndarray, name: str, dtype: torch.dtype) -> Prediction:
        size, classes, maps = (image.shape[0], image.shape[1]), self.module.num_classes, dict[str, np.ndarray]()
        for kind in self.maps:
            maps[kind] = np.empty(size, torch.empty((), dtype=dtype).numpy().dtype)

        def read(place: Place) -> Tensor:
            batch = self._as_batch(image[place])
            logits = (
                tiles.network(batch) if tiles.network is not self.module.network else self.module.predict_logits(batch)
            )
            found = compute_uncertainty_maps(tiles.network, logits, batch) if maps else {}
            return torch.cat([tiles.prepare(logits)[0], *(found[kind] for kind in maps)])

        def blend() -> Iterator[Part]:
            for place, outputs in blend_tiles(tiles.grid, read, classes + len(maps), gaussian=tiles.gaussian):
                for kind, values in zip(maps, outputs[classes:], strict=True):
                    maps[kind][place] = _as_levels(values, dtype).to(dtype).cpu().numpy()
                yield *place, tiles.finish(outputs[None, :classes])

        return Prediction(*classify(size, blend(), name), maps)

    def _as_batch(self, image: np.ndarray) -> Tensor:
        """An image (h, w, C) as (1, C, h, w) on the network's device."""
        return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None].to(self.module.device)


def _as_levels(values: Tensor, dtype: torch.dtype) -> Tensor:
    """Values from 0 to 1, or from 0 to 255 in whole numbers where they become 8 bits."""
    return (255 * values).round() if dtype == torch.uint8 else values


def _draw_map(size: tuple[int, int], values: Tensor, dtype: torch.dtype) -> np.ndarray:
    return interpolate_levels(size, values, lambda part: _as_levels(part[0, 0], dtype), dtype)
