"""Translation of checkpoints of earlier versions; see `evaluation.earlier_settings`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.evaluation.earlier_settings import MULTI_TASK_MODULE, find_other_draws, translate_recipe
from user_error import UserError

CHANGED_DRAWS = "drew_otherwise"
"""Entry of a translated checkpoint that names the method whose random draws differ from those of this version."""

WEIGHTING = "weighting."


def translate_checkpoint(content: Mapping[str, Any]) -> dict[str, Any]:
    """Translate a checkpoint to the settings and names of weights of this version.

    Args:
        content: of the checkpoint, with its ``hyper_parameters`` and ``state_dict``; plain data, of bounded depth.
    """
    content = {name: value for name, value in content.items() if name != CHANGED_DRAWS}
    settings = content.get("hyper_parameters")
    if not isinstance(settings, Mapping):
        return content
    before = settings.get("_class_path")
    recipe = {"model": {"class_path": before, "init_args": settings}, "trainer": _find_trainer(content)}
    drew, model = find_other_draws(recipe), translate_recipe(recipe)["model"]
    after = {} if model["class_path"] == before else {"_class_path": model["class_path"]}
    state = content["state_dict"]
    if before == MULTI_TASK_MODULE:
        state = {f"objective.{name}" if _is_weighting_state(name) else name: value for name, value in state.items()}
    marks = {} if drew is None else {CHANGED_DRAWS: drew}
    return {**content, "hyper_parameters": model["init_args"] | after, "state_dict": state, **marks}


def _is_weighting_state(name: Any) -> bool:
    return isinstance(name, str) and name.startswith(WEIGHTING)


def _find_trainer(content: Mapping[str, Any]) -> Any:
    """The settings of the trainer that `Bookkeeping` wrote into a checkpoint."""
    training = content.get("training")
    settings = training.get("settings") if isinstance(training, Mapping) else None
    return settings.get("trainer") if isinstance(settings, Mapping) else None


def require_same_draws(drew: str | None, checkpoint: Path) -> None:
    """Refuse to resume a training whose random draws in this version differ from those of the version that began it.

    Args:
        drew: the method whose draws differ, if any.
        checkpoint: its path, for the message.

    Raises:
        UserError: the draws differ.
    """
    if drew is not None:
        raise UserError(
            f"{str(checkpoint)!r} is of a training with the {drew} of an earlier version, which drew other numbers, so that its "
            f"rest would be another: begin a new training from its weights (--start {checkpoint}), or anew with --restart"
        )
