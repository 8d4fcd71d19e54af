"""The settings of a training, as the ``config.yaml`` of a run folder holds them."""

from pathlib import Path
from typing import Any

import yaml

from user_error import UserError


def read_settings(checkpoint: Path) -> dict[str, Any] | None:
    """The ``config.yaml`` beside a checkpoint, or `None`."""
    path = checkpoint.parent / "config.yaml"
    if not path.is_file():
        return None
    try:
        settings = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise UserError(f"{str(path)!r} is not YAML: restore the file that 'fit' wrote, or pass --data") from error
    return settings if isinstance(settings, dict) else None


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
