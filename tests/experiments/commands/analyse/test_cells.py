from pathlib import Path

import pandas as pd
import pytest
from command_line import read_refusal, run_command
from pandas.testing import assert_frame_equal
from records import make_record

from experiments.record_files.cells import read_cells, read_images


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return make_record(tmp_path / "a.json", images=25)


@pytest.mark.parametrize("images", [False, True])
def test_files_hold_what_the_functions_read(path: Path, tmp_path: Path, images: bool) -> None:
    wanted, further = (read_images(path), ["--images"]) if images else (read_cells(path), [])
    written = tmp_path / "new" / "cells.csv"
    assert run_command("cells", path, *further, f"--output={written}").stdout == f"cells: {written}\n"
    found = pd.read_csv(
        written, dtype={name: wanted[name].dtype for name in ("id", "unit", "family") if name in wanted}
    )
    assert_frame_equal(found, wanted, check_dtype=False)
    assert run_command("cells", path, *further).stdout == written.read_text()
    run_command("cells", path, *further, "--format=parquet", f"--output={tmp_path / 'cells.parquet'}")
    assert_frame_equal(pd.read_parquet(tmp_path / "cells.parquet"), wanted, check_dtype=False)


def test_several_records_stand_below_each_other(path: Path, tmp_path: Path) -> None:
    other = make_record(tmp_path / "b.json", "other", 1)
    output = tmp_path / "both.parquet"
    run_command("cells", path, other, "--format=parquet", f"--output={output}")
    run_command("cells", path, other, "--format=parquet", f"--output={output}")  # its own file is replaced
    assert_frame_equal(pd.read_parquet(output), read_cells(path, other), check_dtype=False)


def test_names_that_a_spreadsheet_would_run_are_quoted(tmp_path: Path) -> None:
    text = run_command("cells", make_record(tmp_path / "a.json", "=1+1")).stdout
    assert ",'=1+1," in text


def test_wrong_inputs_are_one_sentence(path: Path, tmp_path: Path) -> None:
    assert "needs a file" in read_refusal("cells", path, "--format=parquet")
    assert "ends in .parquet" in read_refusal("cells", path, "--format=parquet", f"--output={tmp_path / 'c.csv'}")
    assert "--format parquet" in read_refusal("cells", path, f"--output={tmp_path / 'c.parquet'}")
    assert "is no table" in read_refusal("cells", path, f"--output={path}")
    (tmp_path / "c.parquet").write_text("notes")
    refused = read_refusal("cells", path, "--format=parquet", f"--output={tmp_path / 'c.parquet'}")
    assert "no Parquet file" in refused
    assert (tmp_path / "c.parquet").read_text() == "notes"
    assert "no record" in read_refusal("cells", tmp_path / "nowhere.json")
