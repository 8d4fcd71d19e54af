"""Lookup tables of DICOM files, from levels to other levels or to brightness.

DICOM PS3.3, C.11.1.1 (Modality LUT) and C.11.2.1.1 (VOI LUT). pydicom's own functions have no use here: `apply_voi` counts
levels in the type of the entries, so that tables of 8 bits for more than 256 levels come out wrong, and `apply_modality_lut`
in that of the stored levels, which a first level below 0 may leave (3.0.2).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

MOST_ENTRIES = 2**16
"""Entries of a table whose descriptor says 0."""


@dataclass(frozen=True)
class LookupTable:
    """An entry for each level from `first` on; levels below and above have those of the ends.

    Args:
        first: the level of the first entry.
        entries: whole numbers (N,) below 2^bits.
        bits: of an entry.
    """

    first: int
    entries: np.ndarray
    bits: int

    def look_up(self, levels: np.ndarray) -> np.ndarray:
        """The entries of levels of any shape."""
        places = np.clip(np.rint(levels).astype(np.int64) - self.first, 0, len(self.entries) - 1)
        return self.entries[places]


def read_table(tables: Any, little: bool) -> LookupTable:
    """The first table of a Modality or VOI LUT Sequence.

    Args:
        tables: items of a descriptor and data.
        little: whether the file is little endian, as far as entries are bytes.

    Raises:
        ValueError: it is damaged.
    """
    try:
        item = tables[0]
        number, first, bits = (int(one) for one in item.LUTDescriptor)
        number = number or MOST_ENTRIES
        entries = _read_entries(item["LUTData"].value, number, bits, little)
    except Exception as error:  # values of a wrong form fail in many ways
        raise ValueError(f"it cannot be read, {str(error)[:200]}") from error
    highest = entries.max(initial=0)
    if len(entries) != number or not 8 <= bits <= 16 or highest >= 2**bits:
        raise ValueError(f"it says {number} entries of {bits} bits, and has {len(entries)} up to {highest}")
    return LookupTable(first, entries, bits)


def _read_entries(value: Any, number: int, bits: int, little: bool) -> np.ndarray:
    """The entries, at most `number`, of numbers or of bytes, as pydicom reads the value; those of 8 bits may share words."""
    order = "<" if little else ">"
    content = value if isinstance(value, bytes) else (np.atleast_1d(value) & 0xFFFF).astype(f"{order}u2").tobytes()
    if bits == 8 and len(content) == number + number % 2:  # two to a word, the first in its lower half
        packed = np.frombuffer(content, np.uint8)
        return (packed if little else packed.reshape(-1, 2)[:, ::-1].ravel())[:number]
    return np.frombuffer(content, f"{order}u2")[:number]
