"""Intervals of records, stated anew."""

from pathlib import Path

import pytest
from command_line import read_refusal, run_command
from records import make_record

from experiments.record_files.record_file import open_record


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return make_record(tmp_path / "record.json", images=60)


def test_scores_stay_and_intervals_are_those_of_the_units(record: Path, tmp_path: Path) -> None:
    before, images = open_record(record)
    meta = tmp_path / "meta.csv"
    rows = [f"test,{number},p{number // 2},{59 - number}" for number in range(60)]
    meta.write_text("\n".join(["split,stem,patient,frame", "train,0,p99,0", *rows]))
    run_command("rescore", record, "--unit=patient", "--meta", meta)
    grouped, found = open_record(record)
    assert images is not None
    assert found is not None
    assert found.units == [f"p{number // 2}" for number in range(60)]
    assert grouped.summary.interval_method.startswith("jackknife t over groups of images by patient")
    assert [cell.scores for cell in grouped.cells] == [cell.scores for cell in before.cells]
    assert grouped.summary.clean_miou == before.summary.clean_miou
    assert grouped.summary.intervals["clean_miou"] != before.summary.intervals["clean_miou"]
    run_command("rescore", record, "--sequence={sequence}*")
    assert open_record(record)[0].data.resampled_units == "blocks of 13 images that follow each other by {sequence}*"
    run_command("rescore", record, "--independent")
    after, same = open_record(record)
    assert same is not None
    assert same.grouping == (None, None)
    assert after.model_copy(update={"per_image": before.per_image}) == before


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "pass one of"),
        (["--unit=a", "--independent"], "pass one of"),
        (["--unit=patient"], "pass that file as --meta"),
        (["--unit=patient", "--meta={meta}"], "it needs 'stem' and 'patient'"),
        (["--unit=case", "--meta={meta}"], "no 'case' for the image '1'"),
        (["--sequence={{sequence}}_{{place}}"], "does not follow"),
    ],
)
def test_wrong_words_are_said(record: Path, tmp_path: Path, words: list[str], says: str) -> None:
    meta = tmp_path / "meta.csv"
    meta.write_text("split,stem,case\ntest,0,a\ntest,1,\n")
    before = record.read_bytes()
    assert says in read_refusal("rescore", record, *(word.format(meta=meta) for word in words))
    assert record.read_bytes() == before
