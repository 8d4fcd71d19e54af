"""Levels of DICOM images in their unit, against pydicom's own."""

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from medical_files import make_dicom, make_item, make_table, save_dicom
from pydicom.pixels import apply_modality_lut

from datamodules.reading.dicom import read_dicom_header
from datamodules.reading.dicom_levels import read_frame
from datamodules.reading.dicom_windows import find_range

LEVELS = np.arange(0, 2048, 5, dtype=np.uint16).reshape(-1, 10)[:40]


def read(folder: Path, **more: Any) -> np.ndarray:
    path = save_dicom(make_dicom(LEVELS, **more), folder / "a.dcm")
    header = read_dicom_header(path)
    assert find_range(header, 0).possible is None
    return read_frame(header, 0)


def test_a_table_of_levels_is_pydicoms(tmp_path: Path) -> None:
    table = make_table([1000, 300, 16], (np.arange(1000) * 65).tolist())
    found = read(tmp_path, ModalityLUTSequence=[table])
    np.testing.assert_array_equal(found, apply_modality_lut(LEVELS, pydicom.dcmread(tmp_path / "a.dcm")))
    assert found.min() == 0 < found.max() == 999 * 65


def test_a_table_may_begin_below_what_is_stored(tmp_path: Path) -> None:
    table = make_table([4000, -1000, 16], np.arange(4000).tolist())
    np.testing.assert_array_equal(read(tmp_path, ModalityLUTSequence=[table]), LEVELS.astype(int) + 1000)


def test_a_damaged_table_is_refused(tmp_path: Path) -> None:
    for table in (make_table([1000, 0, 12], [1, 2, 3]), make_item(LUTDescriptor=[3, 0, 16])):
        with pytest.raises(ValueError, match=r"table of levels .*: it .*; get it anew"):
            read(tmp_path, ModalityLUTSequence=[table])


def test_an_element_that_cannot_be_decoded(tmp_path: Path) -> None:
    """pydicom decodes it when it is asked for: one that no image depends on is left out."""
    for name, refused in (("PatientWeight", False), ("RescaleType", True)):
        path = save_dicom(make_dicom(LEVELS, **{name: "70" if name == "PatientWeight" else "HU"}), tmp_path / "a.dcm")
        content = path.read_bytes()
        tag = pydicom.tag.Tag(name)
        place = content.index(tag.group.to_bytes(2, "little") + tag.element.to_bytes(2, "little")) + 4
        path.write_bytes(content[:place] + b"D~" + content[place + 2 :])
        if refused:
            with pytest.raises(ValueError, match=r"its element \(0028,1054\) cannot be read"):
                read_dicom_header(path)
        else:
            assert name not in read_dicom_header(path).dataset
