"""What the page shows of an image under a condition: its pixels, and what each network makes of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from datamodules.base import SegmentationDataModule
from datamodules.corruptions.base import SEVERITIES
from datamodules.corruptions.conditions import Clean, Corrupted
from experiments.demo.upload import read_upload
from experiments.evaluation.kinds import CLEAN, MODALITY
from experiments.evaluation.scores.overlap import mean_iou
from experiments.pictures.overlays import as_rgb, find_palette, overlay
from experiments.predicting.uncertainty_maps import compute_uncertainty_maps
from experiments.sweeping.conditions import SweptCondition, SweptPixelCondition
from experiments.sweeping.one_image import draw_batch, make_batch_of_one, predict_as_in_sweep
from experiments.sweeping.suite import Suite
from lightning_modules.finite import find_finite, require_finite
from lightning_modules.labels import find_classes
from lightning_modules.metrics.counters.base import Prediction
from lightning_modules.metrics.counters.confusion import Confusion
from lightning_modules.segmentation import SegmentationModule
from user_error import UserError

NONE = "none"
"""The name of the condition that leaves an image as it is."""

Source = int | Path
"""An image: its place in the test split, or an uploaded file."""


class ShownNetwork(NamedTuple):
    """What a network makes of an image.

    Args:
        name: of the network.
        mask: predicted classes (H, W) uint8.
        overlay: their colours over the image, (H, W, 3) uint8.
        uncertainty: maps (H, W) uint8 by name, where 255 stands for 1.
        counts: intersection, predicted and true pixels of each class, (K, 3) int64, over labelled pixels alone.
        clean_counts: likewise, of the image as it is.
    """

    name: str
    mask: np.ndarray
    overlay: np.ndarray
    uncertainty: dict[str, np.ndarray]
    counts: np.ndarray
    clean_counts: np.ndarray

    @property
    def miou(self) -> float:
        """MIoU of the image: the mean over the classes that occur in its mask or prediction."""
        return float(mean_iou(self.counts))

    @property
    def clean_miou(self) -> float:
        """That of the image as it is."""
        return float(mean_iou(self.clean_counts))


class Shown(NamedTuple):
    """An image under a condition.

    Args:
        image_id: by which corruptions draw.
        pixels: (H, W, C) uint8, as the networks are given them.
        truth: its mask (H, W) uint8, moved where the condition moves it; `None` where none is known.
        truth_overlay: the colours of the mask over the image, (H, W, 3) uint8.
        networks: what each makes of it.
    """

    image_id: str
    pixels: np.ndarray
    truth: np.ndarray | None
    truth_overlay: np.ndarray | None
    networks: list[ShownNetwork]

    @property
    def picture(self) -> np.ndarray:
        """The image for the eye, (H, W, 3) uint8."""
        return as_rgb(self.pixels)


class _Met(NamedTuple):
    """The image that was shown last, as a sweep meets it."""

    source: Source
    batch: dict[str, Any]
    clean: dict[str, np.ndarray]  # counts of each network


class Viewer:
    """Shows images to networks under the conditions of a suite, with the pixels and the predictions of a sweep.

    Args:
        networks: modules by name, on one device and in evaluation mode.
        data: whose test split can be picked from, and by which images are read and resized.
        suite: whose corruptions, seed and order.
    """

    def __init__(self, networks: Mapping[str, SegmentationModule], data: SegmentationDataModule, suite: Suite) -> None:
        self.networks = dict(networks)
        self.data = data
        self.suite = suite
        self.dataset = data.open_split(data.test_split)
        self.dataset.prepare()
        self.palette = find_palette(data.palette, data.num_classes)
        self._corruptions = {one.name: one for one in suite.corruptions}
        self._missing = {one.name: one for one in suite.conditions if one.kind == MODALITY}
        self._met: _Met | None = None

    @property
    def ids(self) -> Sequence[str]:
        """The images that can be picked."""
        return self.dataset.ids

    def list_conditions(self) -> dict[str, Sequence[int]]:
        """The severities of each condition that needs no network, by name; none where there is nothing to choose."""
        return {NONE: (), **dict.fromkeys(self._corruptions, SEVERITIES), **dict.fromkeys(self._missing, ())}

    def show(self, source: Source, name: str = NONE, severity: int = 1) -> Shown:
        """Show an image under a condition.

        Args:
            source: the image.
            name: of the condition, see `list_conditions`.
            severity: of a corruption, 1 to 5.

        Raises:
            UserError: the image cannot be read, or there is no such image or condition for it.
        """
        try:
            return self._show(source, self._find_condition(name, severity))
        except (torch.OutOfMemoryError, MemoryError) as error:
            self._met = None
            raise UserError("the image is too large for the memory: shrink it, or take another") from error

    def _find_condition(self, name: str, severity: int) -> SweptCondition:
        if name == NONE:
            return SweptPixelCondition(Clean())
        if name in self._missing:
            return self._missing[name]
        if name not in self._corruptions or severity not in SEVERITIES:
            raise UserError(
                f"there is no {name!r} at severity {severity}: choose one of the list, at a severity of 1 to 5"
            )
        return SweptPixelCondition(Corrupted(self._corruptions[name], int(severity)))

    def _show(self, source: Source, condition: SweptCondition) -> Shown:
        met = self._meet(source)
        self._require_drawn(condition, met)
        first = next(iter(self.networks.values()))
        images, masks = draw_batch(condition, first.network, met.batch, self.suite, self.data)
        pixels, truth = images[0].permute(1, 2, 0).cpu().numpy(), masks[0].cpu().numpy().astype(np.uint8)
        shown = [self._ask(name, images, masks, pixels, condition, met) for name in self.networks]
        if not (truth < self.data.num_classes).any():
            return Shown(met.batch["id"][0], pixels, None, None, shown)
        return Shown(met.batch["id"][0], pixels, truth, overlay(pixels, truth, self.palette), shown)

    def _meet(self, source: Source) -> _Met:
        """The image as a sweep meets it; the last one is kept."""
        if self._met is None or self._met.source != source:
            self._met = _Met(source, self._read(source), {})
        return self._met

    def _read(self, source: Source) -> dict[str, Any]:
        device = next(iter(self.networks.values())).device
        if isinstance(source, Path):
            return make_batch_of_one(self.data, read_upload(source, self.data), 0, self.suite, device, needs=())
        if not 0 <= source < len(self.dataset):
            raise UserError(f"the test split has no image {source}: choose one of the list")
        return make_batch_of_one(self.data, self.dataset, source, self.suite, device)

    def _require_drawn(self, condition: SweptCondition, met: _Met) -> None:
        """Refuse a corruption that reads what an uploaded image does not have."""
        corruption = self._corruptions.get(condition.name)
        if not isinstance(met.source, Path) or corruption is None:
            return
        lacking = [*corruption.needs, *(["mask"] if corruption.reads_masks else [])]
        if lacking:
            raise UserError(f"{condition.name} is drawn by the {lacking[0]} of an image, which an uploaded one has not")

    def _ask(
        self,
        name: str,
        images: Tensor,
        masks: Tensor,
        pixels: np.ndarray,
        condition: SweptCondition,
        met: _Met,
    ) -> ShownNetwork:
        module = self.networks[name]
        logits = self._predict(name, images, str(condition), met)
        counts, mask = self._count(logits, masks), find_classes(logits)[0].cpu().numpy().astype(np.uint8)
        if condition.kind == CLEAN:
            met.clean[name] = counts
        elif name not in met.clean:
            met.clean[name] = self._count(self._predict(name, met.batch["image"], NONE, met), met.batch["mask"])
        with torch.inference_mode():
            maps = compute_uncertainty_maps(module.network, logits, images)
        levels = {kind: (255 * values[0]).round().to(torch.uint8).cpu().numpy() for kind, values in maps.items()}
        return ShownNetwork(name, mask, overlay(pixels, mask, self.palette), levels, counts, met.clean[name])

    def _predict(self, name: str, images: Tensor, condition: str, met: _Met) -> Tensor:
        """Logits (1, K, H, W); of the data's images those of a sweep, to whose record they compare."""
        module = self.networks[name]
        if isinstance(met.source, Path):
            with torch.inference_mode():
                logits = module.predict_logits(images)
        else:
            logits = predict_as_in_sweep(module, images, self.data)
        require_finite(find_finite(logits)[None], met.batch["id"], [condition])
        return logits

    def _count(self, logits: Tensor, masks: Tensor) -> np.ndarray:
        """Counts (K, 3) of the labelled pixels of an image."""
        seen = Prediction(logits, find_classes(logits), masks, self.data.num_classes)
        return Confusion().count(seen)["classes"][0].cpu().numpy()
