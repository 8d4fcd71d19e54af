"""Settings of earlier versions, in today's form."""

from collections.abc import Mapping
from typing import Any

TASKS = {
    name: f"lightning_modules.tasks.{name}.{name.capitalize()}"
    for name in ("boundary", "classification", "depth", "distance", "reconstruction")
}
FEATURES = {
    name: f"lightning_modules.features.{name}.{name.capitalize()}"
    for name in ("edges", "hog", "lbp", "orb", "sift", "surf")
}
NAMED = {
    "lightning_modules.networks.multi_task.MultiTaskNetwork": ("tasks", TASKS),
    "lightning_modules.networks.classical_features.ClassicalFeatureNetwork": ("features", FEATURES),
}
"""Networks whose further parts had short names, ``tasks: {boundary: {}}``: the setting, and the class of each name."""


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
    place, classes = _find_named(found)
    given = found.get("init_args", {}).get(place) if place else None
    if isinstance(given, Mapping) and "class_path" not in given and given.keys() <= classes.keys():
        components = [{"class_path": classes[name], "init_args": given[name] or {}} for name in given]
        found["init_args"] = {**found["init_args"], place: components}
    return found


def _find_named(component: Mapping[str, Any]) -> tuple[str, Mapping[str, str]]:
    """The setting of a component in which short names may stand, and their classes; empty where there is none."""
    name = component.get("class_path")
    known = isinstance(name, str) and name in NAMED and isinstance(component.get("init_args"), dict)
    return NAMED[name] if known else ("", {})  # type: ignore[index]
