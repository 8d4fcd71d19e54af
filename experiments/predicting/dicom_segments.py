"""Masks of a DICOM series as one DICOM Segmentation object, which viewers lay over its slices.

DICOM PS3.3, A.51 (Segmentation IOD), written by highdicom (Bridge et al., Journal of Digital Imaging 2022).
"""

import io
import re
import warnings
from typing import Any

import numpy as np

from datamodules.reading.dicom_series import DicomSeries
from experiments.predicting.sealed_bytes import KEY, UNSEALED
from experiments.predicting.source import Look
from user_error import UserError

MAKER, MODEL, VERSION = "robust-segmentation", "predict", "1"
SCHEME = "99ROBUSTSEG"
"""Private coding scheme of the classes, of which a checkpoint knows nothing but the names."""

BACKGROUND = "background"
MARK_GROUP = 0x0071
"""Private group of the mark of `predict`."""

LONGEST = 64
"""Characters of a DICOM text of one line (LO)."""


def make_segmentation(series: DicomSeries, masks: np.ndarray, look: Look) -> bytes:
    """The content of a DICOM SEG file.

    Each class is a segment of its name; a first class of the name "background" is none, as the standard has it. Patient and
    study are those of the slices, as the standard wants.

    Args:
        series: the slices.
        masks: class ids (N, H, W) uint8 of its frames.
        look: names of the classes.

    Raises:
        UserError: the slices lack what a SEG needs.
    """
    from highdicom.seg import Segmentation
    from pydicom.uid import generate_uid

    empty = look.classes[0].lower() == BACKGROUND and len(look.classes) > 1
    names, segments = (look.classes[1:], masks) if empty else (look.classes, masks + 1)
    sources = [file.dataset for file in series.files]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what slices lack, which is told where it matters
            found: Any = Segmentation(
                source_images=sources,
                pixel_array=segments,
                segmentation_type="BINARY",
                segment_descriptions=[_describe(number, name) for number, name in enumerate(names, 1)],
                series_instance_uid=generate_uid(),
                series_number=_number_series(sources[0]),
                sop_instance_uid=generate_uid(),
                instance_number=1,
                manufacturer=MAKER,
                manufacturer_model_name=MODEL,
                software_versions=VERSION,
                device_serial_number="0",
                content_label="PREDICTION",
            )
            found.private_block(MARK_GROUP, KEY, create=True).add_new(1, "ST", UNSEALED)
            file = io.BytesIO()
            found.save_as(file, enforce_file_format=True)
    except Exception as error:  # highdicom checks what the slices say, and raises errors of several classes
        raise UserError(
            f"no DICOM SEG can refer to {str(series.files[0].path)!r} ({' '.join(str(error).split())[:200]}): complete its "
            "attributes; its masks as pictures are written"
        ) from error
    return file.getvalue()


def _describe(number: int, name: str) -> Any:
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.seg import SegmentDescription
    from pydicom.sr.codedict import codes
    from pydicom.sr.coding import Code

    label = re.sub(r"[\\\x00-\x1f]", "_", name)[:LONGEST].strip() or f"class {number}"
    return SegmentDescription(
        segment_number=number,
        segment_label=label,
        segmented_property_category=Code("309825002", "SCT", "Spatial and Relational Concept"),
        segmented_property_type=Code(f"class{number}", SCHEME, label),
        algorithm_type="AUTOMATIC",
        algorithm_identification=AlgorithmIdentificationSequence(
            name=MODEL, family=codes.DCM.ArtificialIntelligence, version=VERSION
        ),
    )


def _number_series(dataset: Any) -> int:
    """A number behind that of the slices."""
    try:
        return max(1, min(int(dataset.get("SeriesNumber") or 0) + 1000, 99999))
    except (TypeError, ValueError):
        return 1000
