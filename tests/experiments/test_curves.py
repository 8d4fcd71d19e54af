from pathlib import Path

import pytest
from command_line import experiments, refusal
from PIL import Image
from records import make_record

from experiments.curves import curve, draw, mean_curve
from experiments.record import read_record


def test_lines_are_the_cells(tmp_path: Path) -> None:
    record = read_record(make_record(tmp_path / "a.json"))
    severities, scores = curve(record, "noise")
    assert severities == [0, 1, 5]
    assert scores == pytest.approx([100 * cell.miou for cell in record.cells])
    assert mean_curve(record) == (severities, pytest.approx(scores))
    axes = draw([record, record]).axes
    assert [axis.get_title() for axis in axes[:2]] == ["noise", "mean of all"]
    assert list(axes[0].lines[0].get_ydata()) == pytest.approx(scores)


def test_command(tmp_path: Path) -> None:
    record = make_record(tmp_path / "a.json")
    experiments("curves", record, f"--output={tmp_path / 'new' / 'c.png'}")
    with Image.open(tmp_path / "new" / "c.png") as picture:
        assert picture.width > 400
    assert "*.png" in refusal("curves", record, f"--output={tmp_path / 'c.docx'}")
