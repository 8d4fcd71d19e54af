"""Records on disk: written atomically, and recomputed at every reading.

A record whose numbers are inconsistent is refused; the message names the cell or the number.
"""

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from experiments.evaluation.images import Images
from experiments.evaluation.known_counts import is_nonnegative
from experiments.evaluation.recomputed import ALTERED, describe_cell, require_agreement, require_intervals
from experiments.evaluation.record import FORMAT, PerImage, Record, dump, hash_manifest
from experiments.files.atomic_write import atomic_write
from experiments.files.digest import compute_sha256
from experiments.files.json_file import read_json
from safe_files.array_file import Header, read_arrays
from user_error import UserError

LARGEST = 2 * 2**30
"""Bytes of the counts of images: 5,000 images of 150 classes under 76 conditions have 1.4 GiB."""


def write_record(record: Record, path: Path, images: Images) -> None:
    """Write the counts of images, then the record that names their hash: a record on disk is complete.

    Raises:
        OSError: the folder cannot be written or the disk is full.
    """
    counts_path = path.with_suffix(".npz")
    # Neighbouring conditions have equal true counts: with the images innermost the compression finds the repetition.
    # Arrays that lie so already, on disk, are written piece by piece.
    arrays = {name: np.asfortranarray(part) for name, part in images.counts.items()}
    arrays = {name: part.astype(find_integer_type(part), copy=False) for name, part in arrays.items()}
    if images.units is not None:
        arrays["units"] = np.array(images.units)
    if images.places is not None:
        arrays["places"] = np.array(images.places)
    with atomic_write(counts_path, "wb") as file:
        np.savez_compressed(file, ids=np.array(images.ids), allow_pickle=False, **arrays)
    record.per_image = PerImage(file=counts_path.name, sha256=compute_sha256(counts_path))
    with atomic_write(path) as file:
        file.write(dump(record) + "\n")


def write_record_alone(record: Record, path: Path) -> None:
    """Write a record whose counts of images are not there; they may be laid beside it later, under the name that it states.

    Raises:
        OSError: the folder cannot be written or the disk is full.
    """
    record.per_image = PerImage(file=path.with_suffix(".npz").name, sha256=record.per_image.sha256)
    with atomic_write(path) as file:
        file.write(dump(record) + "\n")


def find_integer_type(part: np.ndarray) -> type[np.signedinteger]:
    """The type that holds all integers of an array."""
    largest = max(int(part.max(initial=0)), -int(part.min(initial=0)))
    return np.int32 if largest < 2**31 else np.int64


def remove_duplicates(paths: Iterable[Path]) -> list[Path]:
    """Paths less those that lead to the same file: several patterns of a shell may meet one."""
    found: dict[Path, Path] = {}
    for path in paths:
        found.setdefault(path.resolve(), path)
    return list(found.values())


def is_record(path: Path) -> bool:
    """Whether a file begins as records do, of any version; what is in it is seen when it is read."""
    with path.open("rb") as file:
        return FORMAT.rpartition("/")[0].encode() in file.read(200)


def read_record(path: Path) -> Record:
    """Read a record and recompute all of it: see `open_record`."""
    return open_record(path)[0]


def open_record(path: Path) -> tuple[Record, Images | None]:
    """Read a record with the counts of its images, and recompute it.

    The scores follow from the counts in the cells; these, and the intervals, from the counts of the images, where
    their file lies beside the record.

    Raises:
        UserError: no such file, no record, or numbers that do not agree.
    """
    record = parse_record(path)
    return record, recompute(record, path)


def parse_record(path: Path) -> Record:
    """Read a record as it states itself.

    Raises:
        UserError: no such file, or no record.
    """
    record = read_json(path, Record, "record", "is not a record", "benchmark")
    if record.format != FORMAT:
        raise UserError(f"{str(path)!r} has the format {record.format!r}; this version reads {FORMAT!r}")
    return record


def recompute(record: Record, path: Path) -> Images | None:
    """Recompute all of a record, and read the counts of its images where they lie beside it.

    Raises:
        UserError: numbers that do not agree: such a record is wrong, whatever was meant.
    """
    if record.suite_hash != hash_manifest(record.suite.model_dump(exclude_unset=True)):
        raise UserError(f"the suite_hash of {str(path)!r} is not that of its manifest: the record was altered")
    require_agreement(record, path)
    images = _read_images(record, path)
    if images is not None:
        require_intervals(record, images, path)
    return images


