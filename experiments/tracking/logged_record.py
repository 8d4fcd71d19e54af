"""A record in Weights & Biases: curves, table, pictures, and the files themselves."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.evaluation.record import Picture, Record
from experiments.evaluation.robustness import is_left_out
from experiments.evaluation.robustness_curves import curves, with_mean
from experiments.files.digest import compute_sha256
from experiments.files.tables import format_percent
from experiments.record_files.record_file import beside

if TYPE_CHECKING:
    import wandb


def log(record: Record, path: Path, checkpoint: Path, session: "wandb.Run") -> None:
    """Log the record at `path`, and the checkpoint that it was made from while that is still there.

    The artifacts refer to the files where they lie, and nothing is copied: an offline run must be synchronised before
    they change.
    """
    import wandb

    suite = record.suite.name
    session.define_metric(f"{suite}/severity")
    session.define_metric(f"{suite}/robustness/*", step_metric=f"{suite}/severity")
    for point in curve_points(record):
        session.log(point)
    columns, rows = cell_table(record)
    session.log({f"{suite}/cells": wandb.Table(columns=columns, data=rows)})
    drawn = [(picture, beside(path, picture.file)) for picture in record.pictures]
    if drawn:
        session.log({f"{suite}/worst": [wandb.Image(str(file), caption=caption(picture)) for picture, file in drawn]})
    session.summary.update(summary(record))
    _keep(session, "record", path.stem, [path, path.with_suffix(".npz")])
    if checkpoint.is_file() and compute_sha256(checkpoint) == record.checkpoint.get(
        "sha256"
    ):  # it may be another by now
        _keep(session, "model", "model", [checkpoint])


def curve_points(record: Record) -> list[dict[str, float | None]]:
    """The mIoU of every corruption and their mean at each severity, 0 for clean."""
    clean = record.summary.clean_miou
    points: dict[int, dict[str, float | None]] = {0: {name: clean for name in record.summary.corruptions}}
    for cell in record.cells:
        if cell.severity and not is_left_out((cell.corruption, cell.severity), record.left_out):
            points.setdefault(cell.severity, {})[cell.corruption] = cell.miou
    mean = with_mean(curves(record)).get("mean of all", {})
    for severity, miou in mean.items():
        points[severity]["mean"] = miou / 100
    suite = record.suite.name
    return [
        {f"{suite}/severity": severity, **{f"{suite}/robustness/{name}": miou for name, miou in found.items()}}
        for severity, found in sorted(points.items())
    ]


def cell_table(record: Record) -> tuple[list[str | int], list[list[Any]]]:
    """Columns and rows: every score of each condition that is one number, and the BCa interval of its mIoU."""
    stated = dict.fromkeys(
        name for cell in record.cells for name, score in cell.scores.items() if not isinstance(score, list)
    )
    scores = ["miou", *(name for name in stated if name != "miou")]
    rows = [
        [cell.corruption, cell.severity, *(cell.scores.get(name) for name in scores), *cell.miou_interval.bca]
        for cell in record.cells
    ]
    return ["corruption", "severity", *scores, "miou_low", "miou_high"], rows


def caption(picture: Picture) -> str:
    """Image, condition and the fall of the image's own mIoU, in percent."""
    fallen = f"{format_percent(picture.clean_miou)} % -> {format_percent(picture.miou)} %"
    return f"{picture.id}, {picture.corruption} {picture.severity}, {fallen}"


def summary(record: Record) -> dict[str, Any]:
    """The numbers that W&B shows in its table of runs: a run has those of every suite that it was swept over."""
    found = {key: getattr(record.summary, key) for key in ("clean_miou", "mean_corrupted_miou", "retention")}
    shifts = {f"shift/{name}": miou for name, miou in record.summary.shifts.items()}
    numbers = {**found, **shifts, "suite_hash": record.suite_hash}
    return {f"{record.suite.name}/{key}": value for key, value in numbers.items()}


def _keep(session: "wandb.Run", kind: str, name: str, files: list[Path]) -> None:
    """Log files as an artifact of this run."""
    import wandb

    artifact = wandb.Artifact(re.sub(r"[^\w.-]", "-", f"{name}-{session.id}", flags=re.ASCII), type=kind)
    for file in files:
        artifact.add_file(str(file.resolve()), name=file.name, policy="immutable", skip_cache=True)
    session.log_artifact(artifact)
