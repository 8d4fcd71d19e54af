"""Protocols by their names, by the paths of YAML files, or as settings that are written out; without torch."""

from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from experiments.evaluation.protocol import Protocol
from experiments.sweeping.named_files import find_file, list_names
from safe_files.yaml_file import load_yaml, read_mapping
from user_error import UserError, shorten


def list_protocols() -> list[str]:
    """Names of the protocols that come with the project."""
    return list_names("protocol")


def find_protocol(name: str) -> Protocol:
    """A protocol by its name, by the path of its YAML, or written out as a mapping, such as ``{scored_at: file}``.

    Raises:
        UserError: there is none, or its YAML is malformed.
    """
    if is_written_out(name):
        try:
            return parse_protocol(load_yaml(name), "--protocol")
        except (yaml.YAMLError, ValueError) as error:
            raise UserError(
                f"--protocol is no mapping ({shorten(error)}): write it as '{{scored_at: file}}'"
            ) from error
    path = find_file("protocol", name)
    return parse_protocol(read_mapping(path, "write it as docs/protocols.md shows"), path)


def is_written_out(name: str) -> bool:
    """Whether a protocol is given as a mapping of settings, rather than by name or path."""
    return name.lstrip().startswith("{")


def name_protocol(name: str) -> str:
    """What a record is called after by default: the name of a protocol's file, or a digest of settings that are written out.

    Raises:
        UserError: see `find_protocol`.
    """
    if not is_written_out(name):
        return Path(name).stem
    settings = find_protocol(name).model_dump_json(exclude={"source"})
    return f"protocol-{sha256(settings.encode()).hexdigest()[:8]}"


def parse_protocol(settings: Any, where: str | Path) -> Protocol:
    """A protocol from plain values.

    Args:
        settings: by name.
        where: they stand, for the message.

    Raises:
        UserError: a setting is unknown, or of another form.
    """
    try:
        return Protocol.model_validate(settings)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part)[:80] for part in first["loc"]) or "it"
        unknown = first["type"] == "extra_forbidden"
        problem = "is no setting of it" if unknown else f"is invalid ({first['msg'].lower()})"
        known = ", ".join(name for name in Protocol.model_fields if name != "source")
        remedy = f"give some of {known}" if unknown and len(first["loc"]) == 1 else "see docs/protocols.md"
        raise UserError(f"{where} is no protocol ({place!r} {problem}): {remedy}") from error
