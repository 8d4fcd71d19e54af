"""Pictures of the images with the largest drops in mIoU, beside the record."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from datamodules.base import SegmentationDataModule
from experiments.evaluation.images import Images
from experiments.evaluation.record import Picture
from experiments.evaluation.robustness import Condition, select_clean_score
from experiments.evaluation.scores.overlap import mean_iou
from experiments.files.digest import compute_sha256
from experiments.pictures.overlays import as_rgb, find_palette, overlay, save
from experiments.sweeping.one_image import draw_batch, make_batch_of_one, predict_as_in_sweep
from experiments.sweeping.suite import Suite
from lightning_modules.labels import find_classes
from lightning_modules.segmentation import SegmentationModule

PICTURES = 6
MOST_PICTURES = 20
GAP = 4  # px of white between tiles
FEW = 64  # images whose counts are in memory at once


class Drop(NamedTuple):
    """An image that lost score under a condition."""

    image: int  # place in the data set
    condition: int  # place in the sweep
    clean_miou: float
    miou: float


def find_largest_drops(classes: np.ndarray, conditions: Sequence[Condition], number: int = PICTURES) -> list[Drop]:
    """The largest drops of an image's own mIoU from clean, every image and every corruption at most once.

    Greedily: the largest drop of all, then the largest among the other images and corruptions, and so on. Equal drops
    keep the order of the images, then that of the conditions. An image's mIoU is the mean over the classes that occur
    in its mask or prediction: other than the data set's, it serves to find images and ranks no model.

    Args:
        classes: (N, conditions, K, 3): intersection, predicted and true pixels of each image.
        conditions: of the sweep; clean and real shifts, which have severity 0, are no drops.
        number: of pairs, at most.
    """
    parts = (np.ascontiguousarray(classes[start : start + FEW]) for start in range(0, len(classes) or 1, FEW))
    scores = np.concatenate([mean_iou(part) for part in parts])
    clean = select_clean_score(scores, conditions)
    drops = clean[:, None] - scores
    drops[:, [not severity for _, severity in conditions]] = np.nan
    chosen: list[Drop] = []
    images, corruptions = set(), set()
    for flat in np.argsort(-drops, axis=None, kind="stable"):  # those without a score come last
        image, condition = divmod(int(flat), len(conditions))
        name = conditions[condition][0]
        if len(chosen) == number or not drops[image, condition] > 0:
            break
        if image not in images and name not in corruptions:
            chosen.append(Drop(image, condition, float(clean[image]), float(scores[image, condition])))
            images.add(image)
            corruptions.add(name)
    return chosen


def draw_worst(
    module: SegmentationModule,
    data: SegmentationDataModule,
    suite: Suite,
    images: Images,
    record: Path,
    number: int = PICTURES,
) -> list[Picture]:
    """Draw the largest drops of a sweep and remove the pictures of an earlier one.

    Args:
        module: on the device of the sweep, in evaluation mode.
        data: with the split of the sweep.
        suite: of the sweep.
        images: their counts.
        record: path of the record; the pictures are named ``STEM.worst-1.png``, ... beside it.
        number: of pictures, at most.

    Raises:
        OSError: the folder cannot be written or the disk is full.
    """
    remove_pictures(record)
    redrawn = suite.stateless_places  # the state of the others depends on all images before
    conditions = [(condition.name, condition.severity) for condition in suite.conditions]
    pictures = []
    drops = find_largest_drops(images.counts["classes"][:, redrawn], [conditions[place] for place in redrawn], number)
    for place, drop in enumerate((one._replace(condition=redrawn[one.condition]) for one in drops), 1):
        path = record.with_name(f"{record.stem}.worst-{place}.png")
        save(Image.fromarray(draw(module, data, suite, drop.image, drop.condition)), path)
        corruption, severity = conditions[drop.condition]
        pictures.append(
            Picture(
                file=path.name,
                sha256=compute_sha256(path),
                id=images.ids[drop.image],
                corruption=corruption,
                severity=severity,
                clean_miou=drop.clean_miou,
                miou=drop.miou,
            )
        )
    return pictures


def remove_pictures(record: Path) -> None:
    """Remove the pictures of the record at a path."""
    named = re.compile(re.escape(record.stem) + r"\.worst-\d+\.png")
    for path in record.parent.iterdir():
        if named.fullmatch(path.name):
            path.unlink()


def draw(
    module: SegmentationModule, data: SegmentationDataModule, suite: Suite, image: int, condition: int
) -> np.ndarray:
    """Clean image, corrupted image, truth and prediction side by side, (H, 4 W + 3 `GAP`, 3) uint8.

    Image and prediction are those of the sweep: drawn from the same seed, and predicted in a batch of the same size,
    on which the last digits of logits depend. Truth and prediction lie over the corrupted image.
    """
    batch = make_batch_of_one(data, data.open_split(data.test_split), image, suite, module.device)
    corrupted, moved_mask = draw_batch(suite.conditions[condition], module.network, batch, suite, data)
    predicted = find_classes(predict_as_in_sweep(module, corrupted, data))[0]
    palette = find_palette(data.palette, data.num_classes)
    seen = _as_pixels(corrupted if corrupted.dtype == torch.uint8 else (255 * corrupted).round().to(torch.uint8))
    return place_side_by_side(
        as_rgb(_as_pixels(batch["image"])),
        as_rgb(seen),
        overlay(seen, moved_mask[0].cpu().numpy(), palette),
        overlay(seen, predicted.cpu().numpy(), palette),
    )


def _as_pixels(images: Tensor) -> np.ndarray:
    return images[0].permute(1, 2, 0).cpu().numpy()


def place_side_by_side(*tiles: np.ndarray) -> np.ndarray:
    """Tiles (H, W, 3) of one height in a row, `GAP` white pixels between them."""
    gap = np.full((tiles[0].shape[0], GAP, 3), 255, np.uint8)
    parts = [part for tile in tiles for part in (gap, tile)]
    return np.concatenate(parts[1:], axis=1)
