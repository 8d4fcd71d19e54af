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

from experiments.evaluation.order import read_order
from experiments.evaluation.protocol import restate_protocol
from experiments.evaluation.record import Manifest, Picture, Record
from experiments.files.tables import format_percent
from experiments.record_files.record_file import resolve_beside
from user_error import UserError

COMMIT = re.compile(r"[0-9a-f]{7,64}")
PNG = b"\x89PNG\r\n\x1a\n"


class ShownPicture(NamedTuple):
    """A picture in the page."""

    record: int
    name: str
    source: str  # a data: URI
    id: str
    condition: str
    drop: str


class Pictures(NamedTuple):
    """The pictures of all records, and a sentence for each record that lacks some."""

    shown: list[ShownPicture]
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
            file = resolve_beside(path, picture.file)
            if file.is_file():
                shown.append(_describe_picture(place, record, picture, _read_content(file, picture, path)))
            else:
                lacking.append(picture.file)
        if lacking:
            number = f"{len(lacking)} of {len(record.pictures)} pictures of {record.name}"
            missing.append(f"{number} do not lie beside its record: copy {', '.join(lacking)} too to see them.")
    return Pictures(shown, missing)


def _read_content(file: Path, picture: Picture, path: Path) -> bytes:
    content = file.read_bytes()
    if hashlib.sha256(content).hexdigest() != picture.sha256:
        raise UserError(
            f"{str(file)!r} is not the picture that {path.name!r} was written with: take both from one sweep"
        )
    if not content.startswith(PNG):
        raise UserError(f"{str(file)!r} is not a PNG picture: write the record anew with 'benchmark'")
    return content


def _describe_picture(place: int, record: Record, picture: Picture, content: bytes) -> ShownPicture:
    severity = f", severity {picture.severity}" if picture.severity else ""
    return ShownPicture(
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


def make_suite_tables(records: Sequence[Record]) -> list[SuiteTable]:
    """The distinct manifests of the records."""
    found = {record.suite_hash: record.suite for record in records}
    return [_make_suite_table(digest, manifest) for digest, manifest in found.items()]


def _make_suite_table(digest: str, manifest: Manifest) -> SuiteTable:
    facts = {key: value for key, value in manifest.model_dump().items() if key not in ("name", "version", "conditions")}
    conditions = [
        Condition(
            format_plain(entry.get("corruption")),
            format_plain(entry.get("severity")),
            format_plain(entry.get("family")),
            _format_parameters(entry),
        )
        for entry in manifest.conditions
    ]
    return SuiteTable(
        manifest.title,
        digest,
        [(key, format_plain(value)) for key, value in facts.items()],
        conditions,
    )


def _format_parameters(entry: Mapping[str, Any]) -> str:
    parameters = entry.get("parameters")
    return format_plain(parameters) if parameters else "-"


def format_plain(value: Any) -> str:
    """Any JSON value in a line, without more signs than it needs."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {format_plain(entry)}" for key, entry in value.items()) or "none"
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


def describe_origin(rank: int, record: Record, path: Path) -> Origin:
    """How to make the row of the record at `path` again."""
    commit = str(record.environment.get("commit") or "unknown")
    facts = [
        ("record", path.name),
        ("created", record.created),
        ("checkpoint", _describe_checkpoint(record)),
        ("commit", commit),
        ("data", f"{record.data.name}, {record.data.split} split, {record.data.images} images"),
        ("data hash", record.data.hash),
        ("suite hash", record.suite_hash),
        ("intervals", record.summary.interval_method),
        *([("left out of means", f"{', '.join(record.left_out)} (no image changed)")] if record.left_out else []),
    ]
    return Origin(
        rank,
        record.name,
        facts,
        _format_yaml(record.recipe),
        _format_yaml(record.environment),
        format_commands(record, path, commit),
    )


def _describe_checkpoint(record: Record) -> str:
    known = record.checkpoint
    if "sha256" not in known and "weights_sha256" in known:
        return f"none; weights in a loop of its author's, sha256 {format_plain(known['weights_sha256'])}"
    return f"{format_plain(known.get('file'))}, sha256 {format_plain(known.get('sha256'))}"


def _format_yaml(value: Any) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100) if value else ""


def format_commands(record: Record, path: Path, commit: str) -> str:
    """Command lines that sweep the checkpoint again and compare; every value of the record is quoted for the shell."""
    base, changed = commit.removesuffix("+changes"), commit.endswith("+changes")
    checkpoint = _quote_word(record.checkpoint.get("file") or "best.ckpt")
    lines = ["# the record does not know its commit"]
    if COMMIT.fullmatch(base):
        lines = [f"git checkout {base}" + ("  # and files that differed from it" if changed else "")]
    if "sha256" not in record.checkpoint and "weights_sha256" in record.checkpoint:
        lines.append("# swept in a loop of its author's: what follows recomputes its numbers from its counts")
        return "\n".join([*lines, f"python -m experiments verify {_quote_word(path.name)}"])
    protocol = restate_protocol(record.suite.model_extra or {})
    options = {
        "suite": record.suite.name,
        "seed": (record.suite.model_extra or {}).get("seed"),
        "split": record.data.split,
        "protocol": json.dumps(protocol) if protocol else None,
    }
    if read_order(record.suite.model_extra or {}) == "resize_then_corrupt":
        lines.append("# where its 'benchmark' has --order, add --order resize_then_corrupt")
    words = "".join(f" --{name} {_quote_word(value)}" for name, value in options.items() if value not in (None, "test"))
    lines.append(f"python -m experiments benchmark --checkpoint {checkpoint}{words} --output {_quote_word(path.name)}")
    lines.append(f"python -m experiments verify {_quote_word(path.name)} --checkpoint {checkpoint}")
    return "\n".join(lines)


def _quote_word(value: Any) -> str:
    """A value quoted as one word of a command; it is never read as an option or as a new line."""
    text = " ".join(str(value).split())
    return shlex.quote(f"./{text}" if text.startswith("-") else text)
