"""The counters of a sweep: the usual ones, and those that a user adds by name or YAML."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.sweeping.named_files import find_file, list_names
from user_error import UserError

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
    import safe_files.parser_loader  # noqa: F401  # isort: skip  (first: see there)
    from jsonargparse import ArgumentParser

    from experiments.command_line.parser_errors import describe_parser_error
    from lightning_modules.metrics.counters.base import Counter

    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(Counter, "counter", required=True)
    try:
        counter: Counter = parser.instantiate_classes(parser.parse_args([f"--counter={path}"])).counter
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except Exception as error:  # the parser lets through whatever YAML, an import or a constructor raises
        raise UserError(f"{path} is no counter: {describe_parser_error(error).removeprefix('--')}") from error
    return counter
