"""What a network's images look like under the conditions of a suite, and how well each is segmented."""

from collections.abc import Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import torch
from pytorch_lightning.utilities import move_data_to_device
from torch import Tensor
from tqdm import tqdm

from datamodules.base import SegmentationDataModule, Split
from datamodules.grouping import Grouping
from experiments.evaluation.blocks import Blocks
from experiments.evaluation.failures import sum_left_out
from experiments.evaluation.images import Images
from experiments.evaluation.kinds import SHIFT
from experiments.evaluation.scores.foreground import list_foreground
from experiments.sweeping.own_size import draw_at_own_size
from experiments.sweeping.suite import Suite
from experiments.trust.statistics import describe_images
from lightning_modules.labels import find_classes
from lightning_modules.metrics.counts import compute_confusion, count_classes
from lightning_modules.segmentation import SegmentationModule
from user_error import UserError


class Observed(NamedTuple):
    """Images under conditions.

    Attributes:
        ids: of the images.
        conditions: name and severity of each condition.
        statistics: (images, conditions, `statistics.NAMES`) float32.
        scores: (images, conditions), the mean IoU of each image over the classes but the background; NaN where mask and
            prediction have none of them.
        grouping: the units or sequences of the images, where they do not stand for themselves.
        shifts: names of conditions that are real shifts, under which images that are not selected have no score.
    """

    ids: list[str]
    conditions: list[tuple[str, int]]
    statistics: np.ndarray
    scores: np.ndarray
    grouping: Grouping = Grouping()
    shifts: Sequence[str] = ()

    def list_left_out(self) -> tuple[np.ndarray, Blocks]:
        """Which images (U, N) are left out together: those of a unit or block; and how units depend on each other."""
        images = Images(self.ids, {}, *self.grouping)
        return sum_left_out(images, np.eye(len(self.ids), dtype=np.int64)) > 0, images.blocks

    def select(self, places: Sequence[int]) -> "Observed":
        """Some of the images."""
        kept = list(places)
        return self._replace(
            ids=[self.ids[place] for place in kept],
            statistics=self.statistics[kept],
            scores=self.scores[kept],
            grouping=_select_grouping(self.grouping, kept),
        )


def observe(
    module: SegmentationModule, data: SegmentationDataModule, split: Split, suite: Suite, limit: int
) -> Observed:
    """Images of a split under all conditions of a suite, none of which depends on the network.

    Args:
        module: on its device, in evaluation mode.
        data: with the split.
        split: "train", "val" or "test".
        suite: adapted to the data.
        limit: number of images, about; they are taken batch by batch, evenly from the split.

    Raises:
        UserError: a condition depends on the network, the split has no image, or an image lacks its unit.
    """
    for condition in suite.conditions:
        if condition.needs_gradients or condition.has_state or condition.predicts:
            raise UserError(f"{condition.name} depends on the network: choose a suite of corruptions")
    own_size = suite.corrupts_files(data.resizes)
    skip = _choose_left_out(len(data.open_split(split)), data.eval_batch_size, limit)
    loader = data.make_evaluation_dataloader(split, (0, 1), skip, own_size, by_size=True, needs=suite.needs)
    ids: list[str] = []
    statistics, scores = [], []
    with torch.inference_mode(), tqdm(desc=f"observe {split}", unit="img") as shown:
        for batch in chain.from_iterable(loader):
            moved = data.on_after_batch_transfer(move_data_to_device(batch, module.device), 0)
            real = [place for place, name in enumerate(batch["id"]) if name]
            found = [_observe_condition(module, data, moved, suite, place) for place in range(len(suite.conditions))]
            statistics.append(torch.stack([one[real] for one, _ in found], 1).cpu().numpy())
            scores.append(torch.stack([one[real] for _, one in found], 1).cpu().numpy())
            ids += [batch["id"][place] for place in real]
            shown.update(len(real))
    if not ids:
        raise UserError(f"the split {split!r} has no image: pass other --data")
    conditions = [(one.name, one.severity) for one in suite.conditions]
    grouping = _find_grouping(data, split, ids)
    shifts = [one.name for one in suite.conditions if one.kind == SHIFT]
    return Observed(ids, conditions, np.concatenate(statistics), np.concatenate(scores), grouping, shifts)


def _find_grouping(data: SegmentationDataModule, split: Split, ids: Sequence[str]) -> Grouping:
    """That of some images of a split."""
    places = {name: place for place, name in enumerate(data.open_split(split).ids)}
    return _select_grouping(data.list_grouping(split), [places[name] for name in ids])


def _select_grouping(grouping: Grouping, at: Sequence[int]) -> Grouping:
    units, places = grouping
    return Grouping(
        None if units is None else [units[one] for one in at], None if places is None else [places[one] for one in at]
    )


def _choose_left_out(images: int, batch_size: int, limit: int) -> frozenset[int]:
    """Batches that are left out, so that about `limit` images are taken evenly from a split, or all where they are fewer."""
    batches = -(-images // batch_size)
    if limit >= images:
        return frozenset()
    taken = {int(place) for place in np.linspace(0, batches - 1, max(1, limit // batch_size)).round()}
    return frozenset(range(batches)) - taken


def _observe_condition(
    module: SegmentationModule, data: SegmentationDataModule, batch: dict[str, Any], suite: Suite, place: int
) -> tuple[Tensor, Tensor]:
    """Statistics (B, `statistics.NAMES`) and scores (B,) of a batch under one condition."""
    drawn = draw_at_own_size(suite.conditions[place].pixels, batch, suite.seed, data.batch_resize)
    logits, statistics = describe_images(module, drawn.images)
    return statistics, score_images(find_classes(logits), drawn.masks, data.classes)


def score_images(predicted: Tensor, masks: Tensor, classes: Sequence[str]) -> Tensor:
    """Mean IoU (B,) of each image over the classes but the background that occur in its mask or prediction; NaN if none.

    Args:
        predicted: (B, H, W) class ids.
        masks: (B, H, W) class ids, 255 where ignored.
        classes: their names.
    """
    hit, guessed, true = count_classes(compute_confusion(predicted, masks, len(classes))).double().unbind(-1)
    union = guessed + true - hit
    ratios = torch.where(union > 0, hit / union, torch.nan)
    return ratios[:, list_foreground(classes)].nanmean(1).float()
