"""The settings of a trial of an earlier version, which stored no fingerprint, from its record."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from experiments.ablation.record_origin import read_origin
from experiments.checkpoints.settings import find_differences
from experiments.evaluation.earlier_settings import translate_recipe
from experiments.evaluation.recipe import FREE, MONITORING, find_data_folder, find_training_data
from user_error import UserError


def find_resolved_changes(words: Sequence[str], record: Path) -> list[str]:
    """The settings of a training that are others than those of the record that lies where its own would.

    Args:
        words: the options of the training.
        record: path of the record.

    Raises:
        UserError: the options are no settings of a training.
    """
    before, now = translate_recipe(read_origin(record).recipe), _resolve(words)
    pairs = [(before.get(key), now.get(key), key) for key in ("seed_everything", "model", "trainer")]
    pairs.append((find_training_data(before), now.get("data"), "data"))
    found = [key for one, other, section in pairs for key in find_differences(one, other, section)]
    changed = [key for key in found if key not in FREE + MONITORING]
    return changed + (
        ["data.init_args.root"] if find_data_folder(find_training_data(before)) != find_data_folder(now["data"]) else []
    )


def _resolve(words: Sequence[str]) -> dict[str, Any]:
    """The settings of a training, which are printed by a process of its own: its libraries take seconds to import."""
    command = [sys.executable, "-m", "experiments", "fit", *words, "--print_config"]
    printed = subprocess.run(command, capture_output=True, text=True)
    if printed.returncode:
        raise UserError((printed.stderr.strip().splitlines() or ["the settings of the trial cannot be parsed"])[-1])
    return yaml.safe_load(printed.stdout)
