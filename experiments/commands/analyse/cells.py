"""Write records as one table, for an analysis of one's own."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from experiments.command_line.verb_parser import Option, call_verb
from experiments.files.atomic_write import atomic_write, require_writable
from experiments.files.replaceable import require_text
from experiments.files.tables import as_csv
from experiments.record_files.cells import Columns, find_type, list_rows, make_cell_columns, make_image_columns
from experiments.record_files.record_file import read_record, read_swept, remove_duplicates
from user_error import UserError

EXAMPLES = """
runs/*/record-core.json --output cells.csv
experiments/results/camvid/imagenet_c/*.json --images --format parquet --output images.parquet

In Python, without a file in between:
  from experiments.record_files.cells import read_cells, read_images
  table = read_cells("runs/unet/record-core.json")
"""

MARK = b"PAR1"
"""With which a Parquet file begins."""


def write_cells(
    records: Annotated[list[Path], Option(metavar="RECORD")],
    /,
    *,
    images: bool = False,
    format: Annotated[str, Option(choices=("csv", "parquet"))] = "csv",
    output: Path | None = None,
) -> None:
    """Write records as one table, a row for each condition.

    Every score that is known is a column, those of classes one for each. With --images, a row for each image under each
    condition, with the pixels, IoU and Dice of each class. Every number is recomputed.

    Args:
        records: JSON files that 'benchmark' wrote.
        images: rows are images under conditions; the counts of images must lie beside the records.
        format: of the table.
        output: file to write; a table of CSV is printed where none is given.
    """
    _require_output(output, format)
    paths = remove_duplicates(records)
    if images:
        tables = [make_image_columns(*read_swept(path), path) for path in paths]
    else:
        tables = [make_cell_columns(read_record(path), path) for path in paths]
    if output is not None and format == "parquet":
        _write_parquet(tables, output)
    elif output is not None:
        with atomic_write(output) as file:
            file.write(as_csv(list_rows(tables)))
    else:
        print(as_csv(list_rows(tables)), end="")
    if output is not None:
        print(f"cells: {output}")


def _require_output(output: Path | None, format: str) -> None:
    """Refuse a file that another kind of table would be expected in, or that something else is in.

    Raises:
        UserError: the name does not fit the format, or the file is there and is no such table.
    """
    if format == "csv":
        if output is not None and output.suffix.lower() == ".parquet":
            raise UserError(f"{str(output)!r} is named as Parquet: pass --format parquet, or name it *.csv")
        if output is not None:
            require_text(output)
            require_writable(output)
        return
    if output is None or output.suffix.lower() != ".parquet":
        raise UserError("--format parquet needs a file: pass --output with a name that ends in .parquet")
    if output.is_file() and output.read_bytes()[: len(MARK)] != MARK:
        raise UserError(
            f"{str(output)!r} is there and is no Parquet file: name another file, since that is never overwritten"
        )
    require_writable(output)


def _write_parquet(tables: Sequence[Columns], output: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    kinds = {"str": pa.string(), "float64": pa.float64(), None: None}
    parts = [
        pa.table({name: pa.array(values, kinds[find_type(name, values)]) for name, values in columns.items()})
        for columns in tables
    ]
    table = pa.concat_tables(parts, promote_options="permissive")
    with atomic_write(output, "wb") as file:
        parquet.write_table(table, file)


def main(argv: list[str]) -> None:
    """The verb."""
    call_verb("cells", write_cells, EXAMPLES, argv)
