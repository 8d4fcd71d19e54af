"""Records on disk: written whole, and recomputed by whoever reads them.

One that does not agree with itself is refused, with the cell or the number named.
"""

import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from experiments.files.digest import sha256
from experiments.files.json_file import read_json
from experiments.files.whole import whole_file
from experiments.records.record import (
    FORMAT,
    METHOD,
    Bounds,
    Images,
    PerImage,
    Record,
    Totals,
    dump,
    find_intervals,
    manifest_hash,
    resampled_units,
    summary_numbers,
)
from experiments.records.robustness import CLEAN
from experiments.records.scores import Counts, condition_scores, task_scores
from lightning_modules.metrics.fixed_point import CALIBRATION_BINS, ODDS_BINS
from lightning_modules.tasks.scores import SCORES, TASK
from user_error import UserError

TOLERANCE = 1e-9
ALTERED = "the record was altered; write it anew with 'benchmark'"


def write_record(record: Record, path: Path, images: Images) -> None:
    """Write the counts of images, then the record that names their hash: a record on disk is complete.

    Raises:
        OSError: the folder cannot be written or the disk is full.
    """
    counts_path = path.with_suffix(".npz")
    # Neighbouring conditions have equal true counts: with the images innermost the compression finds the repetition.
    arrays = images.counts._asdict() | {f"{TASK}{name}": part for name, part in images.tasks.items()}
    arrays = {name: np.asfortranarray(part) for name, part in arrays.items()}
    arrays = {name: part.astype(_width(part)) for name, part in arrays.items()}
    if images.units is not None:
        arrays["units"] = np.array(images.units)
    with whole_file(counts_path, "wb") as file:
        np.savez_compressed(file, ids=np.array(images.ids), allow_pickle=False, **arrays)
    record.per_image = PerImage(file=counts_path.name, sha256=sha256(counts_path))
    with whole_file(path) as file:
        file.write(dump(record) + "\n")


def _width(part: np.ndarray) -> type[np.signedinteger]:
    return np.int32 if np.abs(part).max(initial=0) < 2**31 else np.int64


def once(paths: Iterable[Path]) -> list[Path]:
    """Paths less those that lead to the same file: several patterns of a shell may meet one."""
    found: dict[Path, Path] = {}
    for path in paths:
        found.setdefault(path.resolve(), path)
    return list(found.values())


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
    record = read_json(path, Record, "record", "is not a record", "benchmark")
    if record.format != FORMAT:
        raise UserError(f"{str(path)!r} has the format {record.format!r}; this version reads {FORMAT!r}")
    if record.suite_hash != manifest_hash(record.suite.model_dump(exclude_unset=True)):
        raise UserError(f"the suite_hash of {str(path)!r} is not that of its manifest: the record was altered")
    _check_shapes(record, path)
    _check_cells(record, path)
    _check_tasks(record, path)
    _check_summary(record, path)
    images = _read_images(record, path)
    if images is not None:
        _check_intervals(record, images, path)
    return record, images


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


def beside(path: Path, name: str) -> Path:
    """The file `name` in the folder of the record at `path`.

    Raises:
        UserError: the name leads out of that folder.
    """
    if Path(name).name != name or name in ("", ".."):
        raise UserError(f"{str(path)!r} names a file outside its folder ({name!r}): it was not opened")
    return path.parent / name


def _cell(record: Record, place: int) -> str:
    corruption, severity = record.conditions[place]
    return f"the cell {corruption}, severity {severity},"


