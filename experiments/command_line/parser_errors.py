"""A parser's report in one sentence: which key, what was met, what to do."""

import re
from typing import Any

UNKNOWN_OPTION = re.compile(r"class_path '([^']+)':\s*(?:\n\s*)?Option '([^']+)' is not accepted")
UNKNOWN_CLASS = re.compile(r"class_path '([^']+)':\s*(No module named '[^']+'|module '[^']+' has no attribute '[^']+')")
UNKNOWN_KEY = re.compile(r"(?:Key|Group key|Option) '([^']+)' is not (?:expected|accepted)")
UNRECOGNISED = re.compile(r"[Uu]nrecognized arguments: (\S+)")
NO_SUBCLASS = re.compile(r"Import path (?:\S+ )?does not correspond to a subclass of (\w+)")
IMPORT_PATH = re.compile(r"(?!.*\.yaml$)[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")
MISSING_FILE = re.compile(r"(?:File does not exist|not accessible): '?([^'\n]+)'?")
MISSING_COMPONENT = re.compile(r"Expected a path but (\S+) either not accessible")
WRONG_VALUE = re.compile(r"Given value: (.+?)\s*$")
EXPECTED = re.compile(r"Expected (?:a |one of )?(<class '(\w+)'>|\[.*?\]|[^\n]+)")


def describe_parser_error(error: Exception) -> str:
    """The sentence for what `error`, of jsonargparse, reports over many lines."""
    text = str(error)
    key = ".".join(dict.fromkeys(re.findall(r'Parser key "([^"]+)"', text)))
    where = f"{key}: " if key else ""
    if found := UNKNOWN_OPTION.search(text):
        name, option = found.groups()
        return f"{where}{name} has no setting {option!r}: check its spelling (--{key.split('.')[0]}.help {name} lists them)"
    if found := UNKNOWN_CLASS.search(text):
        name, reason = found.groups()
        return (
            f"{where}there is no class {name!r} ({reason}): check its spelling, or name a YAML of experiments/configs"
        )
    if found := UNRECOGNISED.search(text) or UNKNOWN_KEY.search(text):
        return f"there is no setting {found.group(1)!r}: check its spelling (--help lists them)"
    met = MISSING_COMPONENT.search(text)
    if met and IMPORT_PATH.fullmatch(met[1]) and (found := NO_SUBCLASS.search(text)):
        return f"{where}{met[1]} is no {found[1]}: derive it from the project's class {found[1]}"
    if found := MISSING_FILE.search(text) or met:
        return f"{where}there is no file {found.group(1)!r}: check the path"
    if found := WRONG_VALUE.search(text):
        kinds = [kind[1] or kind[0] for kind in EXPECTED.findall(text)]
        wanted = " or ".join(dict.fromkeys("null" if kind == "NoneType" else kind for kind in kinds))
        return f"{where}{found.group(1)!r} does not fit{f' (wanted: {wanted})' if wanted else ''}: correct the value"
    return re.sub(r"\s+", " ", text).strip()


def make_parser_settings() -> dict[str, Any]:
    """What every parser of ours is made with: no guessing at abbreviated names, and errors that can be put in words."""
    return {"exit_on_error": False, "allow_abbrev": False}
