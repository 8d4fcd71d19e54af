"""YAML as data: plain values, of a bounded number after aliases are unfolded."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from plain_values import DEEPEST, find_problem
from safe_files.text import MEBI, read_text
from user_error import UserError

LARGEST = 16 * MEBI
MOST = 500_000
"""Largest number of nodes of a file that lists images, with aliases unfolded."""

MOST_SETTINGS = 20_000
"""Largest number of nodes of a file of settings, with aliases unfolded; jsonargparse takes milliseconds for each."""

LONGEST_NUMBER = 256
NUMBER = re.compile(r"[-+0-9.][0-9a-fA-FxXoO_:.+-]*")
CORE = tuple(f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str", "seq", "map"))
Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Keys:
    """Keys of the open mappings, to find duplicates: YAML would silently use the last one."""

    def __init__(self) -> None:
        self._open: list[
            tuple[set[tuple[bool, str]] | None, bool]
        ] = []  # keys of a mapping, and whether one comes next

    def visit(self, event: Any) -> None:
        """Record an event of the parser.

        Raises:
            FormError: it is a duplicate key.
        """
        if isinstance(event, yaml.CollectionEndEvent):
            self._open.pop()
            self._advance()
        elif isinstance(event, yaml.CollectionStartEvent):
            self._open.append((set() if isinstance(event, yaml.MappingStartEvent) else None, True))
        elif isinstance(event, yaml.ScalarEvent | yaml.AliasEvent):
            seen, comes = self._open[-1] if self._open else (None, False)
            if seen is not None and comes and isinstance(event, yaml.ScalarEvent):
                key = (event.implicit[0], event.value)
                if key in seen and event.value != "<<":
                    line = getattr(event.start_mark, "line", 0) + 1
                    raise FormError(f"the key {event.value[:80]!r} stands twice, again in line {line}")
                seen.add(key)
            self._advance()

    def _advance(self) -> None:
        if self._open:
            seen, comes = self._open[-1]
            self._open[-1] = (seen, not comes)


class FormError(yaml.YAMLError):
    """YAML that is well formed but not accepted."""


class _Loader(Base):
    """A safe loader that leaves dates as texts."""


_Loader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for letter, resolvers in Base.yaml_implicit_resolvers.items()
}


def require_form(text: str, most: int) -> None:
    """Check the form of a YAML text by its events, without building values.

    Args:
        text: YAML.
        most: largest number of nodes, with aliases unfolded.

    Raises:
        yaml.YAMLError: it is malformed, has too many nodes or levels, an unsupported tag, a duplicate key, or a number of
            very many digits.
    """
    count = 0
    sizes: dict[str, int] = {}
    opened: list[tuple[str | None, int]] = []
    keys = _Keys()
    for event in _parse_events(text):
        keys.visit(event)
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes:
                raise FormError(f"the alias *{event.anchor} is not defined before it")
            count += sizes[event.anchor]
        elif isinstance(event, yaml.CollectionStartEvent):
            _require_plain_tag(event)
            opened.append((event.anchor, count))
            count += 1
            if len(opened) > DEEPEST:
                raise FormError(f"it is nested deeper than {DEEPEST} levels")
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = opened.pop()
            if anchor is not None:
                sizes[anchor] = count - before
        elif isinstance(event, yaml.ScalarEvent):
            _require_plain_tag(event)
            _require_short_number(event)
            count += 1
            if event.anchor is not None:
                sizes[event.anchor] = 1
        if count > most:
            raise FormError(f"it unfolds to more than {most} entries")


def _parse_events(text: str) -> Iterator[Any]:
    try:
        yield from yaml.parse(text, Loader=Base)
    except UnicodeError as error:
        raise FormError("it holds a text that is not Unicode") from error


def _require_plain_tag(event: Any) -> None:
    if event.tag is not None and event.tag not in (*CORE, "!"):
        raise FormError(f"the tag {event.tag[:80]!r} is not supported")


def _require_short_number(event: Any) -> None:
    """Refuse long numbers: those of base 60 take quadratic time to parse, and Python refuses to print long ones."""
    typed = event.implicit[0] or event.tag is not None
    if len(event.value) > LONGEST_NUMBER and typed and NUMBER.fullmatch(event.value):
        raise FormError(f"it holds a number of {len(event.value)} digits")


def load_yaml(text: str, most: int = MOST, *, text_keys: bool = False) -> Any:
    """The value of a YAML text.

    Raises:
        yaml.YAMLError: see `require_form`, or a value is not of the type that its tag names.
    """
    require_form(text, most)
    try:
        value = yaml.load(text, Loader=_Loader)
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError) as error:
        raise FormError(f"a value is not of its kind ({str(error)[:80]})") from error
    if problem := find_problem(value, most=2 * most, text_keys=text_keys):
        raise FormError(problem)
    return value


def read_yaml(path: Path, remedy: str, *, most: int = MOST_SETTINGS, text_keys: bool = False) -> Any:
    """The value of a YAML file.

    Args:
        path: of the file.
        remedy: how the sentence on a wrong file ends.
        most: largest number of nodes, with aliases unfolded.
        text_keys: whether all keys must be texts.

    Raises:
        UserError: it is no YAML in UTF-8, or too large or too deep.
        OSError: it cannot be read.
    """
    text = read_text(path, remedy, LARGEST)
    try:
        return load_yaml(text, most, text_keys=text_keys)
    except yaml.YAMLError as error:
        tabs = "indent by spaces, not by tabs; " if "cannot start any token" in str(error) else ""
        raise UserError(f"{path} is not valid YAML ({' '.join(str(error).split())[:300]}): {tabs}{remedy}") from error


def read_mapping(path: Path, remedy: str, *, most: int = MOST_SETTINGS) -> dict[str, Any]:
    """The mapping in a YAML file, whose keys are texts; an empty file gives an empty mapping.

    Raises:
        UserError: see `read_yaml`, or its value is no mapping.
        OSError: it cannot be read.
    """
    value = read_yaml(path, remedy, most=most, text_keys=True)
    if value is not None and not isinstance(value, dict):
        raise UserError(f"{path} is not a mapping: {remedy}")
    return value or {}