def read_swept(path: Path) -> tuple[Record, Images]:
    """A record and the counts of its images.

    Raises:
        UserError: as `open_record`, and where the counts are not there.
    """
    record, images = open_record(path)
    return record, images if images is not None else read_images(record, path)


def read_images(record: Record, path: Path) -> Images:
    """The counts of the images of the record at `path`.

    Raises:
        UserError: the array file is missing, altered or does not add up to the cells.
    """
    images = _read_images(record, path)
    if images is None:
        raise UserError(
            f"{str(path)!r} needs its per-image counts {record.per_image.file!r} beside it: copy that file too"
        )
    return images


def resolve_beside(path: Path, name: str) -> Path:
    """The file `name` in the folder of the record at `path`.

    Raises:
        UserError: the name leads out of that folder.
    """
    if Path(name).name != name or name in ("", ".."):
        raise UserError(f"{str(path)!r} names a file outside its folder ({name!r}): it was not opened")
    return path.parent / name


def _read_images(record: Record, path: Path) -> Images | None:
    file = resolve_beside(path, record.per_image.file)
    if not file.is_file():
        return None
    if compute_sha256(file) != record.per_image.sha256:
        raise UserError(f"{str(file)!r} is not the file that {path.name!r} was written with: take both from one sweep")
    remedy = f"it holds no per-image counts of {path.name!r}; take both from one sweep"
    arrays = read_arrays(file, remedy, partial(_require_counts, record, path, file), LARGEST)
    ids = [str(name) for name in arrays["ids"]]
    counts = {  # early sweeps wrote an empty array for what they did not count image by image
        name: arrays[name]
        for name, form in record.counts.items()
        if name in arrays and (form.per_image or arrays[name].size)
    }
    units = [str(name) for name in arrays["units"]] if "units" in arrays else None
    places = [int(place) for place in arrays["places"]] if "places" in arrays else None
    totals = record.totals
    images = {record.data.images, len(ids), *map(len, (*counts.values(), units or ids, places or ids))}
    if len(images) > 1 or any(part.shape[1:] != totals[name].shape for name, part in counts.items()):
        raise UserError(f"{str(file)!r} has counts of another shape than {path.name!r}: take both from one sweep")
    if len(set(ids)) != len(ids):
        raise UserError(f"{str(file)!r} holds an image twice: {ALTERED}")
    stated = record.data.unit is not None or record.data.sequence is not None, record.data.sequence is not None
    if stated != (units is not None, places is not None):
        raise UserError(f"{str(file)!r} and {path.name!r} do not agree on what images belong together: {ALTERED}")
    for name, part in counts.items():
        wrong = (part.sum(0) != totals[name]).reshape(len(record.cells), -1).any(1)
        if wrong.any() or (is_nonnegative(name, len(record.classes)) and part.min(initial=0) < 0):
            place = int(np.argmax(wrong))
            raise UserError(
                f"{describe_cell(record, place)} of {str(path)!r}: its {name} are not the sum of its images"
            )
    return Images(ids, counts, units, places)


def _require_counts(record: Record, path: Path, file: Path, headers: Mapping[str, Header]) -> None:
    """Refuse arrays that are no counts of the record's images, or names that are no texts."""
    needed = {"ids", *(name for name, form in record.counts.items() if form.per_image)}
    if not needed <= headers.keys():
        raise ValueError(f"it has no {min(needed - headers.keys())!r}")
    for name, header in headers.items():
        named = name in ("ids", "units", "places")
        kinds = "U" if name in ("ids", "units") else "iu"
        if header.dtype.kind not in kinds or (len(header.shape) != 1 if named else len(header.shape) < 2):
            raise ValueError(f"its {name!r} is an array of {header.dtype} of the shape {header.shape}")
        if header.shape[: 2 - named] != (record.data.images, len(record.cells))[: 2 - named]:
            raise UserError(f"{str(file)!r} has counts of another shape than {path.name!r}: take both from one sweep")
