"""Errors of the parser in one sentence: the setting, the value that was given, and the remedy."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from experiments.evaluation.earlier_settings import REPLACED, find_current_name
from user_error import shorten_report

PROBLEM = re.compile(r"^( *)- Problem with given class_path '([^']+)'")
KEY = re.compile(r'Parser key "([^"]+)"')
INNER_CLASS = re.compile(r"Got value: Namespace\(class_path='([^']+)'")
VALUE = re.compile(
    r"(?:Given|Got) value: (?:NestedArg\(key='[^']*', val=(.+?)\)|(.+?))(?=\. Got value|\s*$)", re.MULTILINE
)
REQUIRED = re.compile(r"following arguments are required: ([^\n.]+)")
REFUSED_OPTION = re.compile(r"(?:Option|Key|Group key) '([^']+)' is not (?:accepted|expected)")
UNRECOGNISED = re.compile(r"[Uu]nrecognized arguments: (\S+)")
NO_VALUE = re.compile(r"argument (?:.*/)?(\S+): expected (?:one|at least one|(\d+)) arguments?")
OF_SUBCOMMAND = re.compile(r"Subcommand '\w+' does not accept option '([^']+)'")
WRONG_NUMBER = re.compile(r"argument (?:.*/)?(\S+): invalid (\w+) value: (.+)")
WRONG_CHOICE = re.compile(r"argument (?:.*/)?(\S+): invalid choice: (\S+) \(choose from ([^\n]+)\)")
NOT_A_FILE = re.compile(r"Path is not a file: '([^'\n]+)'")
UNLOADABLE = re.compile(r"Unable to load config ['\"]([^'\"\n]+)['\"]")
CONTENT = re.compile(r"Given value: \{'class_path': '([^']+)'")
NO_NAME = re.compile(r"No module named '[^']+'|module '[^']+' has no attribute '[^']+'")
NO_SUBCLASS = re.compile(r"Import path (?:\S+ )?does not correspond to a subclass of (\w+)")
NO_SUBCLASS_OF = re.compile(r"Expected '([^']+)' to be a subclass of <class '(?:[\w.]*\.)?(\w+)'>")
NO_PROTOCOL = re.compile(r"Import path (\S+) does not implement protocol (\w+)")
BASE = re.compile(r"Expected an instantiatable class, but (?:[\w.]*\.)?(\w+) is abstract")
IMPORT_PATH = re.compile(r"(?!.*\.yaml$)[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")
IMPORT_WORD = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")
MISSING_FILE = re.compile(r"(?:File does not exist|not accessible): '?([^'\n]+)'?")
NO_PATH = re.compile(r"Expected a path but (\S+) either not accessible")
EXPECTED = re.compile(r"Expected (?:a |one of )?(<class '([\w.]+)'>|\[.*?\]|[^\n]+?)(?=\. Got value|$)", re.MULTILINE)
YAML = (".yaml", ".yml")
FAMILIES = Path(__file__).parent.parent / "configs"
"""Each of its folders holds the YAMLs of one kind of component."""
PLAIN = ("bool", "int", "float", "list", "tuple", "dict", "null")
NAMES = {
    "NoneType": "null",
    "tuple with 2 elements": "a list of 2 values",
    "tuple": "a list in brackets",
    "list": "a list in brackets",
    "Iterable": "a list in brackets",
    "dict": "a mapping",
    "str": "text",
}
"""Names of types in the parser's messages, and what users call them."""
LONGEST = 160
"""Most characters of a value that a message repeats."""


class Report(NamedTuple):
    """The part of a parser's report that is about the wrong setting, without the alternatives around it."""

    setting: str
    component: str | None
    text: str
    """Text of the innermost alternative."""
    full_text: str

    @property
    def prefix(self) -> str:
        """The setting as the beginning of a sentence."""
        return f"{self.setting}: " if self.setting else ""


def _find_innermost(text: str) -> tuple[str | None, str]:
    """The class that a report is about, and the lines about it: the first alternative, and the first within that."""
    lines, component, depth = text.splitlines(), None, -1
    start, end = 0, len(lines)
    for number, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        if component is not None and line.strip() and indent <= depth:
            end = number
            break
        if (found := PROBLEM.match(line)) and len(found[1]) > depth:
            component, depth, start = found[2], len(found[1]), number + 1
    inner = "\n".join(lines[start:end])
    if found := INNER_CLASS.search(inner):  # a component behind a `Callable` is named at the end of the line
        component = found[1]
    return component, inner


