"""Values of options that the command line writes in their own way."""

import yaml

from safe_files.yaml_file import load_yaml
from user_error import UserError, shorten


def read_names(text: str) -> dict[str, str]:
    """Parse a mapping of names, such as ``{polyp: lesion}``.

    Raises:
        UserError: it is not a mapping of names.
    """
    try:
        found = load_yaml(text)
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(
            f"{text!r} is no mapping of names ({shorten(error)}): write it as '{{polyp: lesion}}'"
        ) from error
    if not isinstance(found, dict) or not all(isinstance(one, str) for pair in found.items() for one in pair):
        raise UserError(f"{text!r} is no mapping of names: write it as '{{polyp: lesion}}'")
    return found


def read_truth(text: str) -> bool:
    """Parse ``true`` or ``false``.

    Raises:
        UserError: it is neither.
    """
    if text.lower() not in ("true", "false"):
        raise UserError(f"{text!r} is neither true nor false: write one of them")
    return text.lower() == "true"


def read_devices(text: str) -> int | str:
    """Parse a number of processes, or ``auto``."""
    return int(text) if text.isdigit() else text


def parse_numbers(text: str | None, channels: int, option: str) -> list[float] | None:
    """Parse numbers separated by commas, one for each channel.

    Raises:
        UserError: they are not numbers, or not one for each channel.
    """
    if text is None:
        return None
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise UserError(f"{option} {text!r} are no numbers: give one for each channel, as 0.5,0.5,0.5") from error
    if len(found) != channels:
        raise UserError(f"{option} has {len(found)} numbers for {channels} channels: give one for each")
    return found
