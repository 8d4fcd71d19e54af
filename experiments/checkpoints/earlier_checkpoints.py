"""Checkpoints of earlier versions, in the terms of this one; see `evaluation.earlier_settings`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.evaluation.earlier_settings import MULTI_TASK_MODULE, find_other_draws, translate_recipe
from user_error import UserError

DREW_OTHERWISE = "drew_otherwise"
"""Entry of a translated checkpoint whose training drew other numbers than this version would: what it was."""

WEIGHTING = "weighting."


def translate_checkpoint(content: Mapping[str, Any]) -> dict[str, Any]:
    """A checkpoint with the settings and the names of weights of this version.

    Args:
        content: with its ``hyper_parameters`` and its ``state_dict``; plain data, of bounded depth.
    """
    content = {name: value for name, value in content.items() if name != DREW_OTHERWISE}
    settings = content.get("hyper_parameters")
    if not isinstance(settings, Mapping):
        return content
    before = settings.get("_class_path")
    recipe = {"model": {"class_path": before, "init_args": settings}, "trainer": _trainer_of(content)}
    drew, model = find_other_draws(recipe), translate_recipe(recipe)["model"]
    after = {} if model["class_path"] == before else {"_class_path": model["class_path"]}
    state = content["state_dict"]
    if before == MULTI_TASK_MODULE:
        state = {f"objective.{name}" if _is_of_weighting(name) else name: value for name, value in state.items()}
    marks = {} if drew is None else {DREW_OTHERWISE: drew}
    return {**content, "hyper_parameters": model["init_args"] | after, "state_dict": state, **marks}


def _is_of_weighting(name: Any) -> bool:
    return isinstance(name, str) and name.startswith(WEIGHTING)


def _trainer_of(content: Mapping[str, Any]) -> Any:
    """The settings of the trainer that `Bookkeeping` wrote into a checkpoint."""
    training = content.get("training")
    settings = training.get("settings") if isinstance(training, Mapping) else None
    return settings.get("trainer") if isinstance(settings, Mapping) else None


def require_same_draws(drew: str | None, checkpoint: Path) -> None:
    """Refuse to go on with a training whose rest would be another than it was to be.

    Args:
        drew: what it drew otherwise, if it did.
        checkpoint: of it, to be named.

    Raises:
        UserError: it did.
    """
    if drew is not None:
        raise UserError(
            f"{str(checkpoint)!r} is of a training with the {drew} of an earlier version, which drew other numbers, so that its "
            f"rest would be another: begin a new training from its weights (--start {checkpoint}), or anew with --restart"
        )
