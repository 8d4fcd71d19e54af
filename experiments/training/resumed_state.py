"""Validation of the training state in a checkpoint against the training that is to resume it.

What only the libraries can check, such as the order of an optimiser's parameters, they refuse themselves; their error then
becomes a message about the file.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from packaging.version import InvalidVersion, Version
from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import Tensor

from experiments.checkpoints.checkpoint import read_checkpoint
from plain_values import show
from user_error import UserError, find_user_error, shorten

REMEDY = "take another one, or begin anew with --restart"

RESTORING = (
    "pytorch_lightning.trainer.connectors.checkpoint_connector",
    "torch.optim.",
    "lightning_modules.optimizers.",
)
"""Modules that restore a state: errors raised in them are due to the file."""

LATEST = 2**53
"""Largest number of epochs, steps or batches."""


@contextmanager
def resume(checkpoint: str | None, trainer: Trainer) -> Iterator[None]:
    """Resume a training from a checkpoint, if one is given; errors in its state become a `UserError`.

    Args:
        checkpoint: path of the file.
        trainer: with its loops and callbacks in their initial state.

    Raises:
        UserError: the state is damaged, or of another training.
    """
    if checkpoint is None:
        yield
        return
    require_training_state(read_checkpoint(Path(checkpoint)), checkpoint, trainer)
    try:
        yield
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RuntimeError) as error:
        out_of_memory = isinstance(error, torch.OutOfMemoryError)
        if (
            out_of_memory
            or find_user_error(error)
            or "loading state_dict" in str(error)
            or not _is_from_restoring(error)
        ):
            raise
        raise _make_damage_error(checkpoint, f"{type(error).__name__}: {shorten(error)}") from error


def require_training_state(content: Mapping[str, Any], checkpoint: str, trainer: Trainer) -> None:
    """Check the training state against the loops and callbacks that it is for.

    Raises:
        UserError: an entry is missing, or has another type or shape.
    """
    if problem := _find_problem(content, trainer):
        raise _make_damage_error(checkpoint, problem)


def _find_problem(content: Mapping[str, Any], trainer: Trainer) -> str:
    try:
        Version(content["pytorch-lightning_version"])
    except (InvalidVersion, TypeError, KeyError):
        return f"its version is {show(content.get('pytorch-lightning_version'))}"
    for name, kind in (("epoch", int), ("global_step", int), ("loops", dict), ("callbacks", dict)):
        if not isinstance(content.get(name), kind) or isinstance(content[name], bool):
            return f"its {name} is {show(content.get(name))}"
    if not all(0 <= content[name] <= LATEST for name in ("epoch", "global_step")):
        return f"its epoch is {content['epoch']}, its step {content['global_step']}"
    for name in ("optimizer_states", "lr_schedulers"):
        states = content.get(name)
        if not isinstance(states, list) or not all(isinstance(one, dict) for one in states):
            return f"its {name} are {show(states)}"
    if problem := _find_difference(content["loops"].get("fit_loop"), trainer.fit_loop.state_dict(), "loops.fit_loop"):
        return problem
    return _find_callback_problem(content["callbacks"], trainer) or _find_optimizer_problem(content["optimizer_states"])


def _find_callback_problem(states: Mapping[str, Any], trainer: Trainer) -> str:
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        state = states.get(callback.state_key)
        if state is None:
            continue
        name = type(callback).__name__
        if problem := _find_difference(state, callback.state_dict(), name):
            return problem
        scores = state.get("best_k_models", {}) if isinstance(callback, ModelCheckpoint) else {}
        if not all(isinstance(path, str) and _is_scalar(score) for path, score in scores.items()):
            return f"{name}.best_k_models is {show(scores)}"
    return ""


def _find_optimizer_problem(optimizers: list[dict[str, Any]]) -> str:
    """Describe what is wrong with the states of optimisers; shapes of tensors are checked in the optimiser's first step."""
    for place, optimizer in enumerate(optimizers):
        groups, state = optimizer.get("param_groups"), optimizer.get("state")
        if not isinstance(state, dict) or not isinstance(groups, list):
            return f"its optimizer {place} has no state and param_groups"
        for group in groups:
            rate = group.get("lr") if isinstance(group, dict) else None
            if not isinstance(rate, int | float | Tensor):
                return f"its optimizer {place} has the learning rate {show(rate)}"
    return ""


def _find_difference(found: Any, wanted: Any, where: str) -> str:
    """Describe where a state differs in type or shape from the initial one; an initial `None` may become any plain value."""
    if isinstance(wanted, dict):
        if not isinstance(found, dict):
            return f"{where} is {show(found)}"
        for key, value in wanted.items():
            if key in found and (problem := _find_difference(found[key], value, f"{where}.{key}")):
                return problem
        return ""
    if isinstance(wanted, bool | int | float):
        fits = isinstance(found, bool | int | float) and not abs(found) > LATEST
    elif isinstance(wanted, Tensor):
        fits = isinstance(found, Tensor) and found.shape == wanted.shape
    elif wanted is None:
        fits = found is None or isinstance(found, str | int | float | Tensor)
    else:
        fits = isinstance(found, type(wanted)) or (isinstance(wanted, str) and found is None)
    return "" if fits else f"{where} is {show(found)}"


def _is_scalar(value: Any) -> bool:
    return isinstance(value, Tensor) and value.numel() == 1


def _is_from_restoring(error: BaseException) -> bool:
    """Whether an error was raised while the state was restored."""
    trace = error.__traceback__
    while trace is not None:
        if f"{trace.tb_frame.f_globals.get('__name__', '')}.".startswith(RESTORING):
            return True
        trace = trace.tb_next
    return False


def _make_damage_error(checkpoint: str, problem: str) -> UserError:
    return UserError(
        f"the training cannot go on from {checkpoint!r}, whose state is damaged or another's ({problem}): {REMEDY}"
    )
