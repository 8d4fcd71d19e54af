from pathlib import Path

import pytest
from records import make_record

from experiments.evaluation.record import Picture, Record
from experiments.record_files.record_file import read_record
from experiments.tracking.logged_record import list_curve_points, make_caption, make_cell_table, make_summary

CELLS = [("clean", 0), ("light=dusk", 0), ("noise", 1), ("noise", 5), ("blur", 1), ("blur", 3)]


def drop_suite(record: Record, points: list[dict[str, float | None]]) -> list[dict[str, float | None]]:
    """Points without what every key begins with."""
    return [{key.removeprefix(f"{record.suite.name}/"): value for key, value in point.items()} for point in points]


def test_curves_and_their_mean(tmp_path: Path) -> None:
    """The mean stands at the severities that all corruptions have; shifts have no place on the axis."""
    record = read_record(make_record(tmp_path / "record.json", cells=CELLS))
    clean, _, *others = (cell.miou for cell in record.cells)
    points = {point.pop("severity"): point for point in drop_suite(record, list_curve_points(record))}
    start = {"robustness/noise": clean, "robustness/blur": clean, "robustness/mean": clean}
    mean = (others[0] + others[2]) / 2
    assert points[0] == pytest.approx(start)
    assert points[1] == pytest.approx(
        {"robustness/noise": others[0], "robustness/blur": others[2], "robustness/mean": mean}
    )
    assert points[3] == {"robustness/blur": others[3]}
    assert points[5] == {"robustness/noise": others[1]}
    assert list(points) == [0, 1, 3, 5]


def test_shifts_alone_have_no_curve(tmp_path: Path) -> None:
    record = read_record(make_record(tmp_path / "record.json", cells=CELLS[:2]))
    assert drop_suite(record, list_curve_points(record)) == [{"severity": 0}]
    assert make_summary(record)[f"{record.suite.name}/shift/light=dusk"] == record.cells[1].miou


def test_table(tmp_path: Path) -> None:
    record = read_record(make_record(tmp_path / "record.json", images=24, cells=CELLS))
    columns, rows = make_cell_table(record)
    assert columns[:3] == ["corruption", "severity", "miou"]
    assert {"dice", "boundary_iou", "nll", "brier", "ece", "aurc"} < set(columns)
    assert [(row[0], row[1]) for row in rows] == CELLS
    low, high = columns.index("miou_low"), columns.index("miou_high")
    assert all(row[low] <= row[2] <= row[high] for row in rows)


def test_caption() -> None:
    picture = Picture(
        file="a.worst-1.png", sha256="", id="scan_7", corruption="fog", severity=4, clean_miou=0.8125, miou=0.1
    )
    assert make_caption(picture) == "scan_7, fog 4, 81.2 % -> 10.0 %"
