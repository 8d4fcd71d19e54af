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


@pytest.mark.parametrize(
    ("one", "other", "why"),
    [
        ({"size": [64, 64]}, {"size": "native"}, r"size \[64, 64\] and native"),
        (
            {"conditions": [{"corruption": "frost", "severity": 1, "parameters": {"source": "photos"}}]},
            {"conditions": [{"corruption": "frost", "severity": 1, "parameters": {"source": "drawn"}}]},
            r"frost at severity 1 \(source photos\) and frost at severity 1 \(source drawn\)",
        ),
        (
            {"conditions": [{"corruption": "clean", "severity": 0, "parameters": {}}]},
            {"conditions": []},
            "clean at severity 0 and no further condition",
        ),
    ],
)
def test_says_in_what_two_manifests_differ(tmp_path: Path, one: dict, other: dict, why: str) -> None:
    records = [read_record(make_record(tmp_path / f"{k}.json", **what)) for k, what in enumerate((one, other))]
    with pytest.raises(UserError, match=why):
        ranked(records)


def test_real_shifts_have_a_column_and_rank_by_clean_where_nothing_is_corrupted(tmp_path: Path) -> None:
    conditions = [("clean", 0), ("light=day", 0), ("light=dusk", 0)]
    paths = [make_record(tmp_path / f"{k}.json", str(k), k, cells=conditions) for k in range(3)]
    rows = ranked([read_record(path) for path in paths])
    assert [row["clean_miou"] for row in rows] == sorted((row["clean_miou"] for row in rows), reverse=True)
    assert rows[0]["miou_light=dusk"] > 0
    assert "light=dusk" in markdown(rows).splitlines()[0]


def test_refusals(tmp_path: Path) -> None:
    assert "no record" in refusal("leaderboard", tmp_path / "none.json")
    (tmp_path / "x.json").write_text("{}")
    assert "is not a record" in refusal("leaderboard", tmp_path / "x.json")
