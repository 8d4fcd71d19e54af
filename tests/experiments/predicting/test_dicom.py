"""DICOM files to masks, a SEG and areas; read back by pydicom and highdicom."""

import csv
import io
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
import pytest
from command_line import ROOT
from medical_files import PATIENT, make_dicom, make_enhanced, make_levels, make_table, save_dicom, save_series
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, JPEGLSLossless, RLELossless


def read_rows(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "predictions.csv").open()))


def read_mask(path: Path) -> np.ndarray:
    return np.array(Image.open(path))


def test_a_series_is_sorted_by_position_and_its_segments_refer_to_it(predict_levels: Callable, tmp_path: Path) -> None:
    paths, output = save_series(tmp_path / "in"), tmp_path / "out"
    found = predict_levels([tmp_path / "in"], output, "--window", "0", "1000")
    assert found.status == 0, found.err
    rows = read_rows(output)
    assert [row["image"] for row in rows if row["class"] == "disc"] == ["3", "2", "1", "1"]
    assert [row["slice"] for row in rows if row["class"] == "disc"] == ["0", "1", "2", "all"]
    segments = highdicom.seg.segread(output / "1_seg.dcm")
    assert [one.SegmentLabel for one in segments.SegmentSequence] == ["disc"]
    sources = [pydicom.dcmread(path) for path in paths]
    read = segments.get_pixels_by_source_instance([str(one.SOPInstanceUID) for one in sources])
    for place, (path, source) in enumerate(zip(paths, sources, strict=True)):
        hounsfield = source.pixel_array.astype(int) - 1024
        wanted = hounsfield > 500
        np.testing.assert_array_equal(read_mask(output / f"{path.stem}_mask.png"), wanted)
        np.testing.assert_array_equal(read[place, ..., 0], wanted)
        row = rows[2 * place + 1]
        assert int(row["pixels"]) == wanted.sum()
        assert float(row["area_mm2"]) == pytest.approx(wanted.sum() * 0.125)
    counted = sum(int(row["pixels"]) for row in rows if row["class"] == "disc" and row["slice"] != "all")
    assert float(rows[-1]["volume_mm3"]) == pytest.approx(counted * 0.25)
    assert len({segments.SOPInstanceUID, *(one.SOPInstanceUID for one in sources)}) == 4
    assert segments.PatientName == PATIENT  # as the standard wants


def test_no_name_of_a_patient_leaves_the_standard(predict_levels: Callable, tmp_path: Path) -> None:
    save_series(tmp_path / "in")
    assert predict_levels([tmp_path / "in"], tmp_path / "out", "--uncertainty").status == 0
    files = [path for path in (tmp_path / "out").rglob("*") if path.suffix != ".dcm"]
    assert len(files) == 10
    for path in files:
        content = path.read_bytes()
        assert b"Doe" not in content
        assert b"escaped" not in content
    assert {path.name for path in tmp_path.iterdir()} == {"in", "out"}


STEP, DAMAGED = (make_table([number, 250, 8], [0] * 50 + [255] * 50) for number in (100, 90))
"""Tables that are black up to a level and white from there on."""


def window_levels(**more: object) -> dict[str, object]:
    return {"WindowCenter": 500.5, "WindowWidth": 1001, **more}


@pytest.mark.parametrize(
    ("more", "options", "rule", "threshold", "inverted"),
    [
        (window_levels(), (), r"file's own window: 1 file.*\[0, 1000\]", 500, False),
        (window_levels(WindowCenter=[500.5, 40], WindowWidth=[1001, 80]), (), r"\[0, 1000\]", 500, False),
        (window_levels(VOILUTFunction="LINEAR_EXACT", WindowWidth=1000), (), r"\[0.5, 1000.5\]", 500.5, False),
        (window_levels(), ("--window", "100", "300"), r"by --window: 1 file.*\[100, 300\]", 200, False),
        (window_levels(PhotometricInterpretation="MONOCHROME1"), (), "own window", 500, True),
        (
            window_levels(VOILUTFunction="SIGMOID"),
            (),
            r"own sigmoid window: 1 file.*centre 500.5, width 1001",
            500.5,
            False,
        ),
        (window_levels(VOILUTSequence=[STEP]), (), r"own table: 1 file.*with 100 entries from level 250", 300, False),
        (window_levels(VOILUTSequence=[STEP], PhotometricInterpretation="MONOCHROME1"), (), "own table", 300, True),
        (window_levels(VOILUTSequence=[STEP]), ("--window", "100", "300"), r"by --window: 1 file", 200, False),
        (window_levels(VOILUTSequence=[DAMAGED]), ("--window", "100", "300"), r"by --window: 1 file", 200, False),
        (
            {"BitsStored": 12, "HighBit": 11, "PixelRepresentation": 0},
            (),
            r"range of the file's number of bits.*\[-1024, 3071\]",
            1023.5,
            False,
        ),
    ],
)
def test_levels_by_the_rules_of_the_file(
    predict_levels: Callable, tmp_path: Path, more: dict, options: tuple, rule: str, threshold: float, inverted: bool
) -> None:
    levels = make_levels(30, 40, first=700)
    save_dicom(make_dicom(levels, **more), tmp_path / "a.dcm")
    found = predict_levels([tmp_path / "a.dcm"], tmp_path / "out", *options)
    assert found.status == 0, found.err
    assert re.search(rule, found.out), found.out
    wanted = levels.astype(int) - 1024 > threshold
    clear = np.abs(levels.astype(int) - 1024 - threshold) > 10  # where rounding to 8 bits does not decide
    np.testing.assert_array_equal(read_mask(tmp_path / "out" / "a_mask.png")[clear], (wanted ^ inverted)[clear])


