"""What earlier versions called otherwise: their checkpoints and settings, in the terms of this one.

Mixup and several tasks were subclasses of the module, and CutMix a callback. Mixup and CutMix of today follow the same method
and draw other numbers, so that their trainings cannot be gone on with; their networks can be used.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from user_error import UserError

MODULE = "lightning_modules.segmentation.SegmentationModule"
MIXUP_MODULE = "lightning_modules.mixup.MixupModule"
MULTI_TASK_MODULE = "lightning_modules.multi_task.MultiTaskModule"
CUTMIX_CALLBACK = "lightning_modules.callbacks.cutmix.CutMix"

MIXUP = "lightning_modules.batch_transforms.mixup.Mixup"
CUTMIX = "lightning_modules.batch_transforms.cutmix.CutMix"
MULTI_TASK = "lightning_modules.objectives.multi_task.MultiTask"

REPLACED = {
    MIXUP_MODULE: "--model.init_args.batch_transforms+=experiments/configs/batch_transform/mixup.yaml",
    MULTI_TASK_MODULE: "--model.init_args.objective=experiments/configs/objective/multi_task.yaml",
    CUTMIX_CALLBACK: "--model.init_args.batch_transforms+=experiments/configs/batch_transform/cutmix.yaml",
}
"""What is passed today in place of a class."""

DREW_OTHERWISE = "drew_otherwise"
"""Entry of a translated checkpoint whose training drew other numbers than this version would: what it was."""

WEIGHTING = "weighting."


def translate_module(class_path: Any, settings: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The class of a module and its settings; those of this version stay as they are."""
    found = dict(settings)
    if class_path == MIXUP_MODULE:
        alpha = {"alpha": found.pop("alpha")} if "alpha" in found else {}
        found["batch_transforms"] = [{"class_path": MIXUP, "init_args": alpha}]
        return MODULE, found
    if class_path == MULTI_TASK_MODULE:
        found["objective"] = {"class_path": MULTI_TASK, "init_args": {"weighting": found.pop("weighting", None)}}
        return MODULE, found
    return class_path, found


def translate_checkpoint(content: Mapping[str, Any]) -> dict[str, Any]:
    """A checkpoint with the settings and the names of weights of this version.

    Args:
        content: with its ``hyper_parameters`` and its ``state_dict``.
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


def translate_recipe(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a training, as ``config.yaml`` or a record holds them."""
    found = dict(recipe)
    model, trainer = recipe.get("model"), recipe.get("trainer")
    if not isinstance(model, Mapping) or not isinstance(model.get("init_args"), Mapping):
        return found
    class_path, settings = translate_module(model.get("class_path"), model["init_args"])
    pasted = [one.get("init_args") for one in _callbacks(trainer) if one.get("class_path") == CUTMIX_CALLBACK]
    if pasted and isinstance(trainer, Mapping):
        cutmix = [{"class_path": CUTMIX, "init_args": dict(one or {})} for one in pasted]
        settings["batch_transforms"] = cutmix + list(settings.get("batch_transforms") or [])
        others = [one for one in _callbacks(trainer) if one.get("class_path") != CUTMIX_CALLBACK]
        found["trainer"] = {**trainer, "callbacks": others or None}
    found["model"] = {**model, "class_path": class_path, "init_args": settings}
    return found


def find_other_draws(recipe: Mapping[str, Any]) -> str | None:
    """What a training of an earlier version drew in another way than this one would; `None` where it drew the same."""
    model = recipe.get("model")
    if isinstance(model, Mapping) and model.get("class_path") == MIXUP_MODULE:
        return "mixup"
    cutmix = any(one.get("class_path") == CUTMIX_CALLBACK for one in _callbacks(recipe.get("trainer")))
    return "CutMix" if cutmix else None


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


def _callbacks(trainer: Any) -> list[Mapping[str, Any]]:
    given = trainer.get("callbacks") if isinstance(trainer, Mapping) else None
    return [one for one in (given if isinstance(given, list) else [given]) if isinstance(one, Mapping)]
