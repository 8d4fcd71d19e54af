from pathlib import Path

import pytest
from command_line import read_refusal, run_command
from PIL import Image
from records import make_record

from experiments.commands.analyse.curves import draw
from experiments.evaluation.robustness_curves import add_mean, compute_curves
from experiments.record_files.measured_records import measure_records
from experiments.record_files.record_file import read_record


def test_lines_are_the_cells(tmp_path: Path) -> None:
    path = make_record(tmp_path / "a.json")
    found, record = measure_records([path, path]), read_record(path)
    scores = {cell.severity: pytest.approx(100 * cell.miou) for cell in record.cells}
    curves = compute_curves(record, found.summarise()[0][0])
    assert curves == {"noise": scores}
    assert add_mean(curves)["mean of all"] == scores
    axes = draw(found).axes
    assert [axis.get_title() for axis in axes] == ["noise", "mean of all"]
    assert list(axes[0].lines[0].get_xdata()) == [0, 1, 5]


def test_real_shifts_and_missing_channels_have_panels(tmp_path: Path) -> None:
    cells = [("clean", 0), ("light=day", 0), ("without_a", 1), ("without_b", 1), ("without_a+b", 2)]
    entries = [
        {"corruption": name, "family": "modality" if severity else None, "parameters": {"fill": "zero"}}
        for name, severity in cells
    ]
    path = make_record(tmp_path / "a.json", cells=cells, conditions=entries)
    found, record = measure_records([path]), read_record(path)
    clean, day, one, other, both = (100 * cell.miou for cell in record.cells)
    missing = {0: pytest.approx(clean), 1: pytest.approx((one + other) / 2), 2: pytest.approx(both)}
    (summary,) = found.summarise()[0]
    assert compute_curves(record, summary) == {"missing channels (zero)": missing}
    *_, panel = draw(found).axes
    assert list(panel.lines[1].get_ydata()) == [pytest.approx(100 * (summary.floor["clean"] or 0))] * 2
    assert panel.get_title() == "real shifts"
    assert list(panel.lines[0].get_ydata()) == pytest.approx([clean, day])
    assert [label.get_text() for label in panel.get_xticklabels()] == ["all", "light\nday"]


def test_nothing_to_draw(tmp_path: Path) -> None:
    path = make_record(tmp_path / "a.json", cells=[("clean", 0)])
    assert "nothing but clean" in read_refusal("curves", path, f"--output={tmp_path / 'c.png'}")


def test_command(tmp_path: Path) -> None:
    record = make_record(tmp_path / "a.json")
    run_command("curves", record, f"--output={tmp_path / 'new' / 'c.png'}")
    with Image.open(tmp_path / "new" / "c.png") as picture:
        assert picture.width > 400
    assert "*.png" in read_refusal("curves", record, f"--output={tmp_path / 'c.docx'}")
