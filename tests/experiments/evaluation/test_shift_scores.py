from pathlib import Path

import pytest
from records import make_record, make_shift_record

from experiments.evaluation.record import Record
from experiments.evaluation.shift_scores import list_shift_scores
from experiments.record_files.record_file import read_record
from user_error import UserError


def read(folder: Path, name: str, digest: str, data: str = "own", shifts: bool = False, seed: int = 0) -> Record:
    make = make_shift_record if shifts else make_record
    return read_record(make(folder / f"{name}-{data}-{seed}.json", name, seed, data=data, digest=digest))


def test_scores_stand_side_by_side(tmp_path):
    own, acdc = read(tmp_path, "net", "a"), read(tmp_path, "net", "a", "acdc", shifts=True)
    scores = list_shift_scores([acdc, own])
    assert [(*one.line, one.images) for one in scores] == [
        ("own", "clean", 6),
        ("own", "mean of corruptions", 6),
        ("own", "mean of noise", 6),
        ("acdc", "all", 6),
        ("acdc", "fog", 3),
        ("acdc", "rain", 3),
    ]
    assert scores[0].miou == own.summary.clean_miou
    assert scores[4].miou == acdc.summary.shifts["weather=fog"]
    assert scores[4].edges == acdc.cells[1].miou_interval.edges


def test_records_that_do_not_belong_together(tmp_path):
    own, acdc = read(tmp_path, "net", "a"), read(tmp_path, "net", "a", "acdc", shifts=True)
    refused = {
        "of another checkpoint than those": [own, read(tmp_path, "other", "b", "acdc", shifts=True)],
        "no record has corruptions": [acdc],
        "two records of 'net' have corruptions": [own, read(tmp_path, "net", "a", seed=1)],
        "two records of 'net' are of acdc": [own, acdc, read(tmp_path, "net", "a", "acdc", shifts=True, seed=1)],
        "two checkpoints are called 'net'": [own, read(tmp_path, "net", "b")],
    }
    for message, records in refused.items():
        with pytest.raises(UserError, match=message):
            list_shift_scores(records)


def test_records_of_two_protocols_do_not_stand_side_by_side(tmp_path):
    own, acdc = read(tmp_path, "net", "a"), read(tmp_path, "net", "a", "acdc", shifts=True)
    acdc.suite.model_extra["protocol"] = {"scored_at": "file"}
    with pytest.raises(UserError, match=r"over own and over acdc under different protocols .*size of the file"):
        list_shift_scores([own, acdc])


def test_two_checkpoints_have_a_line_each(tmp_path):
    records = [
        read(tmp_path, name, name, data, shifts=data == "acdc") for name in ("one", "two") for data in ("own", "acdc")
    ]
    scores = list_shift_scores(records)
    assert {one.name for one in scores} == {"one", "two"}
    assert len(scores) == 12


def test_what_a_record_of_others_leaves_out(tmp_path):
    """Without the counts of its images it may lack intervals, and its manifest may state anything."""
    own, acdc = read(tmp_path, "net", "a"), read(tmp_path, "net", "a", "acdc", shifts=True)
    own.summary.intervals.clear()
    acdc.suite.conditions[1]["parameters"], acdc.suite.conditions[2]["parameters"] = ["images"], {"images": "many"}
    scores = list_shift_scores([own, acdc])
    assert scores[0].edges == (None, None)
    assert [one.images for one in scores[-2:]] == [0, 0]
