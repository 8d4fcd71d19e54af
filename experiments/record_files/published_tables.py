"""Published tables on disk: a CSV, and beside it a YAML that describes it."""

from functools import cache
from pathlib import Path

from pydantic import ValidationError

from experiments.evaluation.published import Description, Table
from experiments.evaluation.published_layouts import make_table
from safe_files.csv_file import read_csv
from safe_files.yaml_file import read_mapping
from user_error import UserError

FOLDER = Path(__file__).parent.parent / "published"

PAGE = "see docs/published.md for their form"


def list_tables() -> list[str]:
    """Names of the tables that come with the project."""
    return sorted(path.stem for path in FOLDER.glob("*.csv"))


@cache
def read_table(name: str) -> Table:
    """A table that comes with the project, by its name, or any other by the path of its CSV.

    Raises:
        UserError: there is none, or its files are malformed.
    """
    if name in list_tables():
        return _read(name, FOLDER / f"{name}.csv", "restore its CSV and YAML")
    path = Path(name)
    if path.suffix.lower() != ".csv":
        raise UserError(
            f"no published table {name!r}: pass the path of a CSV with its YAML beside it, or one of "
            f"{', '.join(list_tables())}"
        )
    for needed in (path, path.with_suffix(".yaml")):
        if not needed.is_file():
            raise UserError(f"the published table {name!r} needs the file {str(needed)!r}, which is not there: {PAGE}")
    return _read(name, path, f"correct its CSV or YAML, {PAGE}")


def _read(name: str, path: Path, remedy: str) -> Table:
    try:
        described = Description(**read_mapping(path.with_suffix(".yaml"), remedy))
        columns, rows = read_csv(path, remedy)
        return make_table(name, described, columns, rows)
    except KeyError as error:
        raise UserError(f"the published table {name!r} has no column {error}: {remedy}") from error
    except (OSError, ValueError, TypeError, ValidationError) as error:
        problem = " ".join(str(error).split())[:300]
        raise UserError(f"the published table {name!r} is malformed ({problem}): {remedy}") from error
