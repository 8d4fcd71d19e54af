"""How DICOM files ask for their levels to be shown: windows, and curves that are none.

DICOM PS3.3, C.11.2 (VOI LUT).
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from scipy.special import expit

from datamodules.reading.dicom import DicomHeader, find_value
from datamodules.reading.dicom_levels import find_rescale, has_modality_table
from datamodules.reading.dicom_tables import LookupTable, read_table

GROUP = "FrameVOILUTSequence"
"""The functional group of multi-frame files that says it."""


@dataclass(frozen=True)
class BrightnessTable:
    """A table whose entries are brightness, the largest that its bits allow being white."""

    table: LookupTable

    kind: ClassVar[str] = "table"

    def describe(self) -> str:
        """For the line that says which rule was followed."""
        return f"{len(self.table.entries)} entries from level {self.table.first}"

    def brighten(self, levels: np.ndarray) -> np.ndarray:
        """The brightness, from 0 to 1, of levels of any shape."""
        return self.table.look_up(levels) / (2**self.table.bits - 1)


@dataclass(frozen=True)
class SigmoidWindow:
    """Brightness as the logistic function of levels, as C.11.2.1.3.1 says."""

    centre: float
    width: float

    kind: ClassVar[str] = "sigmoid window"

    def describe(self) -> str:
        """For the line that says which rule was followed."""
        return f"centre {self.centre:g}, width {self.width:g}"

    def brighten(self, levels: np.ndarray) -> np.ndarray:
        """The brightness, from 0 to 1, of levels of any shape."""
        with np.errstate(over="ignore"):  # as good as infinitely far from the centre
            return expit(4 * (levels - self.centre) / self.width)


class LevelRange(NamedTuple):
    """What a file says of its levels.

    ``window`` becomes black and white where the file asks for it; ``asked`` says that it asks for one, be it none that can be;
    ``possible`` are the lowest and the highest level that its number of bits allows.
    """

    window: tuple[float, float] | None
    asked: bool
    possible: tuple[float, float] | None


def find_range(header: DicomHeader, frame: int) -> LevelRange:
    """The window that a frame asks for, the first of several, and the range of its levels, rescaled."""
    bits = int(header.dataset.get("BitsStored") or header.dataset.BitsAllocated)
    signed = bool(header.dataset.get("PixelRepresentation", 0))
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    slope, intercept = find_rescale(header, frame)
    ends = sorted((low * slope + intercept, high * slope + intercept))
    asked = find_value(header, frame, GROUP, "WindowWidth") not in (None, "")
    possible = None if has_modality_table(header) else (ends[0], ends[1])
    return LevelRange(_find_window(header, frame), asked, possible)


def find_curve(header: DicomHeader, frame: int) -> BrightnessTable | SigmoidWindow | None:
    """The table of a frame, the first of several, which comes before its windows, or its first window where that is a sigmoid.

    Raises:
        ValueError: the table is damaged.
    """
    table = _find_table(header, frame)
    if table is not None:
        return table
    centre, width, shape = _find_view(header, frame)
    if shape != "SIGMOID" or centre is None or width is None or width <= 0:
        return None
    return SigmoidWindow(centre, width)


def _find_window(header: DicomHeader, frame: int) -> tuple[float, float] | None:
    """The levels that become black and white, as C.11.2.1.2 and C.11.2.1.3.2 say."""
    centre, width, shape = _find_view(header, frame)
    if centre is None or width is None or shape not in ("LINEAR", "LINEAR_EXACT"):
        return None
    if shape == "LINEAR":
        centre, width = centre - 0.5, width - 1
    return (centre - width / 2, centre + width / 2) if width > 0 else None


def _find_view(header: DicomHeader, frame: int) -> tuple[float | None, float | None, str]:
    """Centre, width and function of the first window of a frame."""
    shape = str(find_value(header, frame, GROUP, "VOILUTFunction") or "LINEAR")
    return _find_first(header, frame, "WindowCenter"), _find_first(header, frame, "WindowWidth"), shape


def _find_first(header: DicomHeader, frame: int, name: str) -> float | None:
    value = find_value(header, frame, GROUP, name)
    try:
        first = float(value[0] if hasattr(value, "__len__") and not isinstance(value, str) else value)
    except (TypeError, ValueError, IndexError):
        return None
    return first if np.isfinite(first) else None


def _find_table(header: DicomHeader, frame: int) -> BrightnessTable | None:
    """The first table of a frame."""
    tables = find_value(header, frame, GROUP, "VOILUTSequence")
    if not tables:
        return None
    try:
        return BrightnessTable(read_table(tables, header.little_endian))
    except ValueError as error:
        raise ValueError(f"its table of brightness (VOI LUT): {error}; pass --window LOW HIGH") from error
