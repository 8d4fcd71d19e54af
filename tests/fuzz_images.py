"""Ways in which an image file of a user comes to hold something else: enormous, mislabelled, of other channels, of no numbers."""

import io
import math
import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import nibabel
import numpy as np
import pydicom
import tifffile
from medical_files import make_dicom, make_enhanced, make_levels, make_table, save_dicom, save_volume
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, JPEGLSLossless, RLELossless

HUGE = (100_000, 2**16 - 1, 2**31 - 1, 3_000, 0)
TEXTS = ("../../../escaped", "/etc/passwd", "..", "a\\b\0c", "é\u202e", "x" * 5000, "", "\x1b[2J", "nan")
NUMBERS = ("nan", "inf", "-inf", "1e999", "0", "-1", "1e308", "1e-320", "0.5", "99999999999")
MODES = ("1", "L", "LA", "RGB", "RGBA", "P", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "I;16")
FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "PPM", "ICO", "TGA", "EPS", "PCX", "JPEG2000")
SYNTAXES = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2", "1.2.3", "1.2.840.10008.1.2.4.57")
SYNTAXES += (JPEGBaseline8Bit, JPEGLSLossless, JPEG2000Lossless, RLELossless, "1.2.840.10008.1.2.4.201")


def make_images(place: Path) -> None:
    """A valid file of every kind that `predict` reads."""
    random_image = np.random.default_rng(0).integers(0, 255, (40, 48, 3), np.uint8)
    picture = Image.fromarray(random_image)
    place.mkdir(parents=True)
    for ending in ("png", "jpg", "webp", "bmp"):
        picture.save(place / f"picture.{ending}")
    picture.save(place / "pages.tif", save_all=True, append_images=[picture.resize((9, 7))], compression="tiff_lzw")
    cv2.imwrite(str(place / "deep.png"), random_image.astype(np.uint16) * 256)
    tifffile.imwrite(place / "deep.tif", random_image.astype(np.uint16) * 256, photometric="rgb", compression="zlib")
    tifffile.imwrite(place / "grey.tif", random_image[..., 0].astype(np.uint16) * 256)
    np.save(place / "array.npy", random_image)
    levels = make_levels(first=900)
    save_dicom(make_dicom(levels, WindowCenter=500, WindowWidth=900), place / "plain.dcm")
    table = make_table([2048, -1024, 12], [level * 2 for level in range(2048)])
    save_dicom(make_dicom(levels, ModalityLUTSequence=[table], VOILUTSequence=[table]), place / "table.dcm")
    save_dicom(make_enhanced(np.stack([levels, levels])), place / "frames.dcm")
    few = (levels // 9).clip(0, 255).astype(np.uint8)
    for name, syntax, options in (("jpeg", JPEGBaseline8Bit, {}), ("jpeg2000", JPEG2000Lossless, {"no_jp2": True})):
        save_dicom(_pack(few, syntax, name.upper(), options), place / f"{name}.dcm")
    for name, syntax in (("rle", RLELossless), ("jpegls", JPEGLSLossless)):
        dataset = make_dicom(levels)
        dataset.compress(syntax, generate_instance_uid=False)
        save_dicom(dataset, place / f"{name}.dcm")
    for ending in (".nii", ".nii.gz"):
        save_volume(place / f"volume{ending}", levels[..., None].repeat(3, 2), cal_min=900, cal_max=1500)


def _pack(levels: np.ndarray, syntax: str, kind: str, options: dict[str, Any]) -> pydicom.FileDataset:
    file = io.BytesIO()
    Image.fromarray(levels).save(file, kind, **options)
    dataset = make_dicom(levels)
    dataset.PixelData = encapsulate([file.getvalue()])
    dataset["PixelData"].VR = "OB"
    dataset.file_meta.TransferSyntaxUID = syntax
    return dataset


def mutate_picture(content: bytes, rng: random.Random) -> bytes:
    """Another format, other channels, a header that claims much, or values that are no numbers."""
    return rng.choice([_convert, _convert, _enlarge, _enlarge, _make_odd_tiff, _mislabel])(content, rng)


def _convert(content: bytes, rng: random.Random) -> bytes:
    mode, size = rng.choice(MODES), rng.choice([(48, 40), (1, 1), (1, 500), (3000, 2)])
    picture = Image.new(mode, size) if mode in ("I;16", "F") else Image.new("RGB", size, "red").convert(mode)
    file = io.BytesIO()
    try:
        picture.save(file, rng.choice(FORMATS))
    except (OSError, ValueError, KeyError):
        picture.convert("RGB").save(file, "PNG")
    return file.getvalue()


def _enlarge(content: bytes, rng: random.Random) -> bytes:
    """The size in a header: of a PNG, whose check sum is right, of a BMP, of a TIFF, or of a JPEG."""
    width, height = rng.choice(HUGE), rng.choice(HUGE)
    changed = bytearray(content)
    if content.startswith(b"\x89PNG"):
        changed[16:24] = struct.pack(">II", width, height)
        changed[29:33] = struct.pack(">I", zlib.crc32(bytes(changed[12:29])))
    elif content.startswith(b"BM"):
        changed[18:26] = struct.pack("<II", width, height)
    elif content.startswith(b"II*\0"):
        for tag in rng.choices((256, 257, 258, 259, 262, 273, 277, 278, 279, 322, 323, 324, 325, 339, 284), k=2):
            _set_tag(changed, tag, rng.choice(HUGE))
    elif (place := content.find(b"\xff\xc0")) > 0:
        changed[place + 5 : place + 9] = struct.pack(">HH", height % 2**16, width % 2**16)
    return bytes(changed)


def _set_tag(content: bytearray, tag: int, value: int) -> None:
    """The value of a tag of the first page of a little-endian TIFF file, of either of two types."""
    start = struct.unpack("<I", content[4:8])[0]
    if start + 2 > len(content):
        return
    for number in range(struct.unpack("<H", content[start : start + 2])[0]):
        place = start + 2 + 12 * number
        if content[place : place + 2] == struct.pack("<H", tag):
            content[place + 2 : place + 12] = struct.pack("<HII", 4, 1, value)


def _make_odd_tiff(content: bytes, rng: random.Random) -> bytes:
    shapes = [(20, 30), (20, 30, 2), (20, 30, 5), (5, 20, 30), (3, 4, 20, 30), (1, 1)]
    levels = np.zeros(rng.choice(shapes), rng.choice(["u1", "u2", "i2", "u4", "f4", "f8", "c8"]))
    if levels.dtype.kind == "f":
        levels[...] = rng.choice([np.nan, np.inf, -1e300 if levels.dtype.itemsize > 4 else 1e38, 0.5])
    file = io.BytesIO()
    tifffile.imwrite(file, levels, photometric="minisblack", compression=rng.choice([None, "zlib"]))
    return file.getvalue()


def _mislabel(content: bytes, rng: random.Random) -> bytes:
    """A file of another kind under this name."""
    others = [
        b"",
        b"%PDF-1.7\n",
        b"PK\x03\x04",
        b"\x1f\x8b\x08\0" + b"\0" * 30,
        b"\0" * 128 + b"DICM",
        b"GIF89a",
        b"<svg/>",
    ]
    return rng.choice(
        [*others, b"%!PS-Adobe-3.0 EPSF-3.0\n", b"\x93NUMPY\x01\0", b"SIMPLE  =", b"\x89HDF\r\n\x1a\n", b"\0" * 348]
    )


def mutate_dicom(content: bytes, rng: random.Random) -> bytes:
    """Elements with other values, without them, or of another encoding than said."""
    dataset = pydicom.dcmread(io.BytesIO(content))
    for _ in range(rng.choice([1, 1, 2, 4])):
        ways = [
            _change_size,
            _change_text,
            _change_number,
            _remove_element,
            _change_syntax,
            _change_pixels,
            _change_table,
        ]
        rng.choice(ways)(dataset, rng)
    file = io.BytesIO()
    pydicom.config.settings.writing_validation_mode = pydicom.config.IGNORE
    try:
        pydicom.dcmwrite(file, dataset, enforce_file_format=False)
    except Exception:  # what pydicom does not write, others might
        return content[: len(content) // 2] + bytes(rng.randrange(256) for _ in range(40))
    return file.getvalue()


def _change_size(dataset: Any, rng: random.Random) -> None:
    name = rng.choice(
        ["Rows", "Columns", "SamplesPerPixel", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"]
    )
    setattr(dataset, name, rng.choice([0, 1, 2, 3, 8, 12, 16, 32, 33, 50_000, 65_535]))
    if rng.random() < 0.3:
        dataset.NumberOfFrames = rng.choice([0, -1, 2, 10**6, 2**31 - 1])


def _change_text(dataset: Any, rng: random.Random) -> None:
    names = ("PatientID", "PatientName", "SeriesDescription", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
    names += (
        "PhotometricInterpretation",
        "Modality",
        "SOPClassUID",
        "FrameOfReferenceUID",
        "VOILUTFunction",
        "StudyDate",
    )
    setattr(
        dataset,
        rng.choice(names),
        rng.choice([*TEXTS, "MONOCHROME1", "PALETTE COLOR", "YBR_FULL_422", "ARGB", "SIGMOID"]),
    )


def _change_number(dataset: Any, rng: random.Random) -> None:
    names = ["PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient", "WindowCenter", "WindowWidth"]
    name = rng.choice([*names, "RescaleSlope", "RescaleIntercept", "InstanceNumber", "SliceThickness"])
    value = rng.choice(NUMBERS)
    element = pydicom.dataelem.RawDataElement(
        pydicom.tag.Tag(name), "DS", 0, "\\".join([value] * rng.choice([1, 2, 3, 6])).encode(), 0, False, True
    )
    dataset[element.tag] = pydicom.dataelem.DataElement(element.tag, "LT", element.value.decode())


def _remove_element(dataset: Any, rng: random.Random) -> None:
    part = rng.choice([dataset, dataset, dataset, dataset.file_meta])
    tags = list(part.keys())
    if tags:
        del part[rng.choice(tags)]


def _change_table(dataset: Any, rng: random.Random) -> None:
    for table in dataset.get(rng.choice(["ModalityLUTSequence", "VOILUTSequence"])) or []:
        place, value = rng.randrange(3), rng.choice([0, 1, 7, 8, 9, 16, 17, 255, 2047, 2049, 65_535])
        descriptor = [value if number == place else old for number, old in enumerate(table.LUTDescriptor)]
        table[0x00283002] = pydicom.dataelem.DataElement(0x00283002, "US", [max(one, 0) for one in descriptor])
        if rng.random() < 0.3:
            part = table.LUTData[: rng.randrange(1, 2048)] if rng.random() < 0.5 else rng.randbytes(rng.randrange(5000))
            table[0x00283006] = pydicom.dataelem.DataElement(
                0x00283006, "OW" if isinstance(part, bytes) else "US", part
            )


def _change_syntax(dataset: Any, rng: random.Random) -> None:
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.UID(rng.choice(SYNTAXES))


def _change_pixels(dataset: Any, rng: random.Random) -> None:
    pixels = bytearray(dataset.get("PixelData", b"\0"))
    for _ in range(rng.choice([1, 8, 64])):
        pixels[rng.randrange(len(pixels))] = rng.randrange(256)
    found = bytes(pixels) if rng.random() < 0.7 else bytes(pixels[: rng.randrange(len(pixels))])
    dataset.PixelData = found
    if len(found) > 1 and rng.random() < 0.3:
        dataset.PixelData = encapsulate([found])


def mutate_nifti(content: bytes, rng: random.Random) -> bytes:
    """Fields of the header, or levels that are no numbers."""
    import gzip

    packed = content.startswith(b"\x1f\x8b")
    plain = bytearray(gzip.decompress(content) if packed else content)
    header = nibabel.Nifti1Header(bytes(plain[:348]), check=False)
    for _ in range(rng.choice([1, 1, 2, 4])):
        name = rng.choice(list(header.keys()))
        values = header[name]
        if values.dtype.kind in "SV":
            header[name] = rng.choice(["../../x", "é", "n+1", "ni1", ""]).encode()[: values.dtype.itemsize]
            continue
        near = [0, 1, -1, 3, 4, 2, 16, 64, 512, 2**15 - 1, 100_000 % 2**15, math.nan, math.inf]
        changed = np.array(values, np.float64).ravel()
        changed[rng.randrange(changed.size)] = rng.choice(near)
        with np.errstate(all="ignore"):
            header[name] = (
                np.nan_to_num(changed, nan=0, posinf=9, neginf=-9).astype(values.dtype).reshape(values.shape)
                if values.dtype.kind != "f"
                else changed.astype(values.dtype).reshape(values.shape)
            )
    plain[:348] = header.binaryblock
    if rng.random() < 0.2:
        plain[352:] = np.full(len(plain[352:]) // 4, np.nan, "<f4").tobytes()
        plain[70:74] = struct.pack("<hh", 16, 32)
    return gzip.compress(bytes(plain)) if packed else bytes(plain)


IMAGES: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "picture": mutate_picture,
    "dicom": mutate_dicom,
    "nifti": mutate_nifti,
}
"""Mutations by the kind of a file."""

FILES = {
    **dict.fromkeys(
        ("picture.png", "picture.jpg", "picture.webp", "picture.bmp", "pages.tif", "deep.png", "deep.tif", "grey.tif"),
        "picture",
    ),
    **dict.fromkeys(
        ("plain.dcm", "table.dcm", "frames.dcm", "jpeg.dcm", "jpeg2000.dcm", "rle.dcm", "jpegls.dcm"), "dicom"
    ),
    **dict.fromkeys(("volume.nii", "volume.nii.gz"), "nifti"),
    "array.npy": "small npy",
}
"""The kinds of the files of `make_images`."""
