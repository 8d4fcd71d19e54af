"""Logging a record to Weights & Biases: curves, table, pictures, and the files themselves."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.evaluation.compared_metrics import find_metric
from experiments.evaluation.kinds import REAL_SHIFTS
from experiments.evaluation.metric_summary import measure_metric, summarise_metric
from experiments.evaluation.record import Picture, Record
from experiments.evaluation.robustness import is_left_out
from experiments.evaluation.robustness_curves import add_mean, compute_curves
from experiments.files.digest import compute_sha256
from experiments.files.tables import format_percent
from experiments.record_files.record_file import resolve_beside

if TYPE_CHECKING:
    import wandb


def log(record: Record, path: Path, checkpoint: Path, session: "wandb.Run") -> None:
    """Log the record at `path`, and its checkpoint if that still exists.

    The artifacts refer to the files in place, without copies: an offline run must be synchronised before they change.
    """
    import wandb

    suite = find_prefix(record)
    session.define_metric(f"{suite}/severity")
    session.define_metric(f"{suite}/robustness/*", step_metric=f"{suite}/severity")
    for point in list_curve_points(record):
        session.log(point)
    columns, rows = make_cell_table(record)
    session.log({f"{suite}/cells": wandb.Table(columns=columns, data=rows)})
    drawn = [(picture, resolve_beside(path, picture.file)) for picture in record.pictures]
    if drawn:
        session.log(
            {f"{suite}/worst": [wandb.Image(str(file), caption=make_caption(picture)) for picture, file in drawn]}
        )
    session.summary.update(make_summary(record))
    _log_artifact(session, "record", path.stem, [path, path.with_suffix(".npz")])
    if checkpoint.is_file() and compute_sha256(checkpoint) == record.checkpoint.get(
        "sha256"
    ):  # it may have been replaced
        _log_artifact(session, "model", "model", [checkpoint])


def find_prefix(record: Record) -> str:
    """The suite's name, with its protocol where that is not the usual one, and the data where the suite follows from them."""
    name = record.suite.title if record.suite.protocol_in_words else record.suite.name
    return f"{name}/{record.data.name}" if record.suite.name == REAL_SHIFTS else name


def list_curve_points(record: Record) -> list[dict[str, float | None]]:
    """The mIoU of every corruption and their mean at each severity, 0 for clean."""
    clean = record.summary.clean_miou
    points: dict[int, dict[str, float | None]] = {0: {name: clean for name in record.summary.corruptions}}
    for cell in record.cells:
        if cell.severity and not is_left_out((cell.corruption, cell.severity), record.left_out):
            points.setdefault(cell.severity, {})[cell.corruption] = cell.miou
    summary = summarise_metric(measure_metric(record, None, find_metric("miou")))
    mean = add_mean(compute_curves(record, summary)).get("mean of all", {})
    for severity, miou in mean.items():
        points[severity]["mean"] = miou / 100
    suite = find_prefix(record)
    return [
        {f"{suite}/severity": severity, **{f"{suite}/robustness/{name}": miou for name, miou in found.items()}}
        for severity, found in sorted(points.items())
    ]


def make_cell_table(record: Record) -> tuple[list[str | int], list[list[Any]]]:
    """Columns and rows: each scalar score of every condition, and the interval of its mIoU."""
    stated = dict.fromkeys(
        name for cell in record.cells for name, score in cell.scores.items() if not isinstance(score, list)
    )
    scores = ["miou", *(name for name in stated if name != "miou")]
    rows = [
        [cell.corruption, cell.severity, *(cell.scores.get(name) for name in scores), *cell.miou_interval.edges]
        for cell in record.cells
    ]
    return ["corruption", "severity", *scores, "miou_low", "miou_high"], rows


def make_caption(picture: Picture) -> str:
    """Image, condition, and the image's clean and corrupted mIoU, in percent."""
    change = f"{format_percent(picture.clean_miou)} % -> {format_percent(picture.miou)} %"
    return f"{picture.id}, {picture.corruption} {picture.severity}, {change}"


def make_summary(record: Record) -> dict[str, Any]:
    """The numbers for W&B's table of runs, with the suite's name and perhaps its protocol as prefix."""
    found = {key: getattr(record.summary, key) for key in ("clean_miou", "mean_corrupted_miou", "retention")}
    shifts = {f"shift/{name}": miou for name, miou in record.summary.shifts.items()}
    numbers = {**found, **shifts, "suite_hash": record.suite_hash, "corrupted": record.suite.order_in_words}
    return {f"{find_prefix(record)}/{key}": value for key, value in numbers.items()}


def _log_artifact(session: "wandb.Run", kind: str, name: str, files: list[Path]) -> None:
    """Log files as an artifact of this run."""
    import wandb

    artifact = wandb.Artifact(re.sub(r"[^\w.-]", "-", f"{name}-{session.id}", flags=re.ASCII), type=kind)
    for file in files:
        artifact.add_file(str(file.resolve()), name=file.name, policy="immutable", skip_cache=True)
    session.log_artifact(artifact)
