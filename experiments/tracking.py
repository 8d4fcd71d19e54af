"""Weights & Biases: offline unless the user is logged in, one run for training and sweep, and never needed."""

import os
import secrets
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.files import whole_file
from experiments.processes import first_process

if TYPE_CHECKING:
    from pytorch_lightning.loggers import Logger

    from experiments.record import Record

PROJECT = "robust-segmentation"


def wandb_mode() -> str:
    """``WANDB_MODE`` where it is set; else online for a user who is logged in, offline for all others."""
    chosen = os.environ.get("WANDB_MODE")
    if chosen:
        return chosen
    import requests

    host = os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")
    logged_in = bool(os.environ.get("WANDB_API_KEY")) or requests.utils.get_netrc_auth(host) is not None
    return "online" if logged_in else "offline"


def run_id(run: Path) -> str:
    """The W&B id of a run folder, made on first use: training, its resumption and its sweeps share one W&B run."""
    file = run / "wandb_id.txt"
    if not file.exists():
        with whole_file(file) as text:
            text.write(secrets.token_hex(4))
    return file.read_text().strip()


def fit_logger(run: Path) -> "list[Logger]":
    """W&B's logger for a training, or none where W&B is switched off or fails."""
    mode = wandb_mode()
    if mode == "disabled" or not first_process():
        return []
    import wandb
    from pytorch_lightning.loggers import WandbLogger

    logger = WandbLogger(
        name=run.name,
        project=PROJECT,
        save_dir=run,
        id=run_id(run),
        offline=mode == "offline",
        resume="allow",
        settings=wandb.Settings(silent=True),
    )
    try:
        _ = logger.experiment
    except Exception as error:  # training needs W&B for nothing
        warnings.warn(f"training goes on without W&B: {error}", stacklevel=2)
        return []
    return [logger]


def log_record(record: "Record", run: Path) -> None:
    """Robustness curves over the severity, the table of cells and the summary, into the run's W&B run.

    The record on disk is the source of truth: a failure here is a warning.
    """
    mode = wandb_mode()
    if mode == "disabled":
        return
    try:
        import wandb

        with wandb.init(
            project=PROJECT,
            name=run.name,
            id=run_id(run),
            resume="allow",
            dir=run,
            mode=mode,  # type: ignore[arg-type]
            settings=wandb.Settings(silent=True),
        ) as session:
            _log(record, session, wandb)
    except Exception as error:  # whatever W&B stumbles over, the sweep is safe on disk
        warnings.warn(f"the sweep is complete, but W&B did not take it: {error}", stacklevel=2)


def _log(record: "Record", session: Any, wandb: Any) -> None:
    clean = record.summary.clean_miou
    session.define_metric("severity")
    session.define_metric("robustness/*", step_metric="severity")
    curves: dict[int, dict[str, float | None]] = {0: {name: clean for name in record.summary.corruptions}}
    for cell in record.cells:
        if cell.severity:
            curves.setdefault(cell.severity, {})[cell.corruption] = cell.miou
    for severity, points in sorted(curves.items()):
        session.log({"severity": severity, **{f"robustness/{name}": miou for name, miou in points.items()}})
    rows = [[cell.corruption, cell.severity, cell.miou] for cell in record.cells]
    session.log({"cells": wandb.Table(columns=["corruption", "severity", "miou"], data=rows)})
    for key in ("clean_miou", "mean_corrupted_miou", "retention"):
        session.summary[key] = getattr(record.summary, key)
    for name, miou in record.summary.shifts.items():
        session.summary[f"shift/{name}"] = miou
    session.summary["suite_hash"] = record.suite_hash
