"""The base of all data modules: splits, their loaders, and the batches that these give."""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import cv2
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from datamodules.aspect import ASPECTS, Aspect, Interpolation
from datamodules.batch_resize import BatchResize
from datamodules.batches import EvaluationBatches, ShuffledBatches, collate, collate_by_size
from datamodules.dataset import IGNORED, EvaluationView, SegmentationDataset, TrainingView
from datamodules.fingerprint import Fingerprint, take_fingerprint
from datamodules.grouping import Grouping, find_grouping_columns, find_natural_places, is_name_pattern, parse_names
from datamodules.reading.image_reading import ImageReading
from datamodules.transforms import Augmentation, NoAugmentation, Resize
from user_error import UserError

Split = Literal["train", "val", "test"]


def limit_worker_threads(worker: int) -> None:
    """Initialise a loader process, which uses one thread."""
    cv2.setNumThreads(0)  # OpenCV and torch would each start a thread per core in every worker
    torch.set_num_threads(1)


class SegmentationDataModule(pl.LightningDataModule, ABC):
    """Loaders over `make_dataset(split)`; a subclass overrides that method and passes on its classes and channels.

    Args:
        classes: names of the classes, in the order of their ids.
        channels: names of the image's channels.
        palette: an RGB colour per class, for masks and overlays.
        size: (height, width) to which every image is resized; each keeps its own if `None`.
        batch_size: images in a training batch, for each process.
        eval_batch_size: images in an evaluation batch; `batch_size` if `None`.
        num_workers: loader processes.
        augmentation: augmentation of training images; none if `None`.
        aspect: how images of another aspect ratio are fitted into `size`: "squash" scales both sides, "pad" fits the
            complete image and ignores the rest of the frame, "crop" covers the frame and cuts off what reaches beyond,
            "keep" scales it to lie within `size`, turned either way, so that sizes differ (for sweeps alone); "squash" if
            `None`.
        unit: column of the metadata by which images are grouped, such as the patient; confidence intervals then come from
            resampling units. Each image is its own unit if `None`.
        sequence: how images follow each other, such as the frames of a drive: a pattern of their names, such as
            ``{sequence}_*{place}`` (see `datamodules.grouping.parse_names`), or the column of the metadata that names the
            sequence of each. Confidence intervals then come from blocks of consecutive images. Instead of `unit`.
        place: column of the metadata with the number of an image in its sequence; with a column `sequence` alone, images
            are in the natural order of their names.
        leaks: whether splits that share an image or a unit are refused before training, or only reported ("say").
    """

    test_is_val: bool = False
    """Whether the test split is the validation split by design, since the labels of the official one are withheld."""

    reads_as_rgb: bool = False
    """Whether images are brought to RGB, since a few of the photographs are grey or have a palette."""

    percentiles: tuple[float, float] | None = None
    """Percentiles of each case's own levels that become 0 and 255, where the data have those in place of a window."""

    marks_outliers: bool = False
    """Whether masks tell what no class is meant for, see `datamodules.dataset.OUTLIER`."""

    shift_columns: tuple[str, ...] = ()
    """Columns of the metadata each of whose values is a real shift, such as a kind of weather."""

    def __init__(
        self,
        classes: Sequence[str],
        channels: Sequence[str] = ("red", "green", "blue"),
        palette: Sequence[Sequence[int]] | None = None,
        size: tuple[int, int] | None = None,
        batch_size: int = 8,
        eval_batch_size: int | None = None,
        num_workers: int = 2,
        augmentation: Augmentation | None = None,
        unit: str | None = None,
        leaks: Literal["refuse", "say"] = "refuse",
        sequence: str | None = None,
        place: str | None = None,
        aspect: Aspect | None = None,  # not "squash": earlier recipes have no such key, and null counts as left out
    ) -> None:
        super().__init__()
        sizes = (batch_size, batch_size if eval_batch_size is None else eval_batch_size)
        if min(sizes) < 1:
            raise UserError(f"a batch of {min(sizes)} images cannot be: give at least 1")
        if unit is not None and sequence is not None:
            raise UserError(
                f"images are grouped by {unit!r} or follow each other by {sequence!r}, not both: pass --data.init_args.sequence "
                "null, or --data.init_args.unit null"
            )
        if place is not None and (sequence is None or is_name_pattern(sequence)):
            raise UserError(f"`place` is {place!r}: it goes with a `sequence` that is a column of meta.csv")
        if num_workers < 0:
            raise UserError(f"there cannot be {num_workers} loader processes: give 0 to load in the main process")
        if not 2 <= len(classes) <= IGNORED:
            raise UserError(f"{len(classes)} classes cannot be told apart in an 8-bit mask: give 2 to {IGNORED}")
        if aspect not in (None, *ASPECTS):
            raise UserError(f"aspect is {aspect!r}: give one of {', '.join(ASPECTS)}")
        if aspect in ("pad", "crop", "keep") and size is None:
            raise UserError(
                f"aspect is {aspect!r}, but images keep their own size: give a `size` that they are brought to"
            )
        self.classes = tuple(classes)
        self.channels = tuple(channels)
        self.palette = None if palette is None else [[int(level) for level in colour] for colour in palette]
        self.size = None if size is None else (int(size[0]), int(size[1]))
        self.batch_size = batch_size
        self.eval_batch_size = sizes[1]
        self.num_workers = num_workers
        self.augmentation = augmentation or NoAugmentation()
        self.unit = unit
        self.sequence = sequence
        self.place = place
        self.leaks = leaks
        self.aspect: Aspect = aspect or "squash"
        self.multiple = 1
        self.interpolation: Interpolation = "area"
        self.test_split: Split = "test"
        self._opened: dict[str, SegmentationDataset] = {}
        self._prepared: set[str] = set()

    @property
    def num_classes(self) -> int:
        """Number of classes; the command line passes it to the network."""
        return len(self.classes)

    @property
    def in_channels(self) -> int:
        """Number of image channels; the command line passes it to the network."""
        return len(self.channels)

    @property
    def reading(self) -> ImageReading:
        """How image files are read, so that new files are read in the same way."""
        return ImageReading(mode="RGB") if self.reads_as_rgb else ImageReading(self.channels)

    @abstractmethod
    def make_dataset(self, split: Split) -> SegmentationDataset:
        """Make the data set of a split.

        Raises:
            UserError: the data are missing, incomplete or not as described.
        """

    def open_split(self, split: Split) -> SegmentationDataset:
        """The data set of a split, which is cached, since searching a folder is slow on network drives.

        Raises:
            UserError: see `make_dataset`.
        """
        if split not in self._opened:
            self._opened[split] = self.make_dataset(split)
        return self._opened[split]

    def read_meta(self, split: Split) -> Mapping[str, Mapping[str, str]]:
        """Metadata of the images of a split by id and column, for real shifts; empty unless a data set overrides this."""
        return {}

    def list_units(self, split: Split) -> list[str] | None:
        """The unit of each image of a split, in order; `None` where each image is its own unit.

        Raises:
            UserError: an image has no value in the column `unit`.
        """
        return None if self.unit is None else self._read_column(split, "unit", self.unit)

    def list_grouping(self, split: Split) -> Grouping:
        """Which images of a split do not stand for themselves, in order.

        Raises:
            UserError: an image has no value in a column, no number as its place, or a name that does not follow the
                pattern.
        """
        if self.sequence is None:
            return Grouping(self.list_units(split))
        ids = self.open_split(split).ids
        if is_name_pattern(self.sequence):
            return parse_names(self.sequence, ids)
        sequences = self._read_column(split, "sequence", self.sequence)
        if self.place is None:
            return Grouping(sequences, find_natural_places(ids))
        places = self._read_column(split, "place", self.place)
        wrong = next((place for place in places if not (place.isdecimal() and len(place) < 16)), None)
        if wrong is not None:
            raise UserError(
                f"the column {self.place!r} of meta.csv holds {wrong!r}: a place in a sequence is a whole number"
            )
        return Grouping(sequences, [int(place) for place in places])

    def find_undeclared_grouping(self, split: Split) -> str | None:
        """A column of the metadata whose images seem to belong together though neither `unit` nor `sequence` says so."""
        if self.unit is not None or self.sequence is not None:
            return None
        return next(iter(find_grouping_columns(self.read_meta(split).values())), None)

    def _read_column(self, split: Split, setting: str, column: str) -> list[str]:
        rows = self.read_meta(split)
        found = [rows.get(name, {}).get(column) for name in self.open_split(split).ids]
        if not all(found):
            columns = ", ".join(sorted({name for row in rows.values() for name in row})) or "none"
            raise UserError(
                f"the data do not know the {column!r} of every image of the split {split!r} (columns of meta.csv: "
                f"{columns}): add it, or pass --data.init_args.{setting} null"
            )
        return [str(name) for name in found]

    def compute_fingerprint(self, split: Split, known: Fingerprint | None = None) -> Fingerprint:
        """Fingerprint of the images and labels of a split: the content of their files, and settings that change them.

        It includes neither the location of the data nor how they are loaded or augmented.

        Args:
            split: whose files are read.
            known: an earlier fingerprint; files with unchanged size and times are not read again.

        Raises:
            UserError: see `make_dataset`.
            OSError: a file cannot be read.
        """
        settings: dict[str, Any] = {"classes": self.classes, "channels": self.channels, "size": self.size}
        settings |= {"meta": self.read_meta(split), **self._aspect_state}
        root = getattr(self, "root", None)
        # attributes that a prepared data set has set itself are no settings
        dataset = self.make_dataset(split) if split in self._prepared else self.open_split(split)
        return take_fingerprint(settings, dataset, None if root is None else Path(root), known)

    def _open_checked(self, split: Split) -> SegmentationDataset:
        dataset = self.open_split(split)
        if not len(dataset):
            raise UserError(f"the split {split!r} of {type(self).__name__} holds no image: check its folder or list")
        self._prepared.add(split)
        dataset.prepare()
        return dataset

    def _make_loader(self, view: Any, batches: Any, collating: Callable[..., Any] = collate) -> DataLoader:
        return DataLoader(
            view,
            batch_sampler=batches,
            num_workers=self.num_workers,
            collate_fn=partial(collating, targets=view.dataset.targets),
            worker_init_fn=limit_worker_threads,
            pin_memory=torch.cuda.is_available(),
            persistent_workers=False,
        )

    @property
    def _process(self) -> tuple[int, int]:
        """Rank and number of processes."""
        trainer = self.trainer
        return (0, 1) if trainer is None else (trainer.global_rank, trainer.world_size)

    def train_dataloader(self) -> DataLoader:
        """Augmented, shuffled batches; every random draw follows from (seed, epoch, image)."""
        if self.aspect == "keep":
            raise UserError(
                "images with the aspect 'keep' have different sizes and do not train in one batch: train with squash, pad or "
                "crop, and keep the ratio by benchmark --protocol"
            )
        dataset = self._open_checked("train")
        seed = int(os.environ.get("PL_GLOBAL_SEED", 0))
        rank, world_size = self._process
        batches = ShuffledBatches(len(dataset), self.batch_size, seed, rank, world_size)
        return self._make_loader(
            TrainingView(dataset, self.augmentation.bind(self.size, dataset.targets, self.aspect), seed), batches
        )

    @property
    def resizes(self) -> bool:
        """Whether an image may have another size than it is evaluated at; `False` for data that are drawn at their size."""
        return self.size is not None

    @property
    def batch_resize(self) -> BatchResize:
        """The resize of the evaluation for batches at the size of their files, on their device."""
        return BatchResize(self.size, self.aspect, self.multiple, self.interpolation)

    def make_evaluation_view(
        self,
        dataset: SegmentationDataset,
        own_size: bool = False,
        own_masks: bool = False,
        needs: Sequence[str] = (),
    ) -> EvaluationView:
        """View of a data set for evaluation, with images of the module's size and, if asked for, of their own."""
        resize = Resize(
            self.size, dataset.targets, self.aspect, multiple=self.multiple, interpolation=self.interpolation
        )
        return EvaluationView(dataset, resize, own_size, own_masks, needs)

    def val_dataloader(self) -> DataLoader:
        """The validation split, as it is evaluated."""
        return self.make_evaluation_dataloader("val")

    def test_dataloader(self) -> DataLoader:
        """The split `test_split`, as it is evaluated."""
        return self.make_evaluation_dataloader(self.test_split)

    def make_evaluation_dataloader(
        self,
        split: Split,
        place: tuple[int, int] | None = None,
        skip: frozenset[int] = frozenset(),
        own_size: bool = False,
        own_masks: bool = False,
        by_size: bool = False,
        needs: Sequence[str] = (),
    ) -> DataLoader:
        """Loader of a split in order, each image once over all processes, without random draws.

        Args:
            split: "train", "val" or "test".
            place: rank and number of processes; those of the trainer if `None`.
            skip: indices of batches that are left out.
            own_size: whether batches also have ``own_image`` and ``own_mask``, a list each, for `batch_resize`.
            own_masks: whether they have ``own_mask`` to be scored by.
            by_size: whether a batch is a list of batches, each of images of one size; images of different sizes are
                refused otherwise.
            needs: further targets by which images are corrupted, which come as ``own_`` as well where `own_size` asks for it.
        """
        dataset = self._open_checked(split)
        batches = EvaluationBatches(len(dataset), self.eval_batch_size, *(place or self._process), skip=skip, even=True)
        view = self.make_evaluation_view(dataset, own_size, own_masks, needs)
        return self._make_loader(view, batches, collate_by_size if by_size else collate)

    def on_after_batch_transfer(self, batch: dict[str, Any], dataloader_idx: int) -> dict[str, Any]:
        """Convert the mask to int64."""
        batch["mask"] = batch["mask"].long()
        return batch

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint stores of the data: classes, channels, how images are read, and the size in training."""
        return {
            "classes": list(self.classes),
            "channels": list(self.channels),
            "palette": self.palette,
            "size": None if self.size is None else list(self.size),
            "window": None if self.reading.window is None else list(self.reading.window),
            "reading": self.reading.as_state(),
            **({} if self.percentiles is None else {"percentiles": list(self.percentiles)}),
            **self._aspect_state,
        }

    @property
    def _aspect_state(self) -> dict[str, Any]:
        """How images are resized, as it is stored: no default, so that earlier files and fingerprints stay valid."""
        stated: dict[str, tuple[Any, Any]] = {"aspect": (self.aspect, "squash"), "multiple": (self.multiple, 1)}
        stated["interpolation"] = (self.interpolation, "area")
        return {name: value for name, (value, usual) in stated.items() if value != usual}
