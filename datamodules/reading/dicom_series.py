"""DICOM files as the series that they are slices of, in the order in which they lie in the patient."""

from collections import Counter
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
    def is_placed(self) -> bool:
        """Whether every frame lies in a frame of reference."""
        return all(_is_placed(file, frame) for file, frame in self.places)

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

    Files of one series that differ in size or direction, such as a localizer, are series of their own; so are those that do
    not say where they lie. Where several lie at one position, as in series over time, the first of each position are one
    series, the second another.
    """
    groups: dict[Hashable, list[DicomHeader]] = {}
    for file in files:
        groups.setdefault(_identify(file), []).append(file)
    return [DicomSeries(tuple(one)) for group in groups.values() for one in _split_repeated(group)]


def _split_repeated(group: Sequence[DicomHeader]) -> list[list[DicomHeader]]:
    """Files in their order, those at a position that was met before apart."""
    met, parts = Counter[float](), list[list[DicomHeader]]()
    for file in sorted(group, key=_get_order):
        depth = round(find_depth(file) or 0.0, 3)
        if met[depth] == len(parts):
            parts.append([])
        parts[met[depth]].append(file)
        met[depth] += 1
    return parts


def _is_placed(file: DicomHeader, frame: int) -> bool:
    return bool(file.dataset.get("FrameOfReferenceUID")) and find_depth(file, frame) is not None


def _identify(file: DicomHeader) -> Hashable:
    uid, orientation = str(file.dataset.get("SeriesInstanceUID") or ""), find_orientation(file)
    if not uid or orientation is None or file.frames > 1 or not _is_placed(file, 0):
        return file.path
    return uid, file.rows, file.columns, file.grey, tuple(np.round(orientation, 3).ravel().tolist())


def _get_order(file: DicomHeader) -> tuple[bool, float, int, str]:
    depth = find_depth(file)
    try:
        number = int(file.dataset.get("InstanceNumber") or 0)
    except (TypeError, ValueError):
        number = 0
    return depth is None, depth or 0.0, number, str(file.path)