def _check_shapes(record: Record, path: Path) -> None:
    if len(set(record.conditions)) != len(record.conditions) or (CLEAN, 0) not in record.conditions:
        raise UserError(
            f"{str(path)!r}: its cells must name each condition once and 'clean' with severity 0 among them"
        )
    size = len(record.classes)
    wanted = Totals((size, size), (size, 3), (2,), (CALIBRATION_BINS, 3), (ODDS_BINS, 2))  # type: ignore[arg-type]
    for place, cell in enumerate(record.cells):
        for name, shape in wanted._asdict().items():
            try:
                found = np.shape(getattr(cell, name))
            except ValueError:  # rows of different lengths
                found = ()
            if found != shape:
                said = " x ".join(map(str, shape))
                raise UserError(f"{_cell(record, place)} of {str(path)!r} has no {name} of {said} counts")


def _check_cells(record: Record, path: Path) -> None:
    totals = record.totals
    counts = totals.counts()
    for place, cell in enumerate(record.cells):
        pixels = (totals.confusion[place].sum(), totals.confusion[place].trace())
        for name in ("calibration", "odds"):
            if tuple(getattr(totals, name)[place][:, :2].sum(0)) != pixels:
                raise UserError(
                    f"{_cell(record, place)} of {str(path)!r}: its {name} and its confusion count other pixels: {ALTERED}"
                )
        own = Counts(*(part[place] for part in counts))
        wanted = condition_scores(own, totals.odds[place])
        for name, value in wanted.items():
            given = getattr(cell, name)
            if not _same(given, value):
                raise UserError(
                    f"{_cell(record, place)} of {str(path)!r} states {name} {_shown(given)}, but its counts give "
                    f"{_shown(value)}: {ALTERED}"
                )


def _check_tasks(record: Record, path: Path) -> None:
    for place, cell in enumerate(record.cells):
        for name, task in (cell.tasks or {}).items():
            where = f"{_cell(record, place)} of {str(path)!r}"
            if name not in SCORES:
                raise UserError(f"{where} has a task {name!r}, which this version does not know")
            try:
                wanted = task_scores(name, task.counts)
            except ValueError as error:  # another number of counts than the task has
                raise UserError(f"{where} does not have the counts of the task {name!r}: {ALTERED}") from error
            for key, one, other in _differing(task.scores, wanted, name):
                raise UserError(f"{where} states {key} {_shown(one)}, but its counts give {_shown(other)}: {ALTERED}")


def _check_summary(record: Record, path: Path) -> None:
    wanted = summary_numbers(record.conditions, record.totals, record.suite)
    given = record.summary.model_dump()
    for name, value in wanted.items():
        for key, one, other in _differing(given[name], value, name):
            raise UserError(
                f"the summary of {str(path)!r} states {key} {_shown(one)}, but its cells give {_shown(other)}: {ALTERED}"
            )
    method = METHOD.format(units=resampled_units(record.data.unit))
    if record.summary.interval_method != method:
        raise UserError(f"the intervals of {str(path)!r} are no {method}: {ALTERED}")


def _read_images(record: Record, path: Path) -> Images | None:
    file = beside(path, record.per_image.file)
    if not file.is_file():
        return None
    if sha256(file) != record.per_image.sha256:
        raise UserError(f"{str(file)!r} is not the file that {path.name!r} was written with: take both from one sweep")
    try:
        with np.load(file, allow_pickle=False) as arrays:
            ids = [str(name) for name in arrays["ids"]]
            counts = Counts(*(_array(arrays, name, len(ids), record) for name in Counts._fields))
            units = [str(name) for name in arrays["units"]] if "units" in arrays else None
            names = [name for name in arrays.files if name.startswith(TASK)]
            tasks = {name.removeprefix(TASK): arrays[name].astype(np.int64) for name in names}
    except (ValueError, KeyError, zipfile.BadZipFile) as error:
        raise UserError(f"{str(file)!r} holds no per-image counts ({error})") from error
    wanted = record.totals.counts()
    images = {record.data.images, len(ids), len(ids if units is None else units)}
    wanted = wanted._replace(gaps=wanted.gaps[:, : counts.gaps.shape[-1]])
    shapes = [(part.shape[1:] == total.shape, len(part)) for part, total in zip(counts, wanted, strict=True)]
    if len(images | {length for _, length in shapes}) > 1 or not all(fits for fits, _ in shapes):
        raise UserError(f"{str(file)!r} has counts of another shape than {path.name!r}: take both from one sweep")
    if len(set(ids)) != len(ids):
        raise UserError(f"{str(file)!r} holds an image twice: {ALTERED}")
    if (units is None) != (record.data.unit is None):
        raise UserError(f"{str(file)!r} and {path.name!r} do not agree on what images belong together: {ALTERED}")
    for name, part, total in zip(Counts._fields, counts, wanted, strict=True):
        wrong = (part.sum(0) != total).reshape(len(total), -1).any(1)
        if wrong.any() or (name != "gaps" and part.min(initial=0) < 0):
            place = int(np.argmax(wrong))
            raise UserError(f"{_cell(record, place)} of {str(path)!r}: its {name} are not the sum of its images")
    _require_tasks(record, tasks, path, file)
    return Images(ids, counts, units, tasks)


