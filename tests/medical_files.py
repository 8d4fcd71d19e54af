"""Small DICOM files, series and NIfTI volumes of one ramp of levels, by writers of their own kinds."""

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

CT = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED = "1.2.840.10008.5.1.4.1.1.2.1"
PATIENT = "Doe^Jane"
SPACING = (0.5, 0.25)


def make_levels(rows: int = 24, columns: int = 32, first: int = 0) -> np.ndarray:
    """Levels (H, W) int16 that rise along rows and columns."""
    row, column = np.mgrid[:rows, :columns]
    return (first + 40 * row + 20 * column).astype(np.int16)


def make_dicom(
    levels: np.ndarray, series: str = "1.2.3", study: str = "1.2.4", depth: float = 0.0, **more: Any
) -> FileDataset:
    """A CT image whose stored levels are Hounsfield units + 1024; `more` are further attributes."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CT, generate_uid()
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = CT, meta.MediaStorageSOPInstanceUID
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = study, series, "1.2.5"
    dataset.PatientName, dataset.PatientID = PATIENT, "../../escaped"
    dataset.PatientBirthDate = dataset.PatientSex = dataset.AccessionNumber = dataset.StudyID = ""
    dataset.StudyDate = dataset.StudyTime = dataset.ReferringPhysicianName = dataset.PositionReferenceIndicator = ""
    dataset.SeriesDescription, dataset.Modality, dataset.Manufacturer = "../../../tmp/x", "CT", "nobody"
    dataset.SeriesNumber, dataset.InstanceNumber = 1, 1
    dataset.ImageOrientationPatient, dataset.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0, 0, depth]
    dataset.PixelSpacing, dataset.SliceThickness = list(SPACING), 2
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
    set_levels(dataset, levels)
    for name, value in more.items():
        setattr(dataset, name, value)
    return dataset


def make_table(descriptor: list[int], data: Any, vr: str = "US") -> Dataset:
    """An item of a VOI LUT Sequence; `descriptor` says the number of entries, the first level and the bits of an entry."""
    item = make_item()
    signed = min(descriptor) < 0
    item[0x00283002] = DataElement(0x00283002, "SS" if signed else "US", descriptor)
    item[0x00283006] = DataElement(0x00283006, vr, data)
    return item


def make_enhanced(frames: np.ndarray) -> FileDataset:
    """An enhanced CT image of frames (N, H, W), each of which asks for another window."""
    dataset = make_dicom(frames, SOPClassUID=ENHANCED)
    dataset.file_meta.MediaStorageSOPClassUID = ENHANCED
    for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"):
        delattr(dataset, name)
    rescale = make_item(RescaleSlope=1, RescaleIntercept=dataset.RescaleIntercept, RescaleType="HU")
    del dataset.RescaleSlope, dataset.RescaleIntercept
    dataset.SharedFunctionalGroupsSequence = [
        make_item(
            PixelMeasuresSequence=[make_item(PixelSpacing=list(SPACING), SliceThickness=2)],
            PlaneOrientationSequence=[make_item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
            PixelValueTransformationSequence=[rescale],
        )
    ]
    dataset.PerFrameFunctionalGroupsSequence = [
        make_item(
            PlanePositionSequence=[make_item(ImagePositionPatient=[0, 0, 2.0 * place])],
            FrameVOILUTSequence=[make_item(WindowCenter=500.5 + 200 * place, WindowWidth=1001)],
        )
        for place in range(len(frames))
    ]
    return dataset


def make_item(**values: Any) -> Dataset:
    """An item of a sequence."""
    item = Dataset()
    for name, value in values.items():
        setattr(item, name, value)
    return item


def set_levels(dataset: FileDataset, levels: np.ndarray) -> None:
    """Grey levels (H, W) or (frames, H, W), or colours (H, W, 3) uint8."""
    coloured = levels.dtype == np.uint8 and levels.shape[-1] == 3
    dataset.Rows, dataset.Columns = levels.shape[:2] if coloured else levels.shape[-2:]
    dataset.SamplesPerPixel = 3 if coloured else 1
    dataset.PhotometricInterpretation = "RGB" if coloured else "MONOCHROME2"
    if coloured:
        dataset.PlanarConfiguration = 0
    elif levels.ndim == 3:
        dataset.NumberOfFrames = len(levels)
    dataset.BitsAllocated = 8 * levels.itemsize
    dataset.BitsStored, dataset.HighBit = dataset.BitsAllocated, dataset.BitsAllocated - 1
    dataset.PixelRepresentation = int(levels.dtype.kind == "i")
    dataset.PixelData = levels.tobytes()


def save_dicom(dataset: FileDataset, path: Path) -> Path:
    """Write it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def save_series(folder: Path, slices: int = 3, **more: Any) -> list[Path]:
    """A series whose names are in the opposite order of its slices, which lie 2 mm apart; sorted by position."""
    return [
        save_dicom(
            make_dicom(make_levels(first=700 + 300 * place), depth=2.0 * place, **more),
            folder / f"{slices - place}.dcm",
        )
        for place in range(slices)
    ]


def save_volume(path: Path, levels: np.ndarray, affine: np.ndarray | None = None, **header: Any) -> Path:
    """A NIfTI file whose voxels are 0.5 x 0.25 x 2 mm where no affine is given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nibabel.Nifti1Image(levels, np.diag([0.5, 0.25, 2, 1]) if affine is None else affine)
    for name, value in header.items():
        image.header[name] = value
    image.to_filename(path)
    return path
