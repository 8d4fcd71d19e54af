"""The parser of a verb, made from the typed function that does its work."""

import argparse
import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    NoReturn,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from experiments.command_line.chosen_data import ChosenData, DataOption
from experiments.command_line.parser_errors import describe_parser_error
from user_error import UserError

DATA = "--data"
DATA_HELP = (
    "YAML or class of a data module (default: that of the run folder); --data.init_args.NAME VALUE changes a setting, "
    "--data.help CLASS lists them"
)
ENTRY = re.compile(r"^ {4}\*?(\w+): (.*)$")
"""The first line of an argument in a docstring."""


@dataclass(frozen=True)
class Option:
    """What a parser has to know about a parameter beyond its type; part of its `Annotated`.

    Args:
        metavar: placeholder of its value in the help.
        choices: the values that it accepts.
        listed: returns names that are listed at the end of its help.
        read: parses its value.
        repeated: the option is given once for each entry of the list.
        name: of the option, where it differs from that of the parameter.
        formerly: its name in an earlier version.
    """

    metavar: str | tuple[str, ...] | None = None
    choices: Iterable[str] | None = None
    listed: Callable[[], Iterable[str]] | None = None
    read: Callable[[str], Any] | None = None
    repeated: bool = False
    name: str | None = None
    formerly: str | None = None


class CommandLine(list[str]):
    """All words of the command line; a parameter of this type receives them, and is not an option."""


class SentenceParser(argparse.ArgumentParser):
    """A parser that raises its errors as one sentence instead of exiting."""

    def error(self, message: str) -> NoReturn:
        """Called by `argparse` on an error.

        Raises:
            UserError: always.
        """
        raise UserError(describe_parser_error(ValueError(message)))


class Parameter(NamedTuple):
    """A parameter of a function, as a parser needs it."""

    name: str
    kind: Any
    default: Any
    option: Option
    positional: bool
    help: str

    @property
    def flag(self) -> str:
        """Name of the option on the command line."""
        return self.option.name or f"--{self.name.strip('_').replace('_', '-')}"


def list_examples(verb: str, examples: str) -> str:
    """Examples of a verb, its options and arguments one example to a line, as complete commands.

    A line that begins with spaces continues the one above; text after an empty line is returned unchanged.
    """
    lines, blank, notes = examples.strip().partition("\n\n")
    shown = [
        f"  {line}" if line.startswith(" ") else f"  python -m experiments {verb} {line}" for line in lines.splitlines()
    ]
    return "\n".join(shown) + blank + notes


def call_verb(verb: str, function: Callable[..., Any], examples: str, argv: Sequence[str]) -> Any:
    """Parse the words of a command line and call the function with them.

    Parameters before ``/`` are positional arguments, those after ``*`` are options; ``*words`` receives unknown words, which
    the verb passes on to another. The help is the function's docstring. Option names cannot be abbreviated.

    Args:
        verb: name of the verb.
        function: the function that does its work.
        examples: see `list_examples`.
        argv: the words of the command line.

    Raises:
        UserError: they do not fit the function.
    """
    values = parse(verb, function, examples, argv)
    first = [values.pop(one.name) for one in _list_signature(function) if one.kind is one.POSITIONAL_ONLY]
    further = values.pop(_find_rest_name(function), [])
    return function(*first, *further, **values)


def parse(verb: str, function: Callable[..., Any], examples: str, argv: Sequence[str]) -> dict[str, Any]:
    """The words as values of the function's parameters, by their names; see `call_verb`."""
    parameters = list(_read_parameters(function))
    for one in parameters:
        if one.option.formerly and any(word.partition("=")[0] == one.option.formerly for word in argv):
            raise UserError(f"{one.option.formerly} is now called {one.flag}: write that")
    data = next((one for one in parameters if _is_data(one)), None)
    words, of_data = _split(argv) if data else (list(argv), [])
    parser, further = make_parser(verb, function, examples), _find_rest_name(function)
    found, rest = parser.parse_known_args(words)
    if rest and not further:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    values = {one.name: _as_declared(getattr(found, one.name), one) for one in parameters if one is not data}
    if data is not None:
        values[data.name] = _choose_data(verb, data, values, of_data)
    given = {name: CommandLine(argv) for name, kind in get_type_hints(function).items() if kind is CommandLine}
    return {**values, **given, **({further: rest} if further else {})}


