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
from experiments.record_files.measured_records import MeasuredRecords, measure_records
from experiments.record_files.record_file import read_record
from experiments.reporting.across_data import (
    compute_rank_correlations,
    find_tau_interval,
    list_data,
    make_rows_across_data,
    select_rows,
)
from user_error import UserError

NAMES = ("a", "b", "c", "d")


@pytest.fixture
def found(tmp_path: Path) -> MeasuredRecords:
    """Four networks on two data sets, and a fifth on one of them."""
    paths, names = [], []
    for shift, data in enumerate(("roads", "polyps")):
        for seed, name in enumerate((*NAMES, "e") if data == "polyps" else NAMES):
            paths.append(make_record(tmp_path / f"{data}-{name}.json", name, seed * (1 + 3 * shift) + shift))
            names.append(data)
    measured = measure_records(paths)
    for record, data in zip(measured.records, names, strict=True):
        record.data.name = record.data.hash = data
    return measured


def test_rows_hold_the_scores_of_each_data_set(found: MeasuredRecords) -> None:
    rows = make_rows_across_data(found)
    assert list_data(rows) == ["roads", "polyps"]
    assert [row["name"] for row in rows][-1] == "e"
    assert rows[-1]["roads.clean"] is None
    for record in found.records:
        (row,) = [row for row in rows if row["name"] == record.name]
        (alone,) = make_ranked_rows([record])
        for key, known in (("clean", "clean_miou"), ("corrupted", "mean_corrupted_miou")):
            for edge in ("", "_low", "_high"):
                assert row[f"{record.data.name}.{key}{edge}"] == pytest.approx(alone[f"{known}{edge}"])


def test_order_is_that_of_mean_places(found: MeasuredRecords) -> None:
    scores = {
        data: [r.summary.mean_corrupted_miou for r in found.records if r.data.name == data and r.name in NAMES]
        for data in ("roads", "polyps")
    }
    places = np.mean([stats.rankdata(-np.array(values)) for values in scores.values()], axis=0)
    rows = make_rows_across_data(found)
    order = [NAMES.index(row["name"]) for row in rows[:4]]
    assert list(places[order]) == sorted(places)
    (one,) = [one for one in compute_rank_correlations(rows, ["roads", "polyps"]) if one.score == "corrupted"]
    wanted = stats.kendalltau(scores["roads"], scores["polyps"])
    assert (one.tau, one.p) == pytest.approx((wanted.statistic, wanted.pvalue))
    assert [row["name"] for row in select_rows(rows, ["d", "e"])] == [
        row["name"] for row in rows if row["name"] in "de"
    ]
    with pytest.raises(UserError, match="no record is called 'f'"):
        select_rows(rows, ["f"])


def test_the_interval_of_tau_holds_it() -> None:
    """Of 30 pairs of a normal distribution whose tau is known: 2 / pi times the arc sine of its correlation."""
    rng, truth, held = np.random.default_rng(0), 2 / np.pi * np.arcsin(0.5), 0
    for _ in range(400):
        pairs = rng.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], 30)
        low, high = find_tau_interval(float(stats.kendalltau(*pairs.T).statistic), 30)
        held += low <= truth <= high
    assert 0.92 < held / 400 < 0.98
    assert np.isnan(find_tau_interval(0.5, 9)).all()


def test_records_of_one_data_set_must_compare_and_differ_by_name(found: MeasuredRecords) -> None:
    found.records[1].name = found.records[0].name
    with pytest.raises(UserError, match="two records of roads are called 'a'"):
        make_rows_across_data(found)
    found.records[1].suite_hash = "other"
    with pytest.raises(UserError, match="do not rank"):
        make_rows_across_data(found)


def test_the_verb(tmp_path: Path) -> None:
    paths = [make_record(tmp_path / f"{name}.json", name, seed) for seed, name in enumerate(NAMES)]
    shown = run_command("leaderboard", *paths, "--by=data").stdout.splitlines()
    (data,) = {read_record(path).data.name for path in paths}
    assert shown[0].startswith(f"| # | name | {data} clean | {data} corrupted |")
    assert len([line for line in shown if line.startswith("| ")]) == 6  # with titles and floor
    rows = list(csv.DictReader(io.StringIO(run_command("leaderboard", *paths, "--by=data", "--format=csv").stdout)))
    assert [row["rank"] for row in rows] == ["1", "2", "3", "4"]
    assert float(rows[0][f"{data}.clean"]) > 0
    assert "leave --published" in read_refusal("leaderboard", *paths, "--by=data", "--reference=a")
