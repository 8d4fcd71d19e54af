"""Weights & Biases: offline unless the user is logged in, one run for training and sweep; failures are warnings."""

import os
import re
import secrets
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.command_line.processes import is_first_process
from experiments.evaluation.recipe import compute_recipe_key, find_recipe_seed, name_recipe_group
from experiments.files.atomic_write import atomic_write
from experiments.tracking.dead_runs import hold_run, remove_dead_runs
from safe_files.text import read_text
from user_error import UserError

if TYPE_CHECKING:
    from pytorch_lightning.loggers import Logger

    from experiments.evaluation.record import Record

PROJECT = "robust-segmentation"

RUN_ID = re.compile(r"[\w-]{1,64}", re.ASCII)


def choose_wandb_mode() -> str:
    """``WANDB_MODE`` where it is set; else online for a user who is logged in, offline for all others."""
    chosen = os.environ.get("WANDB_MODE")
    if chosen:
        return "offline" if chosen == "dryrun" else chosen  # Lightning's logger sets the former name of offline
    import requests

    host = os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")
    logged_in = bool(os.environ.get("WANDB_API_KEY")) or requests.utils.get_netrc_auth(host) is not None
    return "online" if logged_in else "offline"


def find_run_id(run: Path) -> str:
    """The W&B id of a run folder, created on first use: training, resumed training and sweeps share one W&B run."""
    file = run / "wandb_id.txt"
    if not file.exists():
        with atomic_write(file) as text:
            text.write(secrets.token_hex(4))
    remedy = "remove it, and the next call makes another"
    found = read_text(file, remedy, 1000).strip()
    if not RUN_ID.fullmatch(found):
        raise UserError(f"{file} holds no id of a W&B run: {remedy}")
    return found


def make_sync_hint(run: Path) -> str | None:
    """The command that uploads the offline W&B runs of a run folder; `None` where there are none."""
    if choose_wandb_mode() != "offline" or not (run / "wandb").is_dir():
        return None
    return f"W&B is offline; to upload: wandb sync {run}/wandb/offline-run-*"


def _describe(run: Path, recipe: dict[str, Any]) -> dict[str, Any]:
    """Arguments of `wandb.init`, the same for training and sweep; all seeds of a recipe are one group."""
    import wandb

    return {
        "name": os.environ.get("WANDB_NAME") or run.name,
        "project": os.environ.get("WANDB_PROJECT") or PROJECT,
        "entity": os.environ.get("WANDB_ENTITY") or None,
        "id": find_run_id(run),
        "resume": "allow",
        "group": os.environ.get("WANDB_RUN_GROUP") or name_recipe_group(recipe),
        "config": {"recipe": compute_recipe_key(recipe), "seed": find_recipe_seed(recipe)},
        "settings": wandb.Settings(silent=True),
    }


def _add_seed_tag(session: Any, recipe: dict[str, Any]) -> None:
    """Add the seed to the tags of a run; `wandb.init(tags=...)` would replace those of a resumed run."""
    seed = find_recipe_seed(recipe)
    if seed is not None:
        session.tags = tuple(dict.fromkeys([*(session.tags or ()), f"seed-{seed}"]))


def make_fit_logger(run: Path, recipe: dict[str, Any]) -> "list[Logger]":
    """Make W&B's logger for a training by `recipe`, or none where W&B is disabled or fails."""
    mode = choose_wandb_mode()
    if mode == "disabled" or not is_first_process():
        return []
    try:
        from pytorch_lightning.loggers import WandbLogger

        remove_dead_runs(run)
        logger = WandbLogger(save_dir=run, offline=mode == "offline", **_describe(run, recipe))
        _add_seed_tag(logger.experiment, recipe)
        hold_run(Path(logger.experiment.dir))
    except Exception as error:  # training does not depend on W&B
        warnings.warn(f"training goes on without W&B: {error}", stacklevel=2)
        return []
    return [logger]


def log_record(record: "Record", path: Path, checkpoint: Path) -> None:
    """Log the record at `path` to the W&B run of its checkpoint's folder.

    The record on disk is authoritative: a failure here is a warning.
    """
    mode = choose_wandb_mode()
    if mode == "disabled":
        return
    try:
        import wandb

        from experiments.tracking.logged_record import log

        remove_dead_runs(checkpoint.parent)
        described = _describe(checkpoint.parent, record.recipe)
        with wandb.init(dir=checkpoint.parent, mode=mode, **described) as session:  # type: ignore[arg-type]
            _add_seed_tag(session, record.recipe)
            hold_run(Path(session.dir))
            log(record, path, checkpoint, session)
    except Exception as error:  # whatever fails in W&B, the sweep is stored on disk
        warnings.warn(f"the sweep is complete, but W&B did not take it: {error}", stacklevel=2)