def make_parser(verb: str, function: Callable[..., Any], examples: str) -> SentenceParser:
    """The parser of a verb; see `call_verb`."""
    parser = SentenceParser(
        prog=f"python -m experiments {verb}",
        description=_describe(function),
        epilog=f"examples:\n{list_examples(verb, examples)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    for one in _read_parameters(function):
        if _is_data(one):
            parser.add_argument(
                DATA, metavar="DATA", dest=one.name, help=DATA_HELP
            )  # handled by `_split`; listed for the help
        elif one.positional:
            parser.add_argument(one.name, **_make_argument(one))
        else:
            required = one.default is inspect.Parameter.empty
            parser.add_argument(one.flag, dest=one.name, required=required, **_make_argument(one))
    return parser


def _list_signature(function: Callable[..., Any]) -> list[inspect.Parameter]:
    return list(inspect.signature(function).parameters.values())


def _find_rest_name(function: Callable[..., Any]) -> str:
    """The name of the parameter for words that are passed on to another verb; empty where there is none."""
    return next((one.name for one in _list_signature(function) if one.kind is one.VAR_POSITIONAL), "")


def _read_parameters(function: Callable[..., Any]) -> Iterable[Parameter]:
    hints, descriptions = get_type_hints(function, include_extras=True), _describe_parameters(function)
    for one in _list_signature(function):
        kind, option = hints[one.name], Option()
        if one.kind is one.VAR_POSITIONAL or kind is CommandLine:
            continue
        if get_origin(kind) is Annotated:
            kind, option = get_args(kind)
        if get_origin(kind) in (Union, UnionType) and NoneType in get_args(kind):
            (kind,) = (part for part in get_args(kind) if part is not NoneType)
        yield Parameter(
            one.name, kind, one.default, option, one.kind is one.POSITIONAL_ONLY, descriptions.get(one.name, "")
        )


def _make_argument(one: Parameter) -> dict[str, Any]:
    """The keyword arguments of ``add_argument`` for a parameter."""
    default = None if one.default is inspect.Parameter.empty else one.default
    settings: dict[str, Any] = {"help": _make_help(one), "default": default}
    if one.kind is bool and one.option.read is None:
        return settings | {"action": "store_true"}
    if one.option.metavar is not None:
        settings["metavar"] = one.option.metavar
    elif one.option.name is not None:
        settings["metavar"] = one.option.name.rpartition(".")[2].upper()
    kind = one.kind
    if one.option.repeated:
        settings |= {"action": "append", "default": list(default or [])}
        (kind,) = get_args(kind)
    if get_origin(kind) is tuple:
        settings["nargs"], kind = len(get_args(kind)), get_args(kind)[0]
    elif get_origin(kind) in (list, Sequence):
        optional = one.positional and one.default is not inspect.Parameter.empty
        settings["nargs"], (kind,) = "*" if optional else "+", get_args(kind)
    if one.option.read is not None:
        return settings | {"type": one.option.read}
    if get_origin(kind) is Literal:
        return settings | {"choices": get_args(kind), "type": type(get_args(kind)[0])}
    if one.option.choices is not None:
        settings["choices"] = tuple(one.option.choices)
    return settings | {"type": _read_path if kind is Path else kind}


def _read_path(text: str) -> Path:
    if not text:  # which would be the working directory
        raise argparse.ArgumentTypeError("it is empty: give a path")
    return Path(text)


def _make_help(one: Parameter) -> str:
    words = [one.help]
    if one.option.listed is not None:
        words.append(f": {', '.join(one.option.listed())}")
    empty = one.default in ((), inspect.Parameter.empty) or one.default is None or one.default is False
    if not empty and "default" not in one.help:
        several = isinstance(one.default, list | tuple)
        words.append(f" (default: {' '.join(map(str, one.default)) if several else one.default})")
    return "".join(words).strip().replace("%", "%%")


def _describe(function: Callable[..., Any]) -> str:
    """The docstring without its sections."""
    return re.split(r"\n\n(?:Args|Returns|Raises):\n", inspect.getdoc(function) or "")[0]


def _describe_parameters(function: Callable[..., Any]) -> dict[str, str]:
    """The description of each parameter in the docstring, as one line."""
    found: dict[str, str] = {}
    name, inside = "", False
    for line in (inspect.getdoc(function) or "").splitlines():
        if line and not line.startswith(" "):
            inside = line == "Args:"
        elif inside and (entry := ENTRY.match(line)):
            name = entry[1]
            found[name] = entry[2]
        elif inside and name:
            found[name] = f"{found[name]} {line.strip()}".strip()
    return {name: re.sub(r"(?<!\.)\.$", "", text).replace("``", "").replace("`", "'") for name, text in found.items()}


def _as_declared(value: Any, one: Parameter) -> Any:
    kind = {tuple: tuple, list: list, Sequence: list}.get(get_origin(one.kind))
    return value if kind is None or value is None else kind(value)


def _is_data(one: Parameter) -> bool:
    return one.kind in (ChosenData, DataOption)


def _split(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split the words into those of the verb and those of the data, whose options take one value each."""
    words: list[str] = []
    of_data: list[str] = []
    waiting = list(argv)
    while waiting:
        word = waiting.pop(0)
        name, joined, _ = word.partition("=")
        if name != DATA and not name.startswith(f"{DATA}."):
            words.append(word)
            continue
        of_data.append(word)
        if not joined and waiting and not waiting[0].startswith("--"):
            of_data.append(waiting.pop(0))
    return words, of_data


def _choose_data(verb: str, one: Parameter, values: dict[str, Any], words: list[str]) -> ChosenData | DataOption | None:
    """The data of a verb; `None` where it can do without them, and neither they nor a checkpoint are given."""
    checkpoint: Path | None = values.get("checkpoint") or next(iter(values.get("checkpoints") or []), None)
    if one.default is None and checkpoint is None and not words:
        return None

    def choose() -> ChosenData:
        from experiments.command_line.data_option import choose_data

        return choose_data(verb, checkpoint, words)

    return DataOption(bool(words), choose) if one.kind is DataOption else choose()
