"""The suites that come with the project, and those of a user."""

from pathlib import Path
from typing import TYPE_CHECKING

from user_error import UserError

if TYPE_CHECKING:
    from experiments.sweeping.suite import Suite

SUITES = Path(__file__).parent.parent / "configs" / "suite"


def list_suites() -> list[str]:
    """Names of the suites that come with the project."""
    return sorted(path.stem for path in SUITES.glob("*.yaml"))


def find_suite_path(name: str) -> Path:
    """The YAML of a suite by its name, or by the path itself.

    Raises:
        UserError: there is none.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else SUITES / f"{name}.yaml"
    if not path.is_file():
        raise UserError(f"no suite {name!r}: pass one of {', '.join(list_suites())}, or the path of a YAML file")
    return path


def find_suite(name: str) -> "Suite":
    """A suite by name or by the path of its YAML.

    Raises:
        UserError: there is none, or it does not parse.
    """
    from experiments.sweeping.suite import Suite  # takes torch, which whoever asks for names alone does without

    return Suite.from_yaml(find_suite_path(name))
