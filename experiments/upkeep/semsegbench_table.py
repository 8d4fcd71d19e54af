"""Make the published table ``semsegbench_2025`` of the file that the authors of SemSegBench released.

Their file (``semantic_segmentation/semsegbench/Config-Paths.csv`` in their repository) has a column for each network and
rows of three metrics; the table has a row for each network and its mIoU.

    python -m experiments.upkeep.semsegbench_table Config-Paths.csv experiments/published/semsegbench_2025.csv
"""

import csv
import io
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from experiments.files.atomic_write import atomic_write
from safe_files.text import read_text

REMEDY = "pass the authors' file"

ATTACKS = [f"{attack}_{norm}" for norm in ("linf", "l2") for attack in ("cospgd", "segpgd", "pgd")]
REAL = ["acdc", *(f"acdc_{condition}" for condition in ("fog", "snow", "rain", "night"))]
SUMMARY = {"mean": "2d_mean", "gam": "2d_gam", "rem_linf": "narm_linf", "rem_l2": "narm_l2"}
"""Columns of what the authors state, with their names; ``narm`` is what their paper calls ReM."""

PREFIX, MISSING = "mIoU_", ("", "#N/A")


def convert(text: str) -> list[dict[str, str]]:
    """The rows of the table, from the text of the authors' file."""
    released = {name: values for name, *values in csv.reader(io.StringIO(text))}
    corrupted = [name.removeprefix(f"{PREFIX}2d_") for name in released if name.startswith(f"{PREFIX}2d_")]
    columns = {"clean": "clean"}
    columns |= {name: f"2d_{name}" for name in corrupted if f"2d_{name}" not in SUMMARY.values()}
    columns |= {name: name for name in (*ATTACKS, *REAL)} | SUMMARY
    return [_convert_network(released, columns, place) for place in range(len(released["architecture"]))]


def _convert_network(released: Mapping[str, Sequence[str]], columns: Mapping[str, str], place: int) -> dict[str, str]:
    parts = [released[name][place] for name in ("architecture", "backbone", "crop_size")]
    head = {"data": released["dataset"][place], "family": parts[0], "model": " ".join(parts)}
    cells = {name: released[f"{PREFIX}{theirs}"][place] for name, theirs in columns.items()}
    return head | {name: "" if cell in MISSING else cell for name, cell in cells.items()}


def main(source: str, target: str) -> None:
    """Write the table."""
    rows = convert(read_text(Path(source), REMEDY))
    with atomic_write(Path(target)) as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main(*sys.argv[1:])
