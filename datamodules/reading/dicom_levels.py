"""Levels of DICOM images, rescaled to the unit that they are measured in.

DICOM PS3.3, C.11.1 (Modality LUT). Decoded by pydicom and its plugins.
"""

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.reading import isolated_decoding
from datamodules.reading.dicom import DicomHeader, find_numbers
from datamodules.reading.dicom_tables import read_table

JPEG_SIZES = (*(code for code in range(0xC0, 0xD0) if code not in (0xC4, 0xC8, 0xCC)), 0xF7)
"""Markers of JPEG and JPEG-LS behind which a frame says its size."""

SIZ = b"\xff\x4f\xff\x51"
"""Beginning of a JPEG 2000 codestream, whose size follows."""


PILLOW_SYNTAXES = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91")
"""JPEG and JPEG 2000, which Pillow decodes as well: gdcm may end the process on damaged frames."""


def read_frame(header: DicomHeader, frame: int) -> np.ndarray:
    """The levels of a frame: float64 (H, W), rescaled, of a grey image, uint8 (H, W, 3) of a coloured one.

    Raises:
        ValueError: it is damaged, is coded in a way that is not read, or has colours of more than 8 bits.
        OSError: it cannot be read.
    """
    from pydicom.pixels import apply_color_lut

    try:
        dataset = _read_all(header.path, os.stat(header.path).st_size, os.stat(header.path).st_mtime_ns)
        if header.compressed:
            _require_size(header, dataset, frame)
        levels = _decode(header, dataset, frame)
        if header.photometric == "PALETTE COLOR":
            levels = apply_color_lut(levels, dataset)
    except (OSError, MemoryError):
        raise
    except Exception as error:  # decoders fail in many ways
        raise ValueError(
            f"its pixels cannot be decoded ({str(error)[:200]}): store it uncompressed, or get it anew"
        ) from error
    if levels.shape[:2] != (header.rows, header.columns):
        raise ValueError(f"its pixels are {levels.shape}, where it says {header.rows} x {header.columns}: get it anew")
    if header.grey:
        return _rescale(header, frame, levels)
    if levels.dtype == np.uint16 and header.photometric == "PALETTE COLOR":
        levels = (levels >> 8).astype(np.uint8) if levels.max(initial=0) > 255 else levels.astype(np.uint8)
    if levels.dtype != np.uint8 or levels.ndim != 3:
        raise ValueError(f"its colours are of type {levels.dtype}, not 8 bit: convert them")
    return levels[..., :3]


def find_rescale(header: DicomHeader, frame: int) -> tuple[float, float]:
    """Slope and intercept from the stored levels of a frame to those in their unit."""
    group = "PixelValueTransformationSequence"
    slope, intercept = (find_numbers(header, frame, group, name, 1) for name in ("RescaleSlope", "RescaleIntercept"))
    return (slope[0] if slope else 1.0), (intercept[0] if intercept else 0.0)


def has_modality_table(header: DicomHeader) -> bool:
    """Whether a table takes stored levels to those in their unit, in place of slope and intercept."""
    return bool(header.dataset.get("ModalityLUTSequence"))


def _rescale(header: DicomHeader, frame: int, levels: np.ndarray) -> np.ndarray:
    if levels.ndim != 2:
        raise ValueError(f"its pixels are {levels.shape}, where one channel is said: get it anew")
    if has_modality_table(header):
        try:
            table = read_table(header.dataset.ModalityLUTSequence, header.little_endian)
        except ValueError as error:
            raise ValueError(f"its table of levels (Modality LUT): {error}; get it anew") from error
        return table.look_up(levels).astype(np.float64)
    slope, intercept = find_rescale(header, frame)
    return levels.astype(np.float64) * slope + intercept


def _decode(header: DicomHeader, dataset: Any, frame: int) -> np.ndarray:
    """The stored levels of a frame, colours as RGB."""
    from pydicom.pixels import pixel_array

    syntax = str(dataset.file_meta.TransferSyntaxUID)
    if syntax in isolated_decoding.SYNTAXES:
        state = os.stat(header.path)
        levels = _decode_all(header.path, state.st_size, state.st_mtime_ns)
        return levels[frame] if header.frames > 1 else levels
    pillow = syntax in PILLOW_SYNTAXES
    return pixel_array(dataset, index=frame, decoding_plugin="pillow" if pillow else "")


@lru_cache(maxsize=1)
def _decode_all(path: Path, size: int, time: int) -> np.ndarray:
    """All frames of a file of this size and time, by a process of its own."""
    return isolated_decoding.decode_isolated(path)


@lru_cache(maxsize=1)
def _read_all(path: Path, size: int, time: int) -> Any:
    """The whole of a file of this size and time: frames are decoded one by one."""
    import pydicom

    return pydicom.dcmread(path, force=False)


def _require_size(header: DicomHeader, dataset: Any, frame: int) -> None:
    """Refuse a compressed frame that says another size than the file, before a decoder makes room for it."""
    from pydicom.encaps import get_frame

    content = get_frame(dataset.PixelData, frame, number_of_frames=header.frames)
    found = read_coded_size(content)
    if found is not None and found != (header.rows, header.columns):
        raise ValueError(f"its frame is {found[0]} x {found[1]}, where it says {header.rows} x {header.columns}")


def read_coded_size(content: bytes) -> tuple[int, int] | None:
    """The (height, width) that a frame of JPEG, JPEG-LS or JPEG 2000 says; `None` of others, such as RLE."""
    start = content[:4096].find(SIZ)
    if start >= 0:
        width, height, left, top = (
            int.from_bytes(content[start + place : start + place + 4], "big") for place in (8, 12, 16, 20)
        )
        return height - top, width - left
    place = content[:4096].find(b"\xff\xd8")
    if place < 0:
        return None
    place += 2
    while place + 9 <= len(content) and content[place] == 0xFF:
        marker = content[place + 1]
        if marker in JPEG_SIZES:
            return int.from_bytes(content[place + 5 : place + 7], "big"), int.from_bytes(
                content[place + 7 : place + 9], "big"
            )
        place += 1 if marker == 0xFF else 2 + int.from_bytes(content[place + 2 : place + 4], "big")
    return None
