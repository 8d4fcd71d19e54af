"""The table of SemSegBench, from the form in which its authors released it."""

import csv
from pathlib import Path

import pytest

from experiments.upkeep.semsegbench_table import ATTACKS, REAL, SUMMARY, convert, main

TABLE = Path(__file__).parents[3] / "experiments/published/semsegbench_2025.csv"


@pytest.fixture
def released() -> str:
    """The table turned back into the authors' form, with rows of another metric among them."""
    with TABLE.open() as file:
        rows = list(csv.DictReader(file))
    lines = [["architecture", *(row["family"] for row in rows)]]
    lines += [[name, *(row["model"].split()[at] for row in rows)] for at, name in ((1, "backbone"), (2, "crop_size"))]
    lines += [["dataset", *(row["data"] for row in rows)], ["aAcc_clean", *("1" for _ in rows)]]
    for column in list(rows[0])[3:]:
        name = SUMMARY.get(column, column if column in ("clean", *ATTACKS, *REAL) else f"2d_{column}")
        lines.append([f"mIoU_{name}", *(row[column] or "#N/A" for row in rows)])
    return "\n".join(",".join(line) for line in lines)


def test_the_released_form_becomes_the_table(released: str, tmp_path: Path) -> None:
    (tmp_path / "released.csv").write_text(released)
    main(str(tmp_path / "released.csv"), str(tmp_path / "table.csv"))
    assert (tmp_path / "table.csv").read_bytes() == TABLE.read_bytes()


def test_cells_that_are_not_there_stay_empty(released: str) -> None:
    rows = {(row["data"], row["model"]): row for row in convert(released)}
    assert rows["voc", "mask2former swin-b 512x512"]["acdc"] == ""
    assert rows["cityscapes", "unet custom 512x1024"]["acdc"] == "24.37"
