"""One row for each network over several data sets, against tables of single data sets and SciPy."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from command_line import read_refusal, run_command
from records import make_record
from scipy import stats

from experiments.evaluation.ranking import make_ranked_rows
from experiments.evaluation.record import Record
from experiments.record_files.record_file import read_record
from experiments.reporting.across_data import compute_rank_correlations, list_data, make_rows_across_data
from user_error import UserError

NAMES = ("a", "b", "c", "d")


@pytest.fixture
def records(tmp_path: Path) -> list[Record]:
    """Four networks on two data sets, and a fifth on one of them."""
    found = []
    for shift, data in enumerate(("roads", "polyps")):
        for seed, name in enumerate((*NAMES, "e") if data == "polyps" else NAMES):
            record = read_record(make_record(tmp_path / f"{data}-{name}.json", name, seed * (1 + 3 * shift) + shift))
            record.data.name = record.data.hash = data
            found.append(record)
    return found


def test_rows_hold_the_scores_of_each_data_set(records: list[Record]) -> None:
    rows = make_rows_across_data(records)
    assert list_data(rows) == ["roads", "polyps"]
    assert [row["name"] for row in rows][-1] == "e"
    assert rows[-1]["roads.clean_miou"] is None
    for record in records:
        (row,) = [row for row in rows if row["name"] == record.name]
        (alone,) = make_ranked_rows([record])
        for key in ("clean_miou", "clean_miou_low", "mean_corrupted_miou", "mean_corrupted_miou_high"):
            assert row[f"{record.data.name}.{key}"] == alone[key]


def test_order_is_that_of_mean_places(records: list[Record]) -> None:
    scores = {
        data: [r.summary.mean_corrupted_miou for r in records if r.data.name == data and r.name in NAMES]
        for data in ("roads", "polyps")
    }
    places = np.mean([stats.rankdata(-np.array(values)) for values in scores.values()], axis=0)
    found = [NAMES.index(row["name"]) for row in make_rows_across_data(records)[:4]]
    assert list(places[found]) == sorted(places)
    (tau,) = [
        tau
        for score, _, _, tau, number in compute_rank_correlations(make_rows_across_data(records), ["roads", "polyps"])
        if "corr" in score
    ]
    assert tau == pytest.approx(stats.kendalltau(scores["roads"], scores["polyps"]).statistic)


def test_records_of_one_data_set_must_compare_and_differ_by_name(records: list[Record]) -> None:
    records[1].name = records[0].name
    with pytest.raises(UserError, match="two records of roads are called 'a'"):
        make_rows_across_data(records)
    records[1].suite_hash = "other"
    with pytest.raises(UserError, match="do not rank"):
        make_rows_across_data(records)


def test_the_verb(tmp_path: Path) -> None:
    paths = [make_record(tmp_path / f"{name}.json", name, seed) for seed, name in enumerate(NAMES)]
    shown = run_command("leaderboard", *paths, "--by=data").stdout.splitlines()
    (data,) = {read_record(path).data.name for path in paths}
    assert shown[0].startswith(f"| # | name | {data} clean | {data} corrupted |")
    assert len([line for line in shown if line.startswith("| ")]) == 5
    rows = list(csv.DictReader(io.StringIO(run_command("leaderboard", *paths, "--by=data", "--format=csv").stdout)))
    assert [row["rank"] for row in rows] == ["1", "2", "3", "4"]
    assert float(rows[0][f"{data}.clean_miou"]) > 0
    assert "leave --published" in read_refusal("leaderboard", *paths, "--by=data", "--reference=a")