def _format_setting(keys: list[str]) -> str:
    """The setting as it is written on the command line: ``model``, ``loss`` is ``--model.init_args.loss``."""
    keys = list(dict.fromkeys(keys))
    if not keys:
        return ""
    joint = "." if keys[0].startswith("trainer.") else ".init_args."
    return f"--{joint.join(keys)}"


def _parse_report(text: str) -> Report:
    component, inner = _find_innermost(text)
    return Report(_format_setting(KEY.findall(text[: text.find(inner) + len(inner)])), component, inner, text)


def _find_value(text: str) -> str | None:
    """The value that was given, as a message repeats it."""
    found = VALUE.search(text)
    if not found:
        return None
    value = (found[1] or found[2]).strip()
    if value == "None":
        return "null"
    if value.startswith(("Namespace(", "[Namespace(")):
        return None
    value = value if value[:1] in "'\"" else repr(value)
    return value if len(value) <= LONGEST else f"{value[:LONGEST]}..."


def _describe_expected(text: str) -> str:
    kinds = [kind[1].rsplit(".", 1)[-1] or kind[0] for kind in EXPECTED.findall(text) if not kind[0].startswith("path")]
    kinds = [
        kind for kind in kinds if kind != "Tensor" and "dot import path" not in kind and "dict" not in kind.split()
    ]
    kinds = [re.sub(r"typing\.Literal\[(.*)\]", r"one of \1", NAMES.get(kind, kind)) for kind in kinds]
    return " or ".join(dict.fromkeys(kinds))


def _describe_required(report: Report) -> str | None:
    found = REQUIRED.search(report.text)
    if not found:
        return None
    names = found[1].split(", ")
    if report.component is None:
        are, them = ("is", "it") if len(names) == 1 else ("are", "them")
        return f"{report.prefix}{' and '.join(names)} {are} missing: pass {them} (--help shows examples)"
    joint = "." if report.setting.startswith("--trainer.") else ".init_args."
    options = " and ".join(f"{report.setting}{joint}{name}" for name in names)
    return f"{report.prefix}{report.component} needs {' and '.join(map(repr, names))}: pass {options}"


def _find_family(report: Report) -> str:
    """The folder of the setting's components, if there is one; lists have the plural of its name."""
    name = report.setting.rsplit(".", 1)[-1].removeprefix("--")
    return name.removesuffix("s") if (FAMILIES / name.removesuffix("s")).is_dir() else name


def _describe_family(report: Report) -> str | None:
    """The message for a YAML of another family than the setting's."""
    found = re.search(r"Given value: (?:NestedArg\(key='[^']*', val=')?([^'\n]+\.yaml)", report.full_text)
    family = _find_family(report)
    if not found or not (FAMILIES / family).is_dir():
        return None
    other = Path(found[1]).resolve().parent
    if other.parent != FAMILIES.resolve() or other.name == family:
        return None
    return f"{report.prefix}{found[1]!r} is of the family {other.name!r}: pass a YAML of experiments/configs/{family}/"


def _describe_option(report: Report) -> str | None:
    if found := REFUSED_OPTION.search(report.text):
        if report.component is None:
            return f"there is no setting {found[1]!r}: check its spelling (--help lists them)"
        group = report.setting.removeprefix("--").split(".")[0]
        return (
            f"{report.prefix}{report.component} has no setting {found[1]!r}: check its spelling "
            f"(--{group}.help {report.component} lists them)"
        )
    if found := OF_SUBCOMMAND.search(report.text):
        return f"there is no setting {found[1]!r}: check its spelling, and that each --config is a recipe"
    if found := UNRECOGNISED.search(report.text):
        return f"there is no setting {found[1]!r}: check its spelling (--help lists them)"
    if found := NO_VALUE.search(report.text):
        if found[2]:
            apart = "one after the other, with spaces between and neither brackets nor commas"
            return f"{found[1]} takes {found[2]} values: write them {apart}"
        return f"{found[1]} has no value: write it after the option, {found[1]} VALUE"
    if found := WRONG_NUMBER.search(report.text):
        return f"{found[1]}: {found[3]} does not fit (wanted: {found[2]}): correct the value"
    if found := WRONG_CHOICE.search(report.text):
        return f"{found[1]}: {found[2]} is none of its values: choose from {found[3]}"
    return None


