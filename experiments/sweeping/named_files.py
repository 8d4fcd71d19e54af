"""YAML files that come with the project, by their names, and those of a user, by their paths."""

from pathlib import Path

from user_error import UserError

CONFIGS = Path(__file__).parent.parent / "configs"


def list_names(kind: str) -> list[str]:
    """Names of the files of a kind that come with the project."""
    return sorted(path.stem for path in (CONFIGS / kind).glob("*.yaml"))


def find_file(kind: str, name: str) -> Path:
    """The file of a kind by its name, or by the path itself.

    Raises:
        UserError: there is none.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else CONFIGS / kind / f"{name}.yaml"
    if not path.is_file():
        raise UserError(f"no {kind} {name!r}: pass one of {', '.join(list_names(kind))}, or the path of a YAML file")
    return path
