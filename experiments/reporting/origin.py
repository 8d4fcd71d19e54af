"""Where the numbers of a report come from: the pictures beside records, the manifests, and how to make a row again."""

import base64
import hashlib
import json
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from experiments.evaluation.record import Manifest, Picture, Record
from experiments.files.tables import format_percent
from experiments.record_files.record_file import beside
from user_error import UserError

COMMIT = re.compile(r"[0-9a-f]{7,64}")
PNG = b"\x89PNG\r\n\x1a\n"


class Shown(NamedTuple):
    """A picture in the page."""

    record: int
    name: str
    source: str  # a data: URI
    id: str
    condition: str
    fall: str


class Pictures(NamedTuple):
    """The pictures of all records, and a sentence for each record that lacks some."""

    shown: list[Shown]
    missing: list[str]


def find_pictures(records: Sequence[tuple[Record, Path]]) -> Pictures:
    """The pictures that lie beside the records.

    Args:
        records: with the path that each was read from.

    Raises:
        UserError: a picture is not the one that the record names, is no PNG, or lies in another folder.
    """
    shown, missing = [], []
    for place, (record, path) in enumerate(records):
        lacking = []
        for picture in record.pictures:
            file = beside(path, picture.file)
            if file.is_file():
                shown.append(_shown(place, record, picture, _content(file, picture, path)))
            else:
                lacking.append(picture.file)
        if lacking:
            number = f"{len(lacking)} of {len(record.pictures)} pictures of {record.name}"
            missing.append(f"{number} do not lie beside its record: copy {', '.join(lacking)} too to see them.")
    return Pictures(shown, missing)


def _content(file: Path, picture: Picture, path: Path) -> bytes:
    content = file.read_bytes()
    if hashlib.sha256(content).hexdigest() != picture.sha256:
        raise UserError(
            f"{str(file)!r} is not the picture that {path.name!r} was written with: take both from one sweep"
        )
    if not content.startswith(PNG):
        raise UserError(f"{str(file)!r} is not a PNG picture: write the record anew with 'benchmark'")
    return content


def _shown(place: int, record: Record, picture: Picture, content: bytes) -> Shown:
    severity = f", severity {picture.severity}" if picture.severity else ""
    return Shown(
        place,
        record.name,
        "data:image/png;base64," + base64.b64encode(content).decode(),
        picture.id,
        picture.corruption.replace("_", " ") + severity,
        f"{format_percent(picture.clean_miou)} → {format_percent(picture.miou)} % mIoU",
    )


class Condition(NamedTuple):
    """A line of a manifest."""

    corruption: str
    severity: str
    family: str
    parameters: str


class SuiteTable(NamedTuple):
    """A suite's manifest for people."""

    title: str
    hash: str
    facts: list[tuple[str, str]]
    conditions: list[Condition]


def suite_tables(records: Sequence[Record]) -> list[SuiteTable]:
    """The manifests of the records, each once."""
    found = {record.suite_hash: record.suite for record in records}
    return [_suite_table(digest, manifest) for digest, manifest in found.items()]


def _suite_table(digest: str, manifest: Manifest) -> SuiteTable:
    facts = {key: value for key, value in manifest.model_dump().items() if key not in ("name", "version", "conditions")}
    conditions = [
        Condition(
            plain(entry.get("corruption")), plain(entry.get("severity")), plain(entry.get("family")), _parameters(entry)
        )
        for entry in manifest.conditions
    ]
    return SuiteTable(
        f"{manifest.name} v{manifest.version}",
        digest,
        [(key, plain(value)) for key, value in facts.items()],
        conditions,
    )


def _parameters(entry: Mapping[str, Any]) -> str:
    parameters = entry.get("parameters")
    return plain(parameters) if parameters else "-"


def plain(value: Any) -> str:
    """Any JSON value in a line, without more signs than it needs."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {plain(entry)}" for key, entry in value.items()) or "none"
    if value is None:
        return "-"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


class Origin(NamedTuple):
    """What is known of how a row was made, and the commands that make it again."""

    rank: int
    name: str
    facts: list[tuple[str, str]]
    recipe: str  # YAML
    environment: str  # YAML
    commands: str


def origin(rank: int, record: Record, path: Path) -> Origin:
    """How to make the row of the record at `path` again."""
    commit = str(record.environment.get("commit") or "unknown")
    facts = [
        ("record", path.name),
        ("created", record.created),
        ("checkpoint", f"{plain(record.checkpoint.get('file'))}, sha256 {plain(record.checkpoint.get('sha256'))}"),
        ("commit", commit),
        ("data", f"{record.data.name}, {record.data.split} split, {record.data.images} images"),
        ("data hash", record.data.hash),
        ("suite hash", record.suite_hash),
        ("intervals", record.summary.interval_method),
        *([("left out of means", f"{', '.join(record.left_out)} (no image changed)")] if record.left_out else []),
    ]
    return Origin(
        rank, record.name, facts, _yaml(record.recipe), _yaml(record.environment), commands(record, path, commit)
    )


def _yaml(value: Any) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100) if value else ""


def commands(record: Record, path: Path, commit: str) -> str:
    """Command lines that sweep the checkpoint again and compare; whatever the record says is quoted for the shell."""
    base, changed = commit.removesuffix("+changes"), commit.endswith("+changes")
    checkpoint = _word(record.checkpoint.get("file") or "best.ckpt")
    lines = ["# the record does not know its commit"]
    if COMMIT.fullmatch(base):
        lines = [f"git checkout {base}" + ("  # and files that differed from it" if changed else "")]
    options = {
        "suite": record.suite.name,
        "seed": (record.suite.model_extra or {}).get("seed"),
        "split": record.data.split,
    }
    words = "".join(f" --{name} {_word(value)}" for name, value in options.items() if value not in (None, "test"))
    lines.append(f"python -m experiments benchmark --checkpoint {checkpoint}{words} --output {_word(path.name)}")
    lines.append(f"python -m experiments verify {_word(path.name)} --checkpoint {checkpoint}")
    return "\n".join(lines)


def _word(value: Any) -> str:
    """One word of a command, whatever is in it; never an option, never a line of its own."""
    text = " ".join(str(value).split())
    return shlex.quote(f"./{text}" if text.startswith("-") else text)
