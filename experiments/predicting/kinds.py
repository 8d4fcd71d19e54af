"""The kinds of files that are segmented, by what ends their names or, for DICOM, by how they begin."""

from pathlib import Path
from typing import Literal

from datamodules.reading import dicom, nifti
from datamodules.reading.found_files import SUFFIXES, get_suffix

Kind = Literal["picture", "volume", "dicom"]

KINDS = ", ".join(suffix[1:] for suffix in (*SUFFIXES, *dicom.SUFFIXES, *nifti.SUFFIXES))
CONVERT = f"convert what is an image to one of {KINDS}"


def find_suffix(path: Path) -> str | None:
    """What ends the name of a file that is read; `None` of a file of another kind."""
    suffix = get_suffix(path)
    if suffix in (*SUFFIXES, *dicom.SUFFIXES, *nifti.SUFFIXES):
        return suffix
    return "" if path.name.upper() != "DICOMDIR" and dicom.is_dicom(path) else None


def find_kind(path: Path) -> Kind:
    """The kind of a file; of one that is of none, "picture", whose reader says so."""
    suffix = get_suffix(path)
    if suffix in nifti.SUFFIXES:
        return "volume"
    return "dicom" if suffix in dicom.SUFFIXES or (suffix not in SUFFIXES and dicom.is_dicom(path)) else "picture"