def test_the_window_of_the_training_comes_before_that_of_the_file(predict_levels: Callable, tmp_path: Path) -> None:
    levels = make_levels(30, 40, first=700)
    save_dicom(make_dicom(levels, **window_levels()), tmp_path / "a.dcm")
    found = predict_levels([tmp_path / "a.dcm"], tmp_path / "out", window=[100.0, 300.0])
    assert "by the window of the checkpoint's data" in found.out
    clear = np.abs(levels.astype(int) - 1224) > 2
    np.testing.assert_array_equal(read_mask(tmp_path / "out" / "a_mask.png")[clear], (levels > 1224)[clear])


def compress_rle(dataset: pydicom.Dataset, levels: np.ndarray) -> None:
    dataset.compress(RLELossless, generate_instance_uid=False)


def compress_jpeg_ls(dataset: pydicom.Dataset, levels: np.ndarray) -> None:
    dataset.compress(JPEGLSLossless, generate_instance_uid=False)


def compress_by_pillow(dataset: pydicom.Dataset, levels: np.ndarray, syntax: str, name: str, **options: object) -> None:

    file = io.BytesIO()
    Image.fromarray(levels).save(file, name, **options)
    dataset.PixelData = encapsulate([file.getvalue()])
    dataset["PixelData"].VR = "OB"
    dataset.file_meta.TransferSyntaxUID = syntax


def compress_jpeg_2000(dataset: pydicom.Dataset, levels: np.ndarray) -> None:
    compress_by_pillow(dataset, levels, JPEG2000Lossless, "JPEG2000", no_jp2=True)


def compress_jpeg(dataset: pydicom.Dataset, levels: np.ndarray) -> None:
    compress_by_pillow(dataset, levels, JPEGBaseline8Bit, "JPEG", quality=100)


def compress_jpeg_lossless(dataset: pydicom.Dataset, levels: np.ndarray) -> None:
    """By gdcm, as nothing else writes it."""

    import gdcm

    with tempfile.TemporaryDirectory() as folder:
        plain, packed = Path(folder) / "plain.dcm", Path(folder) / "packed.dcm"
        dataset.save_as(plain, enforce_file_format=True)
        reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
        reader.SetFileName(str(plain))
        assert reader.Read()
        change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
        change.SetInput(reader.GetImage())
        assert change.Change()
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        writer.SetFileName(str(packed))
        assert writer.Write()
        found = pydicom.dcmread(packed)
    dataset.PixelData, dataset.file_meta = found.PixelData, found.file_meta
    dataset["PixelData"].VR = "OB"


