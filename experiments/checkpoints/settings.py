"""The settings of a training, as the ``config.yaml`` of a run folder holds them."""

from pathlib import Path
from typing import Any

from experiments.evaluation.earlier_settings import translate
from plain_values import show
from safe_files.yaml_file import read_mapping
from user_error import UserError

REMEDY = "restore the file that 'fit' wrote, or remove it and pass --data"


def read_settings(checkpoint: Path, remedy: str = REMEDY) -> dict[str, Any] | None:
    """The ``config.yaml`` beside a checkpoint, or `None`; what to do about one that is none is said by `remedy`."""
    path = checkpoint.parent / "config.yaml"
    if not path.is_file():
        return None
    return _with_sections(translate(read_mapping(path, remedy)), path, remedy) or None


def _with_sections(settings: dict[str, Any], path: Path, remedy: str) -> dict[str, Any]:
    """The settings, once what others look up in them is known to be there; the data are checked where they are built."""
    for name in ("model", "trainer"):
        if not isinstance(settings.get(name), dict | None):
            raise UserError(f"{path}: {name} is {show(settings[name])}, no mapping: {remedy}")
    return settings


def plain(settings: Any) -> Any:
    """Parsed settings as JSON holds them, without the parser's notes of the files they came from."""
    if isinstance(settings, dict):
        return {key: plain(value) for key, value in settings.items() if not key.startswith("__")}
    if isinstance(settings, list | tuple):
        return [plain(value) for value in settings]
    return settings if settings is None or isinstance(settings, bool | int | float | str) else str(settings)


def differences(one: Any, other: Any, prefix: str) -> list[str]:
    """Dotted keys at which two nested settings differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = list(dict.fromkeys([*one, *other]))
        return [found for key in keys for found in differences(one.get(key), other.get(key), f"{prefix}.{key}")]
    return [] if one == other else [prefix]
