"""How DICOM files ask for their levels to be shown: windows, and curves that are none.

DICOM PS3.3, C.11.2 (VOI LUT).
"""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from scipy.special import expit

from datamodules.reading.dicom import DicomHeader, find_value
from datamodules.reading.dicom_levels import find_rescale, has_modality_table

GROUP = "FrameVOILUTSequence"
"""The functional group of multi-frame files that says it."""

MOST_ENTRIES = 2**16


@dataclass(frozen=True)
class BrightnessTable:
    """The brightness of each level from `first` on; those below and above have that of the ends.

    ``entries``: float64 (N,) from 0, black, to 1, white.
    """

    first: int
    entries: np.ndarray

    kind: ClassVar[str] = "table"

    def describe(self) -> str:
        """For the line that says which rule was followed."""
        return f"{len(self.entries)} entries from level {self.first}"

    def brighten(self, levels: np.ndarray) -> np.ndarray:
        """The brightness, from 0 to 1, of levels of any shape."""
        places = np.clip(np.rint(levels) - self.first, 0, len(self.entries) - 1)
        return self.entries[places.astype(np.int64)]


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

    ``window`` becomes black and white where the file asks for it; ``possible`` are the lowest and the highest level that its
    number of bits allows.
    """

    window: tuple[float, float] | None
    possible: tuple[float, float] | None


def find_range(header: DicomHeader, frame: int) -> LevelRange:
    """The window that a frame asks for, the first of several, and the range of its levels, rescaled."""
    bits = int(header.dataset.get("BitsStored") or header.dataset.BitsAllocated)
    signed = bool(header.dataset.get("PixelRepresentation", 0))
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    slope, intercept = find_rescale(header, frame)
    ends = sorted((low * slope + intercept, high * slope + intercept))
    return LevelRange(_find_window(header, frame), None if has_modality_table(header) else (ends[0], ends[1]))


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
    """The first table of a frame.

    pydicom has no use here: its `apply_voi` counts levels in the type of the entries, so that tables of 8 bits for more than
    256 levels come out wrong (3.0.2).
    """
    tables = find_value(header, frame, GROUP, "VOILUTSequence")
    if not tables:
        return None
    try:
        number, first, bits = (int(one) for one in tables[0].LUTDescriptor)
        number = number or MOST_ENTRIES
        entries = _read_entries(tables[0]["LUTData"], number, bits, _is_little_endian(header.dataset))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"its table of brightness (VOI LUT) cannot be read ({error}): pass --window LOW HIGH"
        ) from error
    if len(entries) != number or not 8 <= bits <= 16 or entries.max(initial=0) >= 2**bits:
        raise ValueError(
            f"its table of brightness (VOI LUT) says {number} entries of {bits} bits and has {len(entries)} up to "
            f"{entries.max(initial=0)}: pass --window LOW HIGH"
        )
    return BrightnessTable(first, entries / (2**bits - 1))


def _read_entries(data: Any, number: int, bits: int, little: bool) -> np.ndarray:
    """The entries, at most `number`, of numbers or of bytes, as pydicom reads the value; those of 8 bits may share words."""
    order = "<" if little else ">"
    if isinstance(data.value, bytes):
        content = data.value
    else:
        words = np.atleast_1d(np.asarray(data.value, np.int64)) & 0xFFFF
        content = words.astype(f"{order}u2").tobytes()
    if bits == 8 and len(content) == number + number % 2:  # two to a word, the first in its lower half
        packed = np.frombuffer(content, np.uint8)
        return (packed if little else packed.reshape(-1, 2)[:, ::-1].ravel())[:number]
    return np.frombuffer(content, f"{order}u2")[:number]


def _is_little_endian(dataset: Any) -> bool:
    return bool(dataset.file_meta.TransferSyntaxUID.is_little_endian)
