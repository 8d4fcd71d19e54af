"""The counters of a sweep: the usual ones, and those that a user adds by name or YAML."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.sweeping.named_files import find_file, list_names

if TYPE_CHECKING:
    from lightning_modules.metrics.counters.base import Counter


def list_counters() -> list[str]:
    """Names of the counters that come with the project."""
    return list_names("counter")


def find_counter_path(name: str) -> Path:
    """The YAML of a counter by its name, or by the path itself.

    Raises:
        UserError: there is none.
    """
    return find_file("counter", name)


def find_counters(further: Sequence[str] = ()) -> list["Counter"]:
    """The usual counters, and further ones; one that is among the usual ones is not taken twice.

    Args:
        further: names, or paths of YAML files.

    Raises:
        UserError: there is no such counter, or its YAML does not parse.
    """
    from lightning_modules.metrics.sweep import make_default_counters  # takes torch, which names alone do without

    found = make_default_counters()
    for one in map(_read_counter, map(find_counter_path, further)):
        if not any(type(one) is type(other) for other in found):
            found.append(one)
    return found


def _read_counter(path: Path) -> "Counter":
    from experiments.command_line.component import build_component
    from lightning_modules.metrics.counters.base import Counter

    counter: Counter = build_component(Counter, path, "counter")
    return counter
