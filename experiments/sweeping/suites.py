"""The suites that come with the project, and those of a user."""

from pathlib import Path
from typing import TYPE_CHECKING

from experiments.sweeping.named_files import find_file, list_names

if TYPE_CHECKING:
    from experiments.sweeping.suite import Suite


def list_suites() -> list[str]:
    """Names of the suites that come with the project."""
    return list_names("suite")


def find_suite_path(name: str) -> Path:
    """The YAML of a suite by its name, or by the path itself.

    Raises:
        UserError: there is none.
    """
    return find_file("suite", name)


def find_suite(name: str) -> "Suite":
    """A suite by name or by the path of its YAML.

    Raises:
        UserError: there is none, or it does not parse.
    """
    from experiments.sweeping.suite import Suite  # takes torch, which whoever asks for names alone does without

    return Suite.from_yaml(find_suite_path(name))
