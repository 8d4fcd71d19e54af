"""Data sets of cases, each of which is one file for each channel and a label: volumes slice by slice, and pictures."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from datamodules.dataset import Sample, SegmentationDataset
from datamodules.reading import nifti
from datamodules.reading.image_reading import ImageReading, apply_window
from datamodules.reading.mask_reading import MaskReading
from datamodules.reading.nifti import Plane, VolumeHeader
from datamodules.reading.pairs import Case
from user_error import UserError


class CaseSlices(SegmentationDataset):
    """The slices of NIfTI volumes, case by case.

    Headers are read at once, levels when a slice is asked for; see `datamodules.reading.nifti` for what is kept.

    Args:
        cases: the files.
        masks: how labels are read.
        images: how levels are read; its window is applied to all channels.
        plane: through which volumes are cut.
        percentiles: of the levels of each channel of each case, which become 0 and 255; in place of a window.

    Raises:
        UserError: a file cannot be read, or the files of a case do not go together.
    """

    def __init__(
        self,
        cases: Sequence[Case],
        masks: MaskReading,
        images: ImageReading,
        plane: Plane = "axial",
        percentiles: tuple[float, float] | None = None,
    ) -> None:
        self.cases = list(cases)
        self.masks = masks
        self.images = images
        self.plane: Plane = plane
        self.percentiles = percentiles
        self._headers = {one.id: _read_headers(one) for one in self.cases}
        self._require_levels()
        counts = [self._headers[one.id][-1].count_slices(plane) for one in self.cases]
        self._places = [(one, place) for one, count in zip(self.cases, counts, strict=True) for place in range(count)]
        self.ids = [f"{one.id}/{place:04d}" for one, place in self._places]

    def list_meta(self) -> Mapping[str, Mapping[str, str]]:
        """The case of each slice, and its place in it."""
        return {
            name: {"case": one.id, "slice": str(place)}
            for name, (one, place) in zip(self.ids, self._places, strict=True)
        }

    def describe_files(self, index: int) -> tuple[str, str]:
        """What the files of the image and of the label are, in words."""
        one, _ = self._places[index]
        *images, label = (f"NIfTI {header.dtype.name}" for header in self._headers[one.id])
        return " and ".join(dict.fromkeys(images)), label

    def __getitem__(self, index: int) -> Sample:
        """Cut slice `index`: image uint8 (H, W, C), mask uint8 (H, W).

        Raises:
            UserError: a file cannot be read, or holds what was not described.
        """
        one, place = self._places[index]
        *headers, last = self._headers[one.id]
        shown = f"{one.images[0]} ({self.plane} slice {place})"
        image = self.images.convert(lambda: self._cut_channels(one, headers, place), shown)
        mask = self.masks.convert(
            partial(nifti.cut_slice, one.label, self.plane, place, last), f"{one.label} ({self.plane} slice {place})"
        )
        return Sample(image=image, mask=mask)

    def prepare(self) -> None:
        """Check that all volumes have 8 bits, or none, where there is a window.

        Raises:
            UserError: they differ.
        """
        few = {header.dtype == np.uint8: one for one in self.cases for header in self._headers[one.id][:-1]}
        if self.images.window is not None and len(few) == 2:
            raise UserError(
                f"the case {few[True].id!r} has levels of 8 bits and {few[False].id!r} of more, and one `window` cannot be right "
                "for both: store all volumes in one type"
            )

    def _require_levels(self) -> None:
        """Refuse volumes of more than 8 bits where nothing says how they become 8 bits."""
        for one in self.cases:
            for path, header in zip(one.images, self._headers[one.id], strict=False):
                plain = header.dtype == np.uint8 and (header.slope, header.intercept) == (1, 0)
                if not plain and self.images.window is None and self.percentiles is None:
                    raise UserError(
                        f"the volume {path} has levels of the type {header.dtype}, not 8 bit: give --data.init_args.window [low, "
                        "high], the levels that become 0 and 255, where they have a unit as in CT, or "
                        "--data.init_args.percentiles [0.5, 99.5] of each case's own, as in MRI"
                    )

    def _cut_channels(self, one: Case, headers: Sequence[VolumeHeader], place: int) -> np.ndarray:
        """Levels (H, W, C) of a slice."""
        channels = []
        for path, header in zip(one.images, headers, strict=True):
            levels = nifti.cut_slice(path, self.plane, place, header)
            if self.percentiles is not None:
                low, high = nifti.compute_percentiles(path, self.percentiles)
                levels = apply_window(levels[..., None], (low, high if high > low else low + 1))[..., 0]
            channels.append(levels)
        return np.stack(channels, 2)


class StackedPictures(SegmentationDataset):
    """Pictures of which each channel is a file of its own.

    Args:
        cases: the files.
        masks: how masks are read.
        images: how each channel is read, and their names.
    """

    def __init__(self, cases: Sequence[Case], masks: MaskReading, images: ImageReading) -> None:
        self.cases = list(cases)
        self.ids = [one.id for one in self.cases]
        self.masks = masks
        self.images = images

    def __getitem__(self, index: int) -> Sample:
        """Decode case `index`: image uint8 (H, W, C), mask uint8 (H, W).

        Raises:
            UserError: a file cannot be read, is not what was described, or is of another size than the others.
        """
        one = self.cases[index]
        channels = [
            ImageReading((name,), self.images.window, self.images.mode, self.images.orientation).read(path)
            for name, path in zip(self.images.channels, one.images, strict=True)
        ]
        mask = self.masks.read(one.label)
        sizes = {
            path: levels.shape[:2] for path, levels in zip((*one.images, one.label), (*channels, mask), strict=True)
        }
        _require_one_shape(one, sizes)
        return Sample(image=np.concatenate(channels, 2), mask=mask)


def _read_headers(one: Case) -> list[VolumeHeader]:
    """Headers of the files of a case, that of the label last."""
    found = []
    for path in (*one.images, one.label):
        try:
            found.append(nifti.read_volume_header(path))
        except Exception as error:  # of many classes
            raise UserError(f"the volume {path} cannot be read ({error}): replace or remove it") from error
    _require_one_shape(one, {path: header.shape for path, header in zip((*one.images, one.label), found, strict=True)})
    if len({header.axes for header in found}) > 1:
        raise UserError(
            f"the files of the case {one.id!r} lie differently in space, by their affine transforms ({one.images[0]}, "
            f"{one.label}): resample them to one grid"
        )
    return found


def _require_one_shape(one: Case, shapes: Mapping[Path, Sequence[int]]) -> None:
    first = shapes[one.images[0]]
    for path, shape in shapes.items():
        if tuple(shape) != tuple(first):
            raise UserError(
                f"{path} has {' x '.join(map(str, shape))} pixels, and {one.images[0]}, of the same case, "
                f"{' x '.join(map(str, first))}: bring them to one grid"
            )