def _describe_class(report: Report) -> str | None:
    moved = next((one for one in IMPORT_WORD.findall(report.text) if find_current_name(one) != one), None)
    if moved is not None:
        return f"{report.prefix}{moved} is now called {find_current_name(moved)}: write that"
    path_match, instead = NO_PATH.search(report.text), _suggest_yaml(report)
    name = path_match[1] if path_match else report.component
    if found := BASE.search(report.text):  # a setting of a member came before the member, or the base was named itself
        return f"{report.prefix}{found[1]} is abstract, the base of others: {instead} first"
    if found := NO_SUBCLASS_OF.search(report.text) or NO_PROTOCOL.search(report.text):
        name, base = found.groups()
        return f"{report.prefix}{name} is no {base}: pass one that is, or {instead}"
    if name and IMPORT_PATH.fullmatch(name):
        if found := NO_SUBCLASS.search(report.text):
            return (
                f"{report.prefix}{name} is no {found[1]}: derive it from the project's class {found[1]}, or {instead}"
            )
        if name in REPLACED:
            return f"{report.prefix}{name} is of an earlier version: leave it out, and pass {REPLACED[name]}"
        if found := NO_NAME.search(report.text):
            return f"{report.prefix}there is no class {name!r} ({found[0]}): check its spelling, or {instead}"
    return None


def _suggest_yaml(report: Report) -> str:
    """The advice to name a YAML instead of a class."""
    family = _find_family(report)
    return f"name a YAML of experiments/configs{f'/{family}/' if (FAMILIES / family).is_dir() else ''}"


def _describe_file(report: Report) -> str | None:
    path_match = NO_PATH.search(report.text)
    if path_match and any(kind in PLAIN for _, kind in EXPECTED.findall(report.text)):
        return None  # such a value may be given as a path or otherwise
    if path_match and IMPORT_PATH.fullmatch(path_match[1]):
        return f"{report.prefix}{path_match[1]} cannot be built here: {_suggest_yaml(report)}"
    found = (
        NOT_A_FILE.search(report.text)
        or UNLOADABLE.search(report.text)
        or MISSING_FILE.search(report.full_text)
        or path_match
    )
    if not found:
        return None
    if Path(found[1]).is_dir():
        return f"{report.prefix}{found[1]!r} is a folder: name a file in it"
    family = _find_family(report)
    if (FAMILIES / family / f"{found[1]}.yaml").is_file():
        return f"{report.prefix}there is no file {found[1]!r}: write experiments/configs/{family}/{found[1]}.yaml"
    return f"{report.prefix}there is no file {found[1]!r}: check the path"


def _describe_value(report: Report) -> str | None:
    if found := CONTENT.search(report.full_text):
        return f"{report.prefix}{found[1]} does not fit: {_suggest_yaml(report)}"
    value = _find_value(report.text) or (None if EXPECTED.search(report.text) else _find_value(report.full_text))
    wanted = _describe_expected(report.text)
    if value is not None and value.strip("'\"").endswith(YAML) and not Path(value.strip("'\"")).exists():
        return f"{report.prefix}there is no file {value}: check the path"  # it was taken for a class in a module
    if value is None or not (wanted or report.setting):
        return None
    return f"{report.prefix}{value} does not fit{f' (wanted: {wanted})' if wanted else ''}: correct the value"


RULES: tuple[Callable[[Report], str | None], ...] = (
    _describe_required,
    _describe_family,
    _describe_option,
    _describe_class,
    _describe_file,
    _describe_value,
)


def describe_parser_error(error: Exception) -> str:
    """Describe an error of jsonargparse, which reports over many lines, in one sentence."""
    report = _parse_report(shorten_report(error))
    for rule in RULES:
        if found := rule(report):
            return found
    return re.sub(r"\s+", " ", report.full_text).strip()


def make_parser_settings() -> dict[str, Any]:
    """Settings of every parser of the project: no abbreviated names, and errors that are raised."""
    return {"exit_on_error": False, "allow_abbrev": False}
