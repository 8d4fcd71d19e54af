"""Detection of checkpoints of one training, which are not independent members of an ensemble."""

import re
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import torch

from experiments.checkpoints.derived_checkpoint import extract_network_state
from experiments.checkpoints.form import get_training
from experiments.checkpoints.settings import read_settings
from user_error import UserError

SNAPSHOT = re.compile(r"snapshot-\d+\.ckpt")
"""File names of `lightning_modules.callbacks.snapshots.Snapshots`, whose members come from one training by design."""


def require_different_weights(paths: Sequence[Path], contents: Sequence[Mapping[str, Any]]) -> None:
    """Refuse two files with the same weights, such as `best.ckpt` and `last.ckpt` where the last epoch was the best.

    Raises:
        UserError: two files have the same weights.
    """
    states = [extract_network_state(content) for content in contents]
    for one, other in combinations(range(len(states)), 2):
        first, second = states[one], states[other]
        if first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first):
            raise UserError(
                f"{str(paths[one])!r} and {str(paths[other])!r} hold the same weights, which would count twice: pass one of them"
            )


def require_several_trainings(paths: Sequence[Path], contents: Sequence[Mapping[str, Any]], option: str) -> None:
    """Refuse checkpoints of one training other than the snapshots at the ends of its cycles.

    Raises:
        UserError: two are; the message ends with the `option` that allows them.
    """
    for one, other in combinations(range(len(paths)), 2):
        snapshots = all(SNAPSHOT.fullmatch(paths[at].name) for at in (one, other))
        if not snapshots and _is_one_training(paths[one], contents[one], paths[other], contents[other]):
            raise UserError(
                f"{str(paths[one])!r} and {str(paths[other])!r} are of one training, so that they err alike: pass a checkpoint "
                f"of each training, or {option} if that is meant"
            )


def _is_one_training(path: Path, content: Mapping[str, Any], beside: Path, other: Mapping[str, Any]) -> bool:
    """Whether two checkpoints are of one training, by what `fit` stores in them, or by their folder where it is missing."""
    one_folder = path.resolve().parent == beside.resolve().parent
    facts, others = get_training(content), get_training(other)
    if not facts or not others:
        return one_folder and read_settings(path) is not None
    if facts.get("seed") != others.get("seed") or content["hyper_parameters"] != other["hyper_parameters"]:
        return False
    written = _find_run_folders(content)
    if written and written == _find_run_folders(other):
        return True
    return one_folder and facts.get("settings") == others.get("settings")


def _find_run_folders(content: Mapping[str, Any]) -> set[str]:
    """The run folders to which the callbacks of a training wrote checkpoints."""
    states = (content.get("callbacks") or {}).values()
    return {str(state["dirpath"]) for state in states if isinstance(state, dict) and state.get("dirpath")}
