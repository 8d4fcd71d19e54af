"""The settings of a training, from the ``config.yaml`` of its run folder."""

from pathlib import Path
from typing import Any

from experiments.evaluation.earlier_settings import translate
from plain_values import show
from safe_files.yaml_file import read_mapping
from user_error import UserError

REMEDY = "restore the file that 'fit' wrote, or remove it and pass --data"


def read_settings(checkpoint: Path, remedy: str = REMEDY) -> dict[str, Any] | None:
    """Read the ``config.yaml`` beside a checkpoint, or `None`; messages about an invalid one end with `remedy`."""
    path = checkpoint.parent / "config.yaml"
    if not path.is_file():
        return None
    return _require_sections(translate(read_mapping(path, remedy)), path, remedy) or None


def _require_sections(settings: dict[str, Any], path: Path, remedy: str) -> dict[str, Any]:
    """The settings, if their sections are mappings; the data are checked where they are built."""
    for name in ("model", "trainer"):
        if not isinstance(settings.get(name), dict | None):
            raise UserError(f"{path}: {name} is {show(settings[name])}, no mapping: {remedy}")
    return settings


def to_plain(settings: Any) -> Any:
    """Parsed settings as plain JSON values, without the parser's entries for the files they came from."""
    if isinstance(settings, dict):
        return {key: to_plain(value) for key, value in settings.items() if not key.startswith("__")}
    if isinstance(settings, list | tuple):
        return [to_plain(value) for value in settings]
    return settings if settings is None or isinstance(settings, bool | int | float | str) else str(settings)


def find_differences(one: Any, other: Any, prefix: str) -> list[str]:
    """Dotted keys at which two nested settings differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = list(dict.fromkeys([*one, *other]))
        return [found for key in keys for found in find_differences(one.get(key), other.get(key), f"{prefix}.{key}")]
    return [] if one == other else [prefix]
