"""The specification of an ablation: a sweep file in the format of Weights & Biases, read without it.

See https://docs.wandb.ai/guides/sweeps/sweep-config-keys.
"""

import itertools
import json
import math
import random
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Literal, NamedTuple

from plain_values import show
from safe_files.yaml_file import read_yaml
from user_error import UserError

METHODS = ("grid", "random")

DISTRIBUTIONS: dict[str, Callable[[random.Random, float, float], float]] = {
    "uniform": lambda rng, low, high: rng.uniform(low, high),
    "int_uniform": lambda rng, low, high: rng.randint(int(low), int(high)),
    "log_uniform_values": lambda rng, low, high: math.exp(rng.uniform(math.log(low), math.log(high))),
}

MOST_TRIALS = 10_000
"""Of one file: a grid grows with each parameter."""

DRAWS_FOR_EACH = 100
"""Attempts, for each trial of a random sweep, to draw one that differs from the others."""

SUITE = "core"
"""The suite of a trial that names none."""

KNOWN = ("name", "description", "program", "command", "method", "metric", "parameters", "run_cap", "project", "entity")


@dataclass(frozen=True)
class Trial:
    """One training and its sweep.

    ``name`` is made of what the file gives ``values`` or a range, and fit to be a folder's; ``arguments`` are those of
    ``trial``, by option.
    """

    name: str
    arguments: dict[str, Any]

    @property
    def words(self) -> list[str]:
        """The arguments as a command line has them: a component before settings of its own."""
        ordered: dict[str, Any] = {}
        for key in self.arguments:
            ordered |= {one: self.arguments[one] for one in self.arguments if key.startswith(f"{one}.")}
            ordered[key] = self.arguments[key]
        return [f"--{key}={as_text(value)}" for key, value in ordered.items()]


@dataclass(frozen=True)
class Factor:
    """An option that differs between trials: over ``levels``, or over a range of numbers.

    Along a range, ``scale`` says whether steps are of one size ("linear") or one ratio ("log").
    """

    option: str
    scale: Literal["levels", "linear", "log"]
    levels: tuple[str, ...] = ()


class Sweep(NamedTuple):
    """The content of a sweep file."""

    name: str
    trials: list[Trial]
    factors: list[Factor]


def read_sweep(path: Path) -> Sweep:
    """Name, trials and factors of a sweep file; trials in order: the grid with its last parameter fastest, or `run_cap` draws.

    Draws are the same at every reading.

    Raises:
        UserError: no such file, or a key, method or distribution that is not supported.
    """
    content = _read_content(path)
    parameters = content["parameters"]
    for key, entry in parameters.items():
        _check_parameter(path, key, entry)
    method = content.get("method")
    if method not in METHODS:
        raise UserError(
            f"{path}: method is {show(method)}: 'ablate' runs {' and '.join(METHODS)}, the others are W&B's own"
        )
    chosen = (
        _list_grid(path, parameters) if method == "grid" else _draw_trials(path, parameters, content.get("run_cap"))
    )
    factors = [_make_factor(key, entry) for key, entry in parameters.items() if "value" not in entry]
    varied = [factor.option for factor in factors]
    trials = [Trial(_name_trial(arguments, varied), arguments) for arguments in chosen]
    names = [trial.name for trial in trials]
    twice = next((name for name, times in Counter(names).items() if times > 1), None)
    if twice is not None:
        raise UserError(f"{path}: two trials are called {twice!r}: remove one, or name their files apart")
    return Sweep(str(content.get("name", path.stem)), trials, factors)


def _make_factor(option: str, entry: Mapping[str, Any]) -> Factor:
    if "values" in entry:
        return Factor(option, "levels", tuple(name_level(value) for value in entry["values"]))
    return Factor(option, "log" if _find_distribution(entry).startswith("log") else "linear")