def _array(arrays: Mapping[str, np.ndarray], name: str, images: int, record: Record) -> np.ndarray:
    if name == "gaps" and name not in arrays:  # sweeps have not always counted them image by image
        return np.zeros((images, len(record.cells), 0), np.int64)
    return arrays[name].astype(np.int64)


def _require_tasks(record: Record, tasks: dict[str, np.ndarray], path: Path, file: Path) -> None:
    """The images' counts of further tasks add up to those of the cells."""
    for place, cell in enumerate(record.cells):
        stated = {name: one.counts for name, one in (cell.tasks or {}).items()}
        fits = all(
            part.ndim == 3 and part.shape[:2] == (record.data.images, len(record.cells)) for part in tasks.values()
        )
        if not fits or list(stated) != list(tasks):
            raise UserError(f"{str(file)!r} has other tasks than {path.name!r}: take both from one sweep")
        for name, part in tasks.items():
            if part[:, place].sum(0).tolist() != stated[name] or part[:, place].min(initial=0) < 0:
                raise UserError(
                    f"{_cell(record, place)} of {str(path)!r}: its counts of {name} are not the sum of its images"
                )


def _check_intervals(record: Record, images: Images, path: Path) -> None:
    summary, cells = find_intervals(record.conditions, images, record.suite)
    given = record.summary.intervals
    if list(given) != list(summary):
        raise UserError(f"the summary of {str(path)!r} does not have the intervals of its numbers: {ALTERED}")
    for name, bounds in summary.items():
        _require_same_bounds(given[name], bounds, f"the summary of {str(path)!r} states for {name}")
    for place, (cell, bounds) in enumerate(zip(record.cells, cells, strict=True)):
        _require_same_bounds(cell.miou_interval, bounds, f"{_cell(record, place)} of {str(path)!r} states")


def _require_same_bounds(given: Bounds, wanted: Bounds, where: str) -> None:
    for kind, one, other in _differing(given.model_dump(), wanted.model_dump(), "interval"):
        raise UserError(
            f"{where} an {kind.replace('.', ' ')} of {_shown(one)}, but its images give {_shown(other)}: {ALTERED}"
        )


def _differing(given: Any, wanted: Any, name: str) -> Iterable[tuple[str, Any, Any]]:
    """(name, given, wanted) of every number that differs; names are dotted."""
    if isinstance(given, dict) and isinstance(wanted, dict):
        for key in dict.fromkeys([*given, *wanted]):
            yield from _differing(given.get(key, "nothing"), wanted.get(key, "nothing"), f"{name}.{key}")
    elif not _same(given, wanted):
        yield name, given, wanted


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(_same(left, right) for left, right in zip(one, other, strict=True))
    if isinstance(one, int | float) and isinstance(other, int | float):
        return abs(one - other) <= TOLERANCE
    return one == other


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6f}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_shown(entry) for entry in value) + "]"
    return str(value)
