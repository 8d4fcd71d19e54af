"""Checkpoints of one training: they are no independent members of an ensemble."""

import re
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import torch

from experiments.checkpoints.derived_checkpoint import network_state
from experiments.checkpoints.form import training_of
from experiments.checkpoints.settings import read_settings
from user_error import UserError

SNAPSHOT = re.compile(r"snapshot-\d+\.ckpt")
"""Names that `lightning_modules.callbacks.snapshots.Snapshots` gives: one training is what such members are to come from."""


def require_different_weights(paths: Sequence[Path], contents: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a network that stands in two files, as `best.ckpt` and `last.ckpt` do where the last epoch was the best.

    Raises:
        UserError: it does.
    """
    states = [network_state(content) for content in contents]
    for one, other in combinations(range(len(states)), 2):
        first, second = states[one], states[other]
        if first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first):
            raise UserError(
                f"{str(paths[one])!r} and {str(paths[other])!r} hold the same weights, which would count twice: pass one of them"
            )


def require_several_trainings(paths: Sequence[Path], contents: Sequence[Mapping[str, Any]], option: str) -> None:
    """Refuse checkpoints of one training other than the snapshots at the ends of its cycles.

    Raises:
        UserError: two are; it ends with the `option` that takes them nevertheless.
    """
    for one, other in combinations(range(len(paths)), 2):
        snapshots = all(SNAPSHOT.fullmatch(paths[at].name) for at in (one, other))
        if not snapshots and _are_of_one_training(paths[one], contents[one], paths[other], contents[other]):
            raise UserError(
                f"{str(paths[one])!r} and {str(paths[other])!r} are of one training, so that they err alike: pass a checkpoint "
                f"of each training, or {option} if that is meant"
            )


def _are_of_one_training(path: Path, content: Mapping[str, Any], beside: Path, other: Mapping[str, Any]) -> bool:
    """By what `fit` writes into a checkpoint, wherever the file lies by now; by the run folder where it wrote nothing."""
    one_folder = path.resolve().parent == beside.resolve().parent
    facts, others = training_of(content), training_of(other)
    if not facts or not others:
        return one_folder and read_settings(path) is not None
    if facts.get("seed") != others.get("seed") or content["hyper_parameters"] != other["hyper_parameters"]:
        return False
    written = _written_to(content)
    if written and written == _written_to(other):
        return True
    return one_folder and facts.get("settings") == others.get("settings")


def _written_to(content: Mapping[str, Any]) -> set[str]:
    """The run folders that callbacks of a training wrote checkpoints to."""
    states = (content.get("callbacks") or {}).values()
    return {str(state["dirpath"]) for state in states if isinstance(state, dict) and state.get("dirpath")}
