"""What decides a training: the settings that two runs must share to differ by their seed alone.

A recipe is what 'fit' writes as ``config.yaml`` and what a record keeps of it.
"""

import hashlib
import json
import re
from pathlib import PurePath
from typing import Any

from experiments.evaluation.earlier_settings import find_first_name, find_other_draws, translate_recipe

FREE = (
    "data.init_args.root",
    "data.init_args.num_workers",
    "data.init_args.unit",
    "data.init_args.sequence",
    "data.init_args.place",
    "trainer.accelerator",
    "trainer.enable_progress_bar",
)
"""Settings that may change when a training is resumed: no random draw depends on them."""

MONITORING = (
    "data.init_args.eval_batch_size",
    "trainer.default_root_dir",
    "trainer.enable_model_summary",
    "trainer.log_every_n_steps",
    "trainer.logger",
    "trainer.profiler",
)
"""Settings that only monitor a training: no weight depends on them."""

WEIGHTS = "model.init_args.encoder_weights"
"""A setting that names a file: identified by the file's name, not by its folder."""

LONGEST_NAME = 80  # W&B takes 128 letters for a group


def compute_recipe_key(recipe: dict[str, Any]) -> str | None:
    """Hash of the settings that decide a training, less its seed; `None` where the recipe states no seed.

    Settings that are null count as left out. Classes are known by the import path that they had first, data by the name of
    their folder, and encoder weights by that of their file, wherever these lie. Settings of an earlier version count as those
    of this one that train the same. A record says which data the network was trained on where they were not those of the sweep
    (``trained_on``); a record without that entry takes the data that were swept, and so tells trainings apart that differ in
    their test images.

    Args:
        recipe: ``seed_everything``, ``model``, ``trainer`` and ``data``; further entries decide nothing.
    """
    if find_recipe_seed(recipe) is None:
        return None
    if find_other_draws(recipe) is None:
        recipe = translate_recipe(recipe)
    data = find_training_data(recipe)
    settings = {"model": recipe.get("model"), "trainer": recipe.get("trainer"), "data": data}
    decisive = {"settings": _select_decisive(settings), "root": find_data_folder(data)}
    canonical = json.dumps(decisive, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(canonical.encode(), digest_size=8).hexdigest()


def find_recipe_seed(recipe: dict[str, Any]) -> int | None:
    """The seed of a training, where the recipe states it."""
    seed = recipe.get("seed_everything")
    return seed if isinstance(seed, int) and not isinstance(seed, bool) else None


def name_recipe_group(recipe: dict[str, Any]) -> str | None:
    """A readable name for all seeds of a recipe: network, data and key; `None` where there is no key."""
    key = compute_recipe_key(recipe)
    if key is None:
        return None
    network = find_entry(recipe, "model", "init_args", "network")
    architecture = find_entry(network, "init_args", "architecture") or _find_class_name(
        find_entry(network, "class_path")
    )
    data = find_training_data(recipe)
    words = [
        architecture,
        find_entry(network, "init_args", "encoder"),
        find_data_name(data) if isinstance(data, dict) else None,
    ]
    named = "-".join(re.sub(r"[^\w.]+", "-", str(word).lower()) for word in words if word)
    return f"{named[:LONGEST_NAME]}-{key}"


def find_training_data(recipe: dict[str, Any]) -> Any:
    """Settings of the data that the network was trained on, as far as the recipe knows."""
    return recipe.get("trained_on") or recipe.get("data")


def find_data_folder(settings: Any) -> str | None:
    """Name of the folder that data lie in, by which they are known wherever that is; `None` where they have none."""
    root = find_entry(settings, "init_args", "root")
    return PurePath(root).name if isinstance(root, str) else None


def find_data_name(settings: dict[str, Any]) -> str:
    """A short name of the data: the folder's, or the class's."""
    return (
        find_data_folder(settings)
        or str(_find_class_name(settings.get("class_path"))).removesuffix("DataModule").lower()
    )


def _find_class_name(class_path: Any) -> str | None:
    return class_path.rsplit(".", 1)[-1] if isinstance(class_path, str) else None


def find_entry(settings: Any, *keys: str) -> Any:
    """The value of nested settings at a path of keys; `None` where there is none."""
    for key in keys:
        settings = settings.get(key) if isinstance(settings, dict) else None
    return settings


def _normalise_text(text: str, place: str) -> str:
    """A text independent of where the file or the class that it names lies."""
    if place == WEIGHTS:
        return PurePath(text).name
    return find_first_name(text) if place.endswith("class_path") else text


def _select_decisive(settings: Any, place: str = "") -> Any:
    """The settings as JSON compares them, less what is null or decides nothing."""
    if isinstance(settings, dict):
        found = {str(key): (value, f"{place}.{key}" if place else str(key)) for key, value in settings.items()}
        return {
            key: _normalise_text(value, dotted) if isinstance(value, str) else _select_decisive(value, dotted)
            for key, (value, dotted) in found.items()
            if value is not None and dotted not in FREE + MONITORING
        }
    if isinstance(settings, list | tuple):
        return [_select_decisive(value, f"{place}[]") for value in settings]
    if isinstance(settings, float) and settings.is_integer():
        return int(settings)  # YAML and JSON do not agree on whether 1.0 is written as 1
    return settings if settings is None or isinstance(settings, bool | int | float | str) else str(settings)
