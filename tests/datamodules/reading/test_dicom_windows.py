"""Tables and sigmoids of brightness, against pydicom's own and by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from medical_files import make_dicom, make_item, make_table
from pydicom.pixels import apply_voi, apply_windowing
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from datamodules.reading.dicom import read_dicom_header
from datamodules.reading.dicom_windows import find_curve, find_range

LEVELS = np.arange(0, 2048, 5, dtype=np.uint16).reshape(-1, 10)[:40]
RISING = (np.linspace(0, 1, 1000) ** 2 * 4095).astype(int)


def save(folder: Path, syntax: Any = ExplicitVRLittleEndian, **more: Any) -> Path:
    dataset = make_dicom(LEVELS, **more)
    dataset.file_meta.TransferSyntaxUID = syntax
    if syntax == ExplicitVRBigEndian:
        dataset.PixelData = LEVELS.astype(">u2").tobytes()
    little, implicit = syntax.is_little_endian, syntax.is_implicit_VR
    path = folder / "a.dcm"
    pydicom.dcmwrite(path, dataset, little_endian=little, implicit_vr=implicit, enforce_file_format=True)
    return path


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize("vr", ["US", "OW"])
def test_tables_are_pydicoms(tmp_path: Path, syntax: Any, vr: str) -> None:
    order = "<" if syntax.is_little_endian else ">"
    data = RISING.tolist() if vr == "US" else RISING.astype(f"{order}u2").tobytes()
    more = {"RescaleIntercept": 0, "VOILUTSequence": [make_table([1000, 300, 12], data, vr)]}
    path = save(tmp_path, syntax, **more, WindowCenter=500, WindowWidth=10)  # a table comes first
    curve = find_curve(read_dicom_header(path), 0)
    assert curve is not None
    expected = apply_voi(LEVELS, pydicom.dcmread(path)) / 4095
    np.testing.assert_allclose(curve.brighten(LEVELS.astype(float)), expected)
    assert expected.min() == 0 < expected.max() == 1


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_entries_of_8_bits_may_share_words(tmp_path: Path, syntax: Any) -> None:
    """One to a word, or two, for more levels than 8 bits can count."""
    entries = (np.arange(1000) // 4).astype(np.uint8)
    shared = entries if syntax.is_little_endian else entries.reshape(-1, 2)[:, ::-1].ravel()
    expected = entries[np.clip(LEVELS.astype(int) + 24, 0, 999)] / 255
    for data in (entries.astype(int).tolist(), shared.tobytes()):
        table = make_table([1000, -24, 8], data, "US" if isinstance(data, list) else "OW")
        more = {"RescaleIntercept": 0, "PixelRepresentation": 1, "VOILUTSequence": [table]}
        curve = find_curve(read_dicom_header(save(tmp_path, syntax, **more)), 0)
        assert curve is not None
        np.testing.assert_array_equal(curve.brighten(LEVELS.astype(float)), expected)


def test_sigmoids_are_pydicoms(tmp_path: Path) -> None:
    path = save(tmp_path, RescaleIntercept=0, WindowCenter=600, WindowWidth=300, VOILUTFunction="SIGMOID")
    header = read_dicom_header(path)
    curve = find_curve(header, 0)
    assert curve is not None
    assert find_range(header, 0).window is None
    expected = apply_windowing(LEVELS, pydicom.dcmread(path)) / 65535
    np.testing.assert_allclose(curve.brighten(LEVELS.astype(float)), expected)


def test_a_line_is_no_curve(tmp_path: Path) -> None:
    header = read_dicom_header(save(tmp_path, WindowCenter=500.5, WindowWidth=1001))
    assert find_curve(header, 0) is None
    assert find_range(header, 0).window == (0, 1000)


@pytest.mark.parametrize(
    "table",
    [
        make_table([1000, 0, 12], RISING[:900].tolist()),
        make_table([1000, 0, 4], RISING.tolist()),
        make_table([1000, 0, 10], RISING.tolist()),
        make_table([1000, 0], RISING.tolist()),
        make_item(LUTDescriptor=[1000, 0, 12]),
        make_item(),
    ],
)
def test_damaged_tables_are_refused(tmp_path: Path, table: Any) -> None:
    header = read_dicom_header(save(tmp_path, VOILUTSequence=[table]))
    with pytest.raises(ValueError, match=r"table of brightness .*; pass --window LOW HIGH"):
        find_curve(header, 0)
