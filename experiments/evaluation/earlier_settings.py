"""Settings of earlier versions, in the terms of this one: moved classes, and settings that were written in another form.

Mixup and several tasks were subclasses of the module, and CutMix a callback. Mixup and CutMix of today follow the same method
and draw other numbers.
"""

from collections.abc import Mapping
from typing import Any

NETWORKS = "lightning_modules.networks"
MOVED_WITHIN = {
    "datamodules": {
        "cityscapes.CityscapesDataModule": "datasets",
        "folder.FolderDataModule": "datasets",
        "oxford_pet.OxfordPetDataModule": "datasets",
        "synthetic.SyntheticDataModule": "datasets",
        "voc.VOCDataModule": "datasets",
    },
    NETWORKS: {
        "any_module.AnyModule": "adapters",
        "attention.Attention": "parts",
        "attention_gates.AttentionGates": "parts",
        "attention_modules.CBAM": "parts",
        "attention_modules.CrissCross": "parts",
        "attention_modules.ECA": "parts",
        "attention_modules.NonLocal": "parts",
        "attention_modules.SqueezeExcitation": "parts",
        "batch_ensemble.BatchEnsemble": "ensembles",
        "dropblock.DropBlock": "parts",
        "ensemble.Ensemble": "ensembles",
        "max_margin.MaxMarginNetwork": "heads",
        "monte_carlo_dropout.MonteCarloDropout": "ensembles",
        "multi_head.MultiHead": "ensembles",
        "multi_task.MultiTaskNetwork": "heads",
        "pruned.PrunedNetwork": "wrappers",
        "recurrent.ConvGru": "parts",
        "recurrent.ReSeg": "parts",
        "temperature.TemperatureScaled": "wrappers",
        "test_time_augmentation.TestTimeAugmentation": "wrappers",
    },
}
"""Classes that went into a folder of their family, which their import paths name now."""

MOVED = {
    f"{package}.{name}": f"{package}.{folder}.{name}"
    for package, classes in MOVED_WITHIN.items()
    for name, folder in classes.items()
} | {
    f"{NETWORKS}.fusion.LateFusionNetwork": f"{NETWORKS}.fusion.late.LateFusionNetwork",
    f"{NETWORKS}.fusion.MiddleFusionNetwork": f"{NETWORKS}.fusion.middle.MiddleFusionNetwork",
    f"{NETWORKS}.onnx_adapter.OnnxNetwork": f"{NETWORKS}.adapters.onnx.OnnxNetwork",
    f"{NETWORKS}.torchvision_adapter.TorchvisionNetwork": f"{NETWORKS}.adapters.torchvision.TorchvisionNetwork",
    f"{NETWORKS}.transformers_adapter.TransformersNetwork": f"{NETWORKS}.adapters.transformers.TransformersNetwork",
    **{
        f"lightning_modules.features.{name.lower()}.{name}": f"{NETWORKS}.features.{name.lower()}.{name}"
        for name in ("Edges", "Hog", "Lbp", "Orb", "Sift", "Surf")
    },
}
"""Classes by the import paths that they had first."""

FIRST = {now: first for first, now in MOVED.items()}

TASKS: dict[str, dict[str, Any]] = {
    "boundary": {"weight": 2.0},
    "classification": {"least": 1},
    "depth": {"invariance": 0.5},
    "distance": {"reach": 10},
    "reconstruction": {},
}
FEATURES: dict[str, dict[str, Any]] = {
    "edges": {"sigma": 1.0, "low": 50.0, "high": 100.0},
    "hog": {"orientations": 9, "cell": 8, "block": 2},
    "lbp": {"points": 8, "radius": 1, "window": 9},
    "orb": {"keypoints": 500, "levels": 8, "threshold": 20},
    "sift": {"step": 8, "bin": 4, "contrast": 0.04},
    "surf": {"threshold": 400.0},
}
SHORT = {
    f"{NETWORKS}.heads.multi_task.MultiTaskNetwork": ("tasks", "lightning_modules.tasks", TASKS),
    f"{NETWORKS}.classical_features.ClassicalFeatureNetwork": ("features", f"{NETWORKS}.features", FEATURES),
}
"""Networks whose further parts had short names, ``tasks: {boundary: {}}``: the setting, and each name with its defaults then.

A resumed training is compared with its settings, so that defaults that were left out are written out.
"""

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


def find_current_name(class_path: str) -> str:
    """The import path of a class today; that of one that has not moved, or is none of ours, as it is."""
    return MOVED.get(class_path, class_path)


def find_first_name(class_path: str) -> str:
    """The import path that a class had first, by which it is known wherever it lies."""
    return FIRST.get(class_path, class_path)


def translate(settings: Any) -> Any:
    """Settings in which components of earlier versions have today's form, at any depth; others stay as they are.

    Args:
        settings: plain data, of bounded depth.
    """
    if type(settings) in (list, tuple):
        return type(settings)(translate(one) for one in settings)
    if not isinstance(settings, dict):
        return settings
    found = {key: translate(value) for key, value in settings.items()}
    name, given = found.get("class_path"), found.get("init_args")
    if not isinstance(name, str):
        return found
    found["class_path"] = name = find_current_name(name)
    if name not in SHORT or not isinstance(given, dict):
        return found
    place, package, defaults = SHORT[name]
    short = given.get(place)
    if isinstance(short, dict) and short.keys() <= defaults.keys():
        components = [_name_class(package, one, defaults[one], own) for one, own in short.items()]
        found["init_args"] = {**given, place: components}
    return found


def _name_class(package: str, name: str, defaults: dict[str, Any], settings: Any) -> dict[str, Any]:
    """A short name as a component; settings that are no mapping are left as they are, and refused when it is built."""
    complete = defaults | (settings or {}) if isinstance(settings, dict | None) else settings
    return {"class_path": f"{package}.{name}.{name.capitalize()}", "init_args": complete}


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


def translate_recipe(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a training, as ``config.yaml`` or a record holds them."""
    found = translate(dict(recipe))
    model, trainer = found.get("model"), found.get("trainer")
    if not isinstance(model, Mapping) or not isinstance(model.get("init_args"), Mapping):
        return found
    class_path, settings = translate_module(model.get("class_path"), model["init_args"])
    pasted = [one.get("init_args") for one in _list_callbacks(trainer) if one.get("class_path") == CUTMIX_CALLBACK]
    if pasted and isinstance(trainer, Mapping):
        cutmix = [{"class_path": CUTMIX, "init_args": dict(one or {})} for one in pasted]
        settings["batch_transforms"] = cutmix + list(settings.get("batch_transforms") or [])
        others = [one for one in _list_callbacks(trainer) if one.get("class_path") != CUTMIX_CALLBACK]
        found["trainer"] = {**trainer, "callbacks": others or None}
    found["model"] = {**model, "class_path": class_path, "init_args": settings}
    return found


def find_other_draws(recipe: Mapping[str, Any]) -> str | None:
    """The method whose random draws differ between the version of a recipe and this one; `None` where there is none."""
    model = recipe.get("model")
    if isinstance(model, Mapping) and model.get("class_path") == MIXUP_MODULE:
        return "mixup"
    cutmix = any(one.get("class_path") == CUTMIX_CALLBACK for one in _list_callbacks(recipe.get("trainer")))
    return "CutMix" if cutmix else None


def _list_callbacks(trainer: Any) -> list[Mapping[str, Any]]:
    given = trainer.get("callbacks") if isinstance(trainer, Mapping) else None
    return [one for one in (given if isinstance(given, list) else [given]) if isinstance(one, Mapping)]
