"""DICOM files as the series that they are slices of, in the order in which they lie in the patient."""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from datamodules.reading.dicom import DicomHeader, find_depth, find_orientation, find_spacing

UNEVEN = 0.01
"""Largest deviation of distances between slices from their mean, as a fraction, for which a volume is computed."""


APART_BY = (
    *("TemporalPositionIdentifier", "TemporalPositionIndex", "AcquisitionNumber", "EchoNumbers", "TriggerTime"),
    *("AcquisitionTime", "ContentTime", "ImageType"),
)
"""Attributes that tell images at one position apart, the surest first."""


@dataclass(frozen=True)
class DicomSeries:
    """Files of one series that lie parallel to each other.

    Args:
        files: sorted by their position along the normal of the images; where that is not said, by instance number and name.
        mixed: whether this is a file of several volumes that nothing tells apart.
    """

    files: tuple[DicomHeader, ...]
    mixed: bool = False

    @property
    def places(self) -> list[tuple[DicomHeader, int]]:
        """Each frame of each file."""
        return [(file, frame) for file in self.files for frame in range(file.frames)]

    @property
    def can_be_referred_to(self) -> bool:
        """Whether a DICOM SEG can: every frame lies in a frame of reference, or a single one at least belongs to one."""
        if len(self.places) == 1:
            return _has_reference(self.files[0])
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
    not say where they lie. Where several lie at one position, as in series over time, attributes that say when or how they
    were taken tell them apart, or else their order where every position has as many. Where neither does, such as where
    slices are missing, each file is by itself: a volume of slices of several times would be none.
    """
    groups: dict[Hashable, list[DicomHeader]] = {}
    for file in files:
        groups.setdefault(_identify(file), []).append(file)
    return [one for group in groups.values() for one in _split_repeated(group)]


def find_copies(files: Sequence[DicomHeader]) -> list[DicomHeader]:
    """Files of an image that was met before in another file, by its SOPInstanceUID."""
    met, copies = set[str](), []
    for file in files:
        uid = str(file.dataset.get("SOPInstanceUID") or "")
        if uid and uid in met:
            copies.append(file)
        met.add(uid)
    return copies


def _split_repeated(group: Sequence[DicomHeader]) -> list[DicomSeries]:
    """Files in their order, those at a position that was met before apart."""
    ordered = sorted(group, key=_get_order)
    met, turns = Counter[float](), dict[int, list[DicomHeader]]()
    for file in ordered:
        depth = _round_depth(file)
        turns.setdefault(met[depth], []).append(file)
        met[depth] += 1
    told = [_group_by(ordered, attribute) for attribute in APART_BY]
    if len(set(met.values())) == 1:
        told.append([*turns.values()])
    for parts in [[ordered], *told]:
        if len(parts) == len(turns) and all(map(_are_apart, parts)):
            return [DicomSeries(tuple(part)) for part in parts]
    return [DicomSeries((file,), mixed=True) for file in ordered]


def _are_apart(files: Sequence[DicomHeader]) -> bool:
    """Whether no two lie at one position."""
    return len({_round_depth(file) for file in files}) == len(files)


def _group_by(files: Sequence[DicomHeader], attribute: str) -> list[list[DicomHeader]]:
    groups: dict[str, list[DicomHeader]] = {}
    for file in files:
        groups.setdefault(str(file.dataset.get(attribute, "")), []).append(file)
    return [*groups.values()]


def _round_depth(file: DicomHeader) -> float:
    return round(find_depth(file) or 0.0, 3)


def _is_placed(file: DicomHeader, frame: int) -> bool:
    return _has_reference(file) and find_depth(file, frame) is not None


def _has_reference(file: DicomHeader) -> bool:
    return bool(file.dataset.get("FrameOfReferenceUID"))


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
