"""What DICOM files say of their images, read without their pixels and checked before these are.

Parsed by pydicom. The tags are those of DICOM PS3.3 (NEMA), single-frame and enhanced multi-frame.
"""

import math
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.reading.decoding import MOST_PIXELS
from datamodules.reading.image_reading import FARTHEST
from safe_files.array_file import LARGEST

SUFFIXES = (".dcm", ".dicom", ".ima")
MAGIC = b"DICM"
PREAMBLE = 128

GREY = ("MONOCHROME1", "MONOCHROME2")
COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT", "PALETTE COLOR")
DEFLATED = "1.2.840.10008.1.2.1.99"
MOST_INFLATED = 2**30
"""Bytes to which a deflated file may grow."""

IMAGELESS = ("SEG", "SR", "RTSTRUCT", "RTPLAN", "RTDOSE", "PR", "KO", "REG")
"""Modalities whose files describe images and are none to be segmented."""


OF_IMAGES = (0x0008, 0x0018, 0x0020, 0x0028, 0x5200)
"""Groups of elements that say how an image is shown, where it lies and what it belongs to; others say whose it is."""


@dataclass(frozen=True)
class DicomHeader:
    """What a DICOM file says before its pixels are decoded.

    Args:
        path: of the file.
        dataset: all but the pixels.
        frames: number of its images, each of which is `rows` x `columns`.
        rows: height.
        columns: width.
        photometric: how levels are meant, of `GREY` or `COLOUR`.
        compressed: whether frames are encapsulated.
    """

    path: Path
    dataset: Any
    frames: int
    rows: int
    columns: int
    photometric: str
    compressed: bool

    @property
    def grey(self) -> bool:
        """Whether it has one channel."""
        return self.photometric in GREY

    @property
    def little_endian(self) -> bool:
        """Whether the lower byte of a word comes first."""
        return bool(self.dataset.file_meta.TransferSyntaxUID.is_little_endian)

    @property
    def inverted(self) -> bool:
        """Whether low levels are bright."""
        return self.photometric == "MONOCHROME1"


def is_dicom(path: Path) -> bool:
    """Whether a file begins as DICOM files do, whatever its name."""
    try:
        with path.open("rb") as file:
            return file.read(PREAMBLE + 4)[PREAMBLE:] == MAGIC
    except OSError:
        return False


def read_dicom_header(path: Path) -> DicomHeader:
    """Read all but the pixels of a DICOM file.

    Raises:
        ValueError: it is none, holds no image, or says more than it can hold or than is read.
        OSError: it cannot be read.
    """
    import pydicom  # here, since few commands meet such a file

    _require_inflated(path)
    try:
        dataset = pydicom.dcmread(path, stop_before_pixels=True, force=False)
        _decode_elements(dataset)
        return _describe(path, dataset)
    except (ValueError, OSError):
        raise
    except Exception as error:  # values of a wrong form fail in many ways
        raise ValueError(f"no DICOM file that can be read ({str(error)[:200]}): get it anew") from error


def _decode_elements(dataset: Any, of_image: bool = True) -> None:
    """Decode what pydicom would decode when it is asked for, which fails in many ways.

    An element that cannot be decoded is left out, unless it belongs to a group that images depend on.

    Args:
        dataset: of the file, or an item of a sequence in it.
        of_image: whether images depend on it.

    Raises:
        ValueError: an element that they depend on cannot be decoded.
    """
    for tag in list(dataset.keys()):
        needed = of_image and tag.group in OF_IMAGES
        try:
            element = dataset[tag]
            items = list(element.value) if element.VR == "SQ" else []
        except Exception as error:
            if needed:
                raise ValueError(f"its element {tag} cannot be read ({str(error)[:200]}): get it anew") from error
            del dataset[tag]
            continue
        for item in items:
            _decode_elements(item, needed)