@pytest.mark.parametrize(
    "compress", [compress_rle, compress_jpeg_ls, compress_jpeg_2000, compress_jpeg, compress_jpeg_lossless]
)
def test_compressed_files_are_read(predict_levels: Callable, tmp_path: Path, compress: Callable) -> None:
    levels = np.clip(make_levels() // 5, 0, 255).astype(np.uint8)
    dataset = make_dicom(levels, RescaleIntercept=0, WindowCenter=128, WindowWidth=256)
    compress(dataset, levels)
    assert dataset.file_meta.TransferSyntaxUID.is_compressed
    save_dicom(dataset, tmp_path / "a.dcm")
    found = predict_levels([tmp_path / "a.dcm"], tmp_path / "out")
    assert found.status == 0, found.err
    clear = np.abs(levels.astype(int) - 127.5) > 3
    np.testing.assert_array_equal(read_mask(tmp_path / "out/a_mask.png")[clear], (levels > 127.5)[clear])


def test_frames_of_an_enhanced_file(predict_levels: Callable, tmp_path: Path) -> None:
    """Whose positions, spacings and windows lie in functional groups."""
    frames = np.stack([make_levels(first=800), make_levels(first=1600)])
    file = make_enhanced(frames)
    save_dicom(file, tmp_path / "frames.dcm")
    found = predict_levels([tmp_path / "frames.dcm"], tmp_path / "out")
    assert found.status == 0, found.err
    read = highdicom.seg.segread(tmp_path / "out/frames_seg.dcm").get_pixels_by_source_frame(
        file.SOPInstanceUID, [1, 2]
    )
    for number, threshold in enumerate((500, 700)):
        wanted = frames[number].astype(int) - 1024 > threshold
        np.testing.assert_array_equal(read_mask(tmp_path / f"out/frames_{number:04d}_mask.png"), wanted)
        np.testing.assert_array_equal(read[number, ..., 0], wanted)
    rows = read_rows(tmp_path / "out")
    assert float(rows[-1]["volume_mm3"]) == pytest.approx(int(rows[-1]["pixels"]) * 0.25)


def test_a_film_in_colours(predict_levels: Callable, tmp_path: Path) -> None:
    """A file of no suffix; a SEG of several frames needs a frame of reference."""
    colours = np.repeat((make_levels() // 5).clip(0, 255).astype(np.uint8)[..., None], 3, 2)
    film = make_dicom(np.stack([colours] * 2).reshape(2 * 24, 32, 3), Rows=24, NumberOfFrames=2, Modality="ES")
    for name in ("FrameOfReferenceUID", "ImagePositionPatient", "ImageOrientationPatient"):
        delattr(film, name)
    save_dicom(film, tmp_path / "in/film")
    found = predict_levels([tmp_path / "in"], tmp_path / "out")
    assert found.status == 0, found.err
    assert "images without a frame of reference have no DICOM SEG" in found.out
    masks = [read_mask(tmp_path / f"out/film_000{number}_mask.png") for number in (0, 1)]
    for mask in masks:
        np.testing.assert_array_equal(mask, colours[..., 0] > 127)
    assert not list((tmp_path / "out").glob("*.dcm"))


def test_time_points_of_a_series_are_volumes_of_their_own(predict_levels: Callable, tmp_path: Path) -> None:
    for time in range(2):
        for place in range(2):
            number = 2 * time + place
            file = make_dicom(make_levels(first=800 * (1 + time)), depth=2.0 * place, InstanceNumber=number)
            save_dicom(file, tmp_path / f"in/{number}.dcm")
    assert predict_levels([tmp_path / "in"], tmp_path / "out", "--window", "0", "1000").status == 0
    assert {path.name for path in (tmp_path / "out").glob("*.dcm")} == {"0_seg.dcm", "2_seg.dcm"}
    assert len([row for row in read_rows(tmp_path / "out") if row["slice"] == "all" and row["volume_mm3"]]) == 4


def save_times(folder: Path, numbers: Sequence[int], **attributes: Sequence[Any]) -> None:
    """Files 0 to 3 of two times at two places each, named after their order; with attributes of the times."""
    for number in numbers:
        time, place = divmod(number, 2)
        further = {name: values[time] for name, values in attributes.items()}
        levels = make_levels(first=800 * (1 + time))
        save_dicom(make_dicom(levels, depth=2.0 * place, InstanceNumber=number, **further), folder / f"{number}.dcm")


@pytest.mark.parametrize(
    "attributes", [{"AcquisitionNumber": (1, 2)}, {"TemporalPositionIdentifier": (1, 2), "AcquisitionNumber": (1, 1)}]
)
def test_time_points_with_a_missing_slice_are_not_mixed(
    predict_levels: Callable, tmp_path: Path, attributes: dict[str, Any]
) -> None:
    save_times(tmp_path / "in", [1, 2, 3], **attributes)
    assert predict_levels([tmp_path / "in"], tmp_path / "out", "--window", "0", "1000").status == 0
    files = {path.name: highdicom.seg.segread(path) for path in (tmp_path / "out").glob("*.dcm")}
    assert {name: len(one.ReferencedSeriesSequence[0].ReferencedInstanceSequence) for name, one in files.items()} == {
        "1_seg.dcm": 1,
        "2_seg.dcm": 2,
    }


def test_slices_whose_volumes_nothing_tells_apart_are_by_themselves(predict_levels: Callable, tmp_path: Path) -> None:
    save_times(tmp_path / "in", [1, 2, 3])
    found = predict_levels([tmp_path / "in"], tmp_path / "out", "--window", "0", "1000")
    assert "each slice by itself, since several lie at one position" in found.out
    assert {path.name for path in (tmp_path / "out").glob("*.dcm")} == {f"{number}_seg.dcm" for number in (1, 2, 3)}
    assert not [row for row in read_rows(tmp_path / "out") if row["slice"] == "all"]


def test_a_copy_of_an_image_is_left_out(predict_levels: Callable, tmp_path: Path) -> None:
    first, *_ = save_series(tmp_path / "in")
    (tmp_path / "in/copy.dcm").write_bytes(first.read_bytes())
    found = predict_levels([tmp_path / "in"], tmp_path / "out", "--window", "0", "1000")
    assert found.status == 0
    assert "left out: 1 file of an image that was met before in another DICOM file" in found.out
    assert len(read_rows(tmp_path / "out")) == 8


def test_an_image_without_a_frame_of_reference_has_pictures(predict_levels: Callable, tmp_path: Path) -> None:
    dataset = make_dicom(make_levels(), Modality="CR")
    del dataset.FrameOfReferenceUID, dataset.ImagePositionPatient, dataset.ImageOrientationPatient
    save_dicom(dataset, tmp_path / "a.dcm")
    found = predict_levels([tmp_path / "a.dcm"], tmp_path / "out")
    assert found.status == 0, found.err
    assert "masks as pictures alone, since images without a frame of reference have no DICOM SEG" in found.out
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a_mask.png", "a_overlay.png", "predictions.csv"}


def test_a_window_of_no_width_is_told(predict_levels: Callable, tmp_path: Path) -> None:
    save_dicom(make_dicom(make_levels(), WindowCenter=40, WindowWidth=0), tmp_path / "a.dcm")
    found = predict_levels([tmp_path / "a.dcm"], tmp_path / "out")
    assert "the file's own window left out" in found.out
    assert "by the range of the file's number of bits" in found.out


def test_what_cannot_be_read_is_said(predict_levels: Callable, tmp_path: Path) -> None:
    huge = make_dicom(make_levels(), Rows=60_000, Columns=60_000)
    save_dicom(huge, tmp_path / "in/huge.dcm")
    (tmp_path / "in/fake.dcm").write_bytes(b"no DICOM at all" * 20)
    save_dicom(make_dicom(make_levels(), Modality="SR"), tmp_path / "in/report.dcm")
    dataset = make_dicom((make_levels() // 5).astype(np.uint8))
    compress_jpeg(dataset, np.zeros((48, 64), np.uint8))
    save_dicom(dataset, tmp_path / "in/liar.dcm")
    save_dicom(make_dicom(make_levels(), series="1.2.77"), tmp_path / "in/good.dcm")
    found = predict_levels([tmp_path / "in"], tmp_path / "out")
    assert found.status == 2
    for words in ("more than 178956970 pixels", "does not begin as DICOM", "holds no image", "its frame is 48 x 64"):
        assert words in found.err
    assert "4 of 5 images could not be segmented" in found.err
    assert (tmp_path / "out/good_seg.dcm").is_file()


def test_only_what_was_written_is_replaced(predict_levels: Callable, tmp_path: Path) -> None:
    """Of a SEG as of pictures; an earlier one among the inputs is left out."""
    save_series(tmp_path / "in")
    assert predict_levels([tmp_path / "in"], tmp_path / "in").status == 0
    again = predict_levels([tmp_path / "in"], tmp_path / "in", "--overwrite")
    assert again.status == 0, again.err
    assert "7 files from an earlier predict" in again.out
    segments = tmp_path / "in/1_seg.dcm"
    segments.write_bytes(segments.read_bytes().replace(b"PREDICTION", b"CORRECTED!"))
    refused = predict_levels([tmp_path / "in"], tmp_path / "in", "--overwrite")
    assert refused.status == 2
    assert "1_seg.dcm' is there, and is not what predict wrote" in refused.err


def test_pictures_need_no_dicom(checkpoint: Path, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "a.png")
    words = ["predict", str(tmp_path / "a.png"), f"--checkpoint={checkpoint}", f"--output={tmp_path / 'out'}"]
    code = (
        "import sys; from experiments.__main__ import main; status = main(sys.argv[1:]); "
        "sys.exit(status or any(name in sys.modules for name in ('pydicom', 'highdicom', 'nibabel', 'tifffile', 'gdcm')))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    assert subprocess.run([sys.executable, "-c", code, *words, "--device=cpu"], env=environment).returncode == 0
