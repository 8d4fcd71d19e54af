"""Settings of earlier versions, in today's form."""

from typing import Any

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
NAMED = {
    "lightning_modules.networks.multi_task.MultiTaskNetwork": ("tasks", TASKS),
    "lightning_modules.networks.classical_features.ClassicalFeatureNetwork": ("features", FEATURES),
}
"""Networks whose further parts had short names, ``tasks: {boundary: {}}``: the setting, and each name with its defaults then.

A training that goes on is held against its settings, so that what was left out is stated.
"""


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
    if not isinstance(name, str) or name not in NAMED or not isinstance(given, dict):
        return found
    place, defaults = NAMED[name]
    short = given.get(place)
    if isinstance(short, dict) and short.keys() <= defaults.keys():
        components = [_name_class(place, one, defaults[one], own) for one, own in short.items()]
        found["init_args"] = {**given, place: components}
    return found


def _name_class(family: str, name: str, defaults: dict[str, Any], settings: Any) -> dict[str, Any]:
    """A component of its own; settings that are no mapping stay, and are refused where it is built."""
    whole = defaults | (settings or {}) if isinstance(settings, dict | None) else settings
    return {"class_path": f"lightning_modules.{family}.{name}.{name.capitalize()}", "init_args": whole}
