"""Published tables on disk: a CSV, and beside it a YAML that describes it."""

from functools import cache
from pathlib import Path

from pydantic import ValidationError

from experiments.evaluation.published import Description, Table, make_table
from safe_files.csv_file import read_csv
from safe_files.yaml_file import read_mapping
from user_error import UserError

FOLDER = Path(__file__).parent.parent / "published"


def list_tables() -> list[str]:
    """Names of the tables that come with the project."""
    return sorted(path.stem for path in FOLDER.glob("*.csv"))


@cache
def read_table(name: str) -> Table:
    """A table by its name.

    Raises:
        UserError: there is none, or its files are malformed.
    """
    if name not in list_tables():
        raise UserError(f"no published table {name!r}: pass one of {', '.join(list_tables())}")
    try:
        described = Description(**read_mapping(FOLDER / f"{name}.yaml", "restore it"))
        columns, rows = read_csv(FOLDER / f"{name}.csv", "restore it")
        return make_table(name, described, columns, rows)
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
        problem = " ".join(str(error).split())[:300]
        raise UserError(f"the published table {name!r} is malformed ({problem}): restore its CSV and YAML") from error
