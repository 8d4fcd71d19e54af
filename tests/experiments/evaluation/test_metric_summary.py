"""Headline numbers of a record by any metric, held against its own summary and against single computations."""

from pathlib import Path

import numpy as np
import pytest
from records import make_record

from experiments.evaluation.compared_metrics import COMPARED, find_metric
from experiments.evaluation.images import Images
from experiments.evaluation.metric_summary import (
    ABOVE,
    MetricSummary,
    flatten_summary,
    measure_metric,
    summarise_metric,
)
from experiments.evaluation.record import Record
from experiments.record_files.record_file import read_swept
from user_error import UserError

CELLS = [("clean", 0), ("gaussian_noise", 1), ("gaussian_noise", 3), ("fog", 2)]


@pytest.fixture
def swept(tmp_path: Path) -> tuple[Record, Images]:
    return read_swept(make_record(tmp_path / "record.json", images=25, cells=CELLS))


def summarise(swept: tuple[Record, Images], name: str) -> MetricSummary:
    return summarise_metric(measure_metric(*swept, COMPARED[name]), frozenset({"gaussian_noise"}))


def test_of_miou_it_is_the_records_own(swept: tuple[Record, Images]) -> None:
    found, record = summarise(swept, "miou"), swept[0]
    for name, key in (("clean", "clean_miou"), ("corrupted", "mean_corrupted_miou"), ("retention", "retention")):
        assert found.numbers[name].value == pytest.approx(getattr(record.summary, key))
        assert found.numbers[name].edges == pytest.approx(record.summary.intervals[key].edges)
    assert [cell.value for cell in found.cells] == pytest.approx([cell.miou for cell in record.cells])
    assert found.numbers["seen"].value == pytest.approx(np.mean([record.cells[at].miou for at in (1, 2)]))
    assert found.numbers["unseen"].value == pytest.approx(record.cells[3].miou)
    assert found.numbers["/fog"].value == pytest.approx(record.summary.corruptions["fog"])


def test_above_the_floor_it_is_what_exceeds_it(swept: tuple[Record, Images]) -> None:
    found = summarise(swept, "dice")
    clean, corrupted = (found.numbers[name].value or 0 for name in ("clean", "corrupted"))
    floors = [found.floor[name] or 0 for name in ("clean", "corrupted")]
    assert found.numbers[ABOVE].value == pytest.approx((corrupted - floors[1]) / (clean - floors[0]))
    assert found.numbers["retention"].value == pytest.approx(corrupted / clean)


def test_errors_have_no_retention_and_no_floor(swept: tuple[Record, Images]) -> None:
    found = summarise(swept, "nll")
    assert {"retention", ABOVE}.isdisjoint(found.numbers)
    assert found.answer is None
    assert not found.floor


def test_without_images_there_are_values_but_no_intervals(swept: tuple[Record, Images]) -> None:
    record, _ = swept
    with_images = summarise(swept, "miou")
    found = summarise_metric(measure_metric(record, None, COMPARED["miou"]))
    assert found.numbers["corrupted"].value == pytest.approx(with_images.numbers["corrupted"].value)
    assert found.numbers["corrupted"].edges == (None, None)
    with pytest.raises(UserError, match=r"copy its \.npz beside it"):
        measure_metric(record, None, COMPARED["image_miou"])


def test_the_first_metric_is_that_of_the_foreground_where_there_is_one(swept: tuple[Record, Images]) -> None:
    record, _ = swept
    polyps = record.model_copy(update={"classes": ["background", "polyp", "tool"]})
    streets = record.model_copy(update={"classes": ["sky", "road", "car"]})
    assert find_metric(None, [polyps]).name == "foreground_iou"
    assert find_metric(None, [streets]).name == find_metric(None, [polyps, streets]).name == "miou"
    with pytest.raises(UserError, match="no background"):
        find_metric("image_foreground_dice", [polyps, streets])


def test_it_is_flat_columns(swept: tuple[Record, Images]) -> None:
    flat = flatten_summary(summarise(swept, "miou"))
    assert {
        "miou_clean",
        "miou_corrupted_low",
        "miou_unseen",
        "miou/fog",
        "miou_floor",
        "miou_clean_floor",
    } <= flat.keys()
