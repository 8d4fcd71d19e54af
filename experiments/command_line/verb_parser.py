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

from experiments.command_line.chosen_data import ChosenData
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
    """What a parser has to know of a parameter beyond its type; it stands in its `Annotated`.

    Args:
        metavar: what stands for its value in the help.
        choices: its values.
        listed: gives words that end its help.
        read: turns its word into its value.
        repeated: the option is given once for each entry of the list.
        name: of the option, where it is not that of the parameter.
        formerly: what an earlier version called it.
    """

    metavar: str | tuple[str, ...] | None = None
    choices: Iterable[str] | None = None
    listed: Callable[[], Iterable[str]] | None = None
    read: Callable[[str], Any] | None = None
    repeated: bool = False
    name: str | None = None
    formerly: str | None = None


class CommandLine(list[str]):
    """All words of the command line: a parameter of this type gets them, and is no option."""


class SentenceParser(argparse.ArgumentParser):
    """A parser that says in one sentence what is wrong, and leaves its exit to the caller."""

    def error(self, message: str) -> NoReturn:
        """What `argparse` calls.

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
        """How it is written on the command line."""
        return self.option.name or f"--{self.name.strip('_').replace('_', '-')}"


def list_examples(verb: str, examples: str) -> str:
    """Options and arguments of a verb, one example to a line, as the commands that they make.

    A line that begins with spaces goes on the one above; what follows an empty line is no example and stays as it is.
    """
    lines, blank, notes = examples.strip().partition("\n\n")
    shown = [
        f"  {line}" if line.startswith(" ") else f"  python -m experiments {verb} {line}" for line in lines.splitlines()
    ]
    return "\n".join(shown) + blank + notes


def call_verb(verb: str, function: Callable[..., Any], examples: str, argv: Sequence[str]) -> Any:
    """Parse the words of a command line and call the function with them.

    Parameters before ``/`` are arguments, those behind ``*`` are options; ``*words`` takes what the verb hands on to
    another. Help is the function's docstring. Names are not abbreviated.

    Args:
        verb: its name.
        function: that does its work.
        examples: see `list_examples`.
        argv: the words.

    Raises:
        UserError: they do not fit the function.
    """
    values = parse(verb, function, examples, argv)
    first = [values.pop(one.name) for one in _signature(function) if one.kind is one.POSITIONAL_ONLY]
    further = values.pop(_further(function), [])
    return function(*first, *further, **values)


def parse(verb: str, function: Callable[..., Any], examples: str, argv: Sequence[str]) -> dict[str, Any]:
    """The words as values of the function's parameters, by their names; see `call_verb`."""
    parameters = list(_parameters(function))
    for one in parameters:
        if one.option.formerly and any(word.partition("=")[0] == one.option.formerly for word in argv):
            raise UserError(f"{one.option.formerly} is now called {one.flag}: write that")
    data = next((one for one in parameters if _takes_data(one)), None)
    words, of_data = _split(argv) if data else (list(argv), [])
    parser, further = make_parser(verb, function, examples), _further(function)
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
    for one in _parameters(function):
        if _takes_data(one):
            parser.add_argument(DATA, metavar="DATA", dest=one.name, help=DATA_HELP)  # its words never come here
        elif one.positional:
            parser.add_argument(one.name, **_settings(one))
        else:
            required = one.default is inspect.Parameter.empty
            parser.add_argument(one.flag, dest=one.name, required=required, **_settings(one))
    return parser


def _signature(function: Callable[..., Any]) -> list[inspect.Parameter]:
    return list(inspect.signature(function).parameters.values())


def _further(function: Callable[..., Any]) -> str:
    """The parameter for words that go on to another verb; empty where there is none."""
    return next((one.name for one in _signature(function) if one.kind is one.VAR_POSITIONAL), "")


def _parameters(function: Callable[..., Any]) -> Iterable[Parameter]:
    hints, said = get_type_hints(function, include_extras=True), _describe_parameters(function)
    for one in _signature(function):
        kind, option = hints[one.name], Option()
        if one.kind is one.VAR_POSITIONAL or kind is CommandLine:
            continue
        if get_origin(kind) is Annotated:
            kind, option = get_args(kind)
        if get_origin(kind) in (Union, UnionType) and NoneType in get_args(kind):
            (kind,) = (part for part in get_args(kind) if part is not NoneType)
        yield Parameter(one.name, kind, one.default, option, one.kind is one.POSITIONAL_ONLY, said.get(one.name, ""))


def _settings(one: Parameter) -> dict[str, Any]:
    """What ``add_argument`` is told of a parameter."""
    default = None if one.default is inspect.Parameter.empty else one.default
    settings: dict[str, Any] = {"help": _help(one), "default": default}
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
    return settings | {"type": kind}


def _help(one: Parameter) -> str:
    words = [one.help]
    if one.option.listed is not None:
        words.append(f": {', '.join(one.option.listed())}")
    empty = one.default in ((), inspect.Parameter.empty) or one.default is None or one.default is False
    if not empty and "default" not in one.help:
        several = isinstance(one.default, list | tuple)
        words.append(f" (default: {' '.join(map(str, one.default)) if several else one.default})")
    return "".join(words).strip().replace("%", "%%")


def _describe(function: Callable[..., Any]) -> str:
    """The docstring above its sections."""
    return re.split(r"\n\n(?:Args|Returns|Raises):\n", inspect.getdoc(function) or "")[0]


def _describe_parameters(function: Callable[..., Any]) -> dict[str, str]:
    """What the docstring says of each parameter, as one line."""
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


def _takes_data(one: Parameter) -> bool:
    return one.kind is ChosenData


def _split(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words of the verb, and those of the data: each option of these takes one value."""
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


def _choose_data(verb: str, one: Parameter, values: dict[str, Any], words: list[str]) -> ChosenData | None:
    """The data of a verb; `None` where it takes them for a checkpoint alone, and none is given."""
    checkpoint: Path | None = values.get("checkpoint") or next(iter(values.get("checkpoints") or []), None)
    if one.default is None and checkpoint is None:
        if words:
            raise UserError(f"{words[0]} is for --checkpoint: pass one, or leave it out")
        return None
    from experiments.command_line.data_option import choose_data

    return choose_data(verb, checkpoint, words)