def _read_content(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise UserError(f"no sweep file {str(path)!r}: pass one of experiments/configs/sweep/")
    content = read_yaml(path, "pass one of experiments/configs/sweep/", text_keys=True)
    if not isinstance(content, dict) or not isinstance(content.get("parameters"), dict) or not content["parameters"]:
        raise UserError(f"{path} has no parameters: a sweep file gives each a value or values")
    unknown = next((key for key in content if key not in KNOWN), None)
    if unknown is not None:
        raise UserError(f"{path}: unknown key {unknown!r}: 'ablate' knows {', '.join(KNOWN)}")
    if not re.fullmatch(r"\w[\w.+=-]*", str(content.get("name", path.stem))):
        raise UserError(f"{path}: the name {content['name']!r} becomes a folder: use letters, digits, '_', '-' and '.'")
    return content


def _check_parameter(path: Path, key: str, entry: Any) -> None:
    """Refuse what `ablate` cannot run."""
    where = f"{path}: parameter {key!r}"
    if not isinstance(entry, dict):
        raise UserError(f"{where} is {show(entry)}: write 'value: ...' or 'values: [...]' below it")
    if "parameters" in entry:
        raise UserError(f"{where} is nested: write its parts as flat dotted keys, such as {key}.init_args.lr")
    if "value" in entry or "values" in entry:
        values = [entry["value"]] if "value" in entry else entry["values"]
        if not isinstance(values, list) or not values:
            raise UserError(f"{where} has no values: list at least one")
        _check_probabilities(where, entry.get("probabilities"), len(values))
        for value in values:
            _check_classes(where, value)
        if None in values:  # an agent of W&B would write the word None
            raise UserError(f"{where} is null: write it as the text 'null', in quotes")
        return
    kind = _find_distribution(entry)
    if kind not in DISTRIBUTIONS or not {"min", "max"} <= set(entry):
        raise UserError(f"{where} needs a value, values, or min and max with one of {', '.join(DISTRIBUTIONS)}")
    for edge in ("min", "max"):
        if not _is_number(entry[edge]):
            raise UserError(
                f"{where} has the {edge} {show(entry[edge])}, no number: YAML reads 1.0e-4 as one, and 1e-4 as a text"
            )
    if not entry["min"] <= entry["max"] or (kind == "log_uniform_values" and entry["min"] <= 0):
        raise UserError(f"{where} is drawn between {entry['min']} and {entry['max']}: give a range that holds a number")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _check_probabilities(where: str, given: Any, values: int) -> None:
    """Refuse what values cannot be drawn with."""
    if given is None:
        return
    if not isinstance(given, list) or not all(_is_number(one) and one >= 0 for one in given) or not sum(given) > 0:
        raise UserError(f"{where} has the probabilities {show(given)}: list a number from 0 to 1 for each value")
    if len(given) != values:
        raise UserError(f"{where} has {len(given)} probabilities for {values} values: give one for each")


def _check_classes(where: str, value: Any) -> None:
    """Refuse classes that are not written out as a parser takes them."""
    for one in value if isinstance(value, list) else ():
        if not isinstance(one, dict) or "class_path" not in one:
            continue
        if not isinstance(one["class_path"], str) or not isinstance(one.get("init_args"), dict | None):
            raise UserError(f"{where} has the class {show(one)}: write its class_path, and its init_args as a mapping")


def _find_distribution(entry: Mapping[str, Any]) -> str:
    """The distribution of a parameter; where none is named, it follows from the type of the range, as in W&B."""
    integral = all(isinstance(entry.get(edge), int) for edge in ("min", "max"))
    return str(entry.get("distribution", "int_uniform" if integral else "uniform"))


def _list_grid(path: Path, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    choices = []
    for key, entry in parameters.items():
        if "value" not in entry and "values" not in entry:
            raise UserError(f"a grid needs values of {key!r}, not a range: list them, or set method to random")
        choices.append([entry["value"]] if "value" in entry else entry["values"])
    number = math.prod(map(len, choices))
    if number > MOST_TRIALS:
        raise UserError(
            f"{path} is a grid of {number} trials: give fewer values, or set method to random and a run_cap"
        )
    return [dict(zip(parameters, values, strict=True)) for values in itertools.product(*choices)]


def _draw_trials(path: Path, parameters: Mapping[str, Any], number: Any) -> list[dict[str, Any]]:
    if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= MOST_TRIALS:
        raise UserError(
            f"{path}: a random sweep has no end of its own: set run_cap to the number of trials, at most {MOST_TRIALS}"
        )
    rng = random.Random(0)
    found: dict[str, dict[str, Any]] = {}
    for _ in range(DRAWS_FOR_EACH * number):
        drawn = {key: _draw(rng, entry) for key, entry in parameters.items()}
        found.setdefault(json.dumps(drawn), drawn)  # W&B would train it twice
        if len(found) == number:
            return list(found.values())
    raise UserError(f"{path} has no {number} different trials, but {len(found)}: lower run_cap, or set method to grid")


def _draw(rng: random.Random, entry: Mapping[str, Any]) -> Any:
    if "value" in entry:
        return entry["value"]
    if "values" in entry:
        return rng.choices(entry["values"], entry.get("probabilities"))[0]
    return DISTRIBUTIONS[_find_distribution(entry)](rng, entry["min"], entry["max"])


def _name_trial(arguments: Mapping[str, Any], varied: list[str]) -> str:
    words = [_shorten(key, arguments[key]) for key in varied]
    return "-".join(words) or "trial"


def _shorten(key: str, value: Any) -> str:
    """A component's file by its stem, any other value beside the last part of its option."""
    if _is_component(value) or (isinstance(value, list) and value and all(map(_is_component, value))):
        return re.sub(r"[^\w.+-]", "_", name_level(value))
    return re.sub(r"[^\w.+=-]", "_", f"{key.rsplit('.', 1)[-1]}={name_level(value)}")


def _is_component(value: Any) -> bool:
    return isinstance(value, str) and value.endswith((".yaml", ".yml"))


def name_level(value: Any) -> str:
    """A readable name of a value: components' files by their stems, classes by their names, any other as it is written."""
    if _is_component(value):
        return PurePath(value).stem
    if isinstance(value, list) and all(_is_component(one) or _is_written_out(one) for one in value):
        return "+".join(_name_class(one) if _is_written_out(one) else name_level(one) for one in value) or "none"
    return as_text(value)


def _is_written_out(value: Any) -> bool:
    return isinstance(value, dict) and "class_path" in value


def _name_class(written: Mapping[str, Any]) -> str:
    """A class that a sweep writes out, by its name and the values of its settings."""
    settings = written.get("init_args") or {}
    return " ".join([written["class_path"].rsplit(".", 1)[-1], *map(as_text, settings.values())])


def as_text(value: Any) -> str:
    """A value as text of a command line."""
    return value if isinstance(value, str) else json.dumps(value)