def _describe(path: Path, dataset: Any) -> DicomHeader:
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if syntax is None or not syntax.is_transfer_syntax:
        raise ValueError("it does not say how it is encoded (TransferSyntaxUID): get it anew")
    if str(dataset.get("Modality", "")) in IMAGELESS or "Rows" not in dataset:
        raise ValueError("it holds no image: leave it out")
    rows, columns, samples, bits = (
        _read_whole(dataset, name) for name in ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated")
    )
    frames = int(dataset.get("NumberOfFrames") or 1)
    photometric = str(dataset.get("PhotometricInterpretation", ""))
    if photometric not in GREY + COLOUR or samples not in (1, 3) or bits not in (1, 8, 16, 32):
        raise ValueError(
            f"its levels are {photometric or 'of no kind that it names'} in {samples} samples of {bits} bits, which is not "
            "read: convert them to MONOCHROME2 or RGB"
        )
    if min(rows, columns, frames) < 1 or rows * columns > MOST_PIXELS:
        raise ValueError(
            f"it says that it has {frames} frames of {rows} x {columns}, more than {MOST_PIXELS} pixels or none; cut it into "
            "tiles"
        )
    found = DicomHeader(path, dataset, frames, rows, columns, photometric, bool(syntax.is_encapsulated))
    size = os.path.getsize(path)
    sampled = 2 / 3 if photometric == "YBR_FULL_422" else 1
    needed = math.ceil(rows * columns * samples * bits / 8 * frames * sampled)
    if found.compressed:
        needed = 8 * frames
    if needed > (LARGEST if str(syntax) == DEFLATED else size):
        raise ValueError(
            f"it says that it holds {needed} bytes of pixels, for which its {size} do not suffice: get it anew"
        )
    return found


def _read_whole(dataset: Any, name: str) -> int:
    value = dataset.get(name)
    if not isinstance(value, int):
        raise ValueError(f"it does not say its {name}: get it anew")
    return int(value)


def _require_inflated(path: Path) -> None:
    """Refuse a deflated file that would fill the memory: pydicom inflates it as a whole."""
    import pydicom

    if not is_dicom(path):
        raise ValueError("it does not begin as DICOM files do: convert it, or get it anew")
    with path.open("rb") as file:
        try:
            meta = pydicom.filereader.read_file_meta_info(path)
            if str(meta.get("TransferSyntaxUID")) != DEFLATED:
                return
            file.seek(PREAMBLE + 4 + 12 + int(meta.FileMetaInformationGroupLength))
        except Exception as error:
            raise ValueError(f"its beginning cannot be read ({str(error)[:200]}): get it anew") from error
        inflater, total = zlib.decompressobj(-zlib.MAX_WBITS), 0
        try:
            while not inflater.eof and (chunk := inflater.unconsumed_tail or file.read(2**16)):
                total += len(inflater.decompress(chunk, 2**20))
                if total > MOST_INFLATED:
                    raise ValueError(f"it inflates to more than {MOST_INFLATED} bytes: store it without compression")
        except zlib.error as error:
            raise ValueError(f"it is damaged ({error}): get it anew") from error


def find_value(header: DicomHeader, frame: int, group: str, name: str) -> Any:
    """A value of a frame: its own, the one that frames share, or that of the file; `None` where there is none.

    Args:
        header: of the file.
        frame: its place in the file.
        group: the functional group of multi-frame files in which it lies, such as "PixelMeasuresSequence".
        name: of the value.
    """
    for place in _list_groups(header.dataset, frame):
        inside = place.get(group)
        if inside and name in inside[0]:
            return inside[0].get(name)
    return header.dataset.get(name)


def _list_groups(dataset: Any, frame: int) -> Iterator[Any]:
    own, shared = dataset.get("PerFrameFunctionalGroupsSequence"), dataset.get("SharedFunctionalGroupsSequence")
    if own and frame < len(own):
        yield own[frame]
    if shared:
        yield shared[0]


def find_numbers(header: DicomHeader, frame: int, group: str, name: str, length: int) -> tuple[float, ...] | None:
    """Finite numbers of `find_value`; `None` where there are not as many, or others."""
    value = find_value(header, frame, group, name)
    try:
        numbers = tuple(float(one) for one in (value if not isinstance(value, str | int | float) else [value]))
    except (TypeError, ValueError):
        return None
    return numbers if len(numbers) == length and all(abs(one) < FARTHEST for one in numbers) else None


def find_spacing(header: DicomHeader, frame: int = 0) -> tuple[float, float] | None:
    """Distances in mm between rows and between columns; `None` where the file does not say them."""
    found = find_numbers(header, frame, "PixelMeasuresSequence", "PixelSpacing", 2)
    return (found[0], found[1]) if found is not None and min(found) > 0 else None


def find_orientation(header: DicomHeader, frame: int = 0) -> np.ndarray | None:
    """Directions (2, 3) in the patient along a row and along a column; `None` where the file does not say them."""
    found = find_numbers(header, frame, "PlaneOrientationSequence", "ImageOrientationPatient", 6)
    return None if found is None else np.array(found).reshape(2, 3)


def find_depth(header: DicomHeader, frame: int = 0) -> float | None:
    """Position in mm along the normal of the image; `None` where the file does not say it."""
    orientation = find_orientation(header, frame)
    position = find_numbers(header, frame, "PlanePositionSequence", "ImagePositionPatient", 3)
    if orientation is None or position is None:
        return None
    return float(np.cross(orientation[0], orientation[1]) @ np.array(position))
