"""DICOM files as the series that they are slices of, in the order in which they lie in the patient."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from datamodules.reading.dicom import DicomHeader, find_depth, find_orientation, find_spacing

UNEVEN = 0.01
"""Largest deviation of distances between slices from their mean, as a fraction, for which a volume is computed."""


@dataclass(frozen=True)
class DicomSeries:
    """Files of one series that lie parallel to each other.

    Args:
        files: sorted by their position along the normal of the images; where that is not said, by instance number and name.
    """

    files: tuple[DicomHeader, ...]

    @property
    def places(self) -> list[tuple[DicomHeader, int]]:
        """Each frame of each file."""
        return [(file, frame) for file in self.files for frame in range(file.frames)]

    @property
    def slice_distance(self) -> float | None:
        """Distance in mm between slices; `None` where it is not said or not even, or slices lie upon each other."""
        depths = [find_depth(file, frame) for file, frame in self.places]
        if len(depths) < 2 or any(depth is None for depth in depths):
            return None
        steps = np.abs(np.diff(np.array(depths, float)))
        mean = float(steps.mean())
        return mean if mean > 0 and float(np.abs(steps - mean).max()) <= UNEVEN * mean else None

    @property
    def voxel_volume(self) -> float | None:
        """Of a pixel, in mm3; `None` where spacings are not said, or not even."""
        distance, spacings = self.slice_distance, {find_spacing(file) for file in self.files}
        spacing = spacings.pop()
        return None if distance is None or spacing is None or spacings else distance * spacing[0] * spacing[1]


def group_series(files: Sequence[DicomHeader]) -> list[DicomSeries]:
    """The series among files, in the order of their first files.

    Files of one series that differ in size or direction, such as a localizer, are series of their own.
    """
    groups: dict[Hashable, list[DicomHeader]] = {}
    for file in files:
        groups.setdefault(_identify(file), []).append(file)
    return [DicomSeries(tuple(sorted(group, key=_get_order))) for group in groups.values()]


def _identify(file: DicomHeader) -> Hashable:
    uid, orientation = str(file.dataset.get("SeriesInstanceUID") or ""), find_orientation(file)
    if not uid:
        return file.path
    direction = None if orientation is None else tuple(np.round(orientation, 3).ravel().tolist())
    return uid, file.rows, file.columns, file.grey, direction


def _get_order(file: DicomHeader) -> tuple[bool, float, int, str]:
    depth = find_depth(file)
    try:
        number = int(file.dataset.get("InstanceNumber") or 0)
    except (TypeError, ValueError):
        number = 0
    return depth is None, depth or 0.0, number, str(file.path)
