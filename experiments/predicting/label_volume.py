"""Volumes on the grid of another NIfTI file: same shape, affine and units, and nothing else of its header."""

from pathlib import Path
from typing import Any

import numpy as np

from datamodules.reading.nifti import parse_header
from experiments.predicting.marked_results import write_sealed
from experiments.predicting.sealed_bytes import UNSEALED
from user_error import UserError

GRID = (
    "pixdim",
    "qform_code",
    "sform_code",
    "quatern_b",
    "quatern_c",
    "quatern_d",
    "qoffset_x",
    "qoffset_y",
    "qoffset_z",
)
ROWS = ("srow_x", "srow_y", "srow_z")


def write_volume(levels: np.ndarray, like: Path, path: Path) -> None:
    """Write a volume, marked as a result of `predict`.

    Texts and extensions of the other file stay behind: they may name a patient.

    Args:
        levels: in the order in which the other file stores its own.
        like: the other file.
        path: of the new file.

    Raises:
        UserError: the other file lies in space in a way that cannot be written.
        OSError: it cannot be written.
    """
    from nibabel.nifti1 import Nifti1Image  # here, since few commands meet a volume
    from nibabel.nifti2 import Nifti2Header, Nifti2Image

    source = parse_header(like)
    kind: Any = Nifti2Image if isinstance(source, Nifti2Header) else Nifti1Image
    try:
        header = kind.header_class()
        header.set_data_dtype(levels.dtype)
        header.set_data_shape(levels.shape)
        for name in (*GRID, *ROWS, "xyzt_units"):
            header[name] = source[name]
        header["descrip"] = UNSEALED.encode()
        content = kind(levels, None, header).to_bytes()
    except Exception as error:  # nibabel checks what it writes, and raises errors of several classes
        raise UserError(
            f"{str(like)!r} has a header by which no volume can be written ({error}): correct it"
        ) from error
    write_sealed(content, path)
