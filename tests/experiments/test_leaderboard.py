import csv
import io
import json
from pathlib import Path

import pytest
from command_line import experiments, refusal
from records import make_record

from experiments.leaderboard import as_csv, markdown, ranked
from experiments.record import read_record
from user_error import UserError


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    return [make_record(tmp_path / f"{name}.json", name, seed) for seed, name in enumerate(("one", "two|2", "three"))]


def test_ranks_fall(paths: list[Path]) -> None:
    rows = ranked([read_record(path) for path in paths])
    scores = [row["mean_corrupted_miou"] for row in rows]
    assert scores == sorted(scores, reverse=True)
    assert [row["rank"] for row in rows] == [1, 2, 3]
    for row in rows:
        assert row["mean_corrupted_miou_low"] <= row["mean_corrupted_miou"] <= row["mean_corrupted_miou_high"]


def test_markdown_is_a_table_whatever_the_names(paths: list[Path]) -> None:
    lines = markdown(ranked([read_record(path) for path in paths])).splitlines()
    assert len({line.replace("\\|", "").count("|") for line in lines[:5]}) == 1
    assert "two\\|2" in markdown(ranked([read_record(path) for path in paths]))


def test_formats_agree(paths: list[Path], tmp_path: Path) -> None:
    rows = ranked([read_record(path) for path in paths])
    read_back = list(csv.DictReader(io.StringIO(as_csv(rows))))
    assert [float(row["clean_miou"]) for row in read_back] == [row["clean_miou"] for row in rows]
    saved = tmp_path / "board.json"
    printed = experiments("leaderboard", *paths, "--format=json", f"--output={saved}").stdout
    assert json.loads(printed) == json.loads(saved.read_text()) == rows


@pytest.mark.parametrize("what", ["suite_hash", "data"])
def test_other_conditions_do_not_rank_side_by_side(paths: list[Path], what: str) -> None:
    records = [read_record(path) for path in paths[:2]]
    if what == "suite_hash":
        records[1].suite_hash = "other"
    else:
        records[1].data.hash = "other"
    with pytest.raises(UserError, match="--allow-mixed"):
        ranked(records)
    assert len(ranked(records, allow_mixed=True)) == 2


def test_refusals(tmp_path: Path) -> None:
    assert "no record" in refusal("leaderboard", tmp_path / "none.json")
    (tmp_path / "x.json").write_text("{}")
    assert "is not a record" in refusal("leaderboard", tmp_path / "x.json")
