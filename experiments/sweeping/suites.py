"""The suites that come with the project, and those of a user."""

from pathlib import Path

from datamodules.corruptions.suite import Suite
from user_error import UserError

SUITES = Path(__file__).parent.parent / "configs" / "suite"


def suite_names() -> list[str]:
    """Names of the suites that come with the project."""
    return sorted(path.stem for path in SUITES.glob("*.yaml"))


def find_suite(name: str) -> Suite:
    """A suite by name or by the path of its YAML.

    Raises:
        UserError: there is none, or it does not parse.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else SUITES / f"{name}.yaml"
    if not path.is_file():
        raise UserError(f"no suite {name!r}: pass one of {', '.join(suite_names())}, or the path of a YAML file")
    return Suite.from_yaml(path)
