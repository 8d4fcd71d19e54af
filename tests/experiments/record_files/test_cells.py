"""Records as tables, against the JSON itself and numbers by hand."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from records import CLASSES, CONDITIONS, make_record

from experiments.record_files.cells import read_cells, read_images
from user_error import UserError

RESULTS = Path(__file__).parents[3] / "experiments" / "results"


def make_entries(cells: list[tuple[str, int]]) -> list[dict[str, object]]:
    return [
        {"corruption": name, "severity": severity, "family": "noise" if severity else None} for name, severity in cells
    ]


def test_cells_are_those_of_the_json(tmp_path: Path) -> None:
    paths = [make_record(tmp_path / f"{name}.json", name, seed, images=25) for seed, name in enumerate("ab")]
    table = read_cells(*paths)
    assert len(table) == 6
    cells = [cell for path in paths for cell in json.loads(path.read_text())["cells"]]
    assert table["name"].tolist() == [*"aaabbb"]
    assert table["record"].tolist() == [str(path) for path in paths for _ in range(3)]
    assert table["data"].unique().tolist() == ["scenes"]
    assert table["images"].unique().tolist() == [25]
    for key in ("corruption", "severity"):
        assert table[key].tolist() == [cell[key] for cell in cells]
    assert table["kind"].tolist() == ["clean", "corruption", "corruption"] * 2
    for name, value in cells[0]["scores"].items():
        if isinstance(value, list):
            for place, one in enumerate(CLASSES):
                wanted = [cell["scores"][name][place] for cell in cells]
                assert table[f"{name}.{one}"].tolist() == pytest.approx(wanted, abs=1e-12)
        else:
            assert table[name].tolist() == pytest.approx([cell["scores"][name] for cell in cells], abs=1e-12)
    assert table["miou_low"].tolist() == [cell["miou_interval"]["jackknife"][0] for cell in cells]
    assert table["miou_high"].tolist() == [cell["miou_interval"]["jackknife"][1] for cell in cells]
    assert not table["left_out"].any()


def test_images_by_hand(tmp_path: Path) -> None:
    units = ["p", "q", "p", "q", "r", "r"]
    path = make_record(tmp_path / "a.json", units=units)
    table = read_images(path)
    assert len(table) == 6 * 3
    assert table["corruption"].tolist() == [name for name, _ in CONDITIONS for _ in range(6)]
    assert table["severity"].tolist() == [severity for _, severity in CONDITIONS for _ in range(6)]
    assert table["id"].tolist() == [str(k) for k in range(6)] * 3
    assert table["unit"].tolist() == units * 3
    with np.load(path.with_suffix(".npz")) as arrays:
        classes, gaps = arrays["classes"], arrays["gaps"]
    for place, (name, severity) in enumerate(CONDITIONS):
        rows = table[(table["corruption"] == name) & (table["severity"] == severity)]
        for image, (_, row) in enumerate(rows.iterrows()):
            shares = {"iou": [], "dice": []}
            for k, one in enumerate(CLASSES):
                hit, predicted, true = classes[image, place, k].tolist()
                assert [row[f"{what}.{one}"] for what in ("intersection", "predicted", "true")] == [
                    hit,
                    predicted,
                    true,
                ]
                shares["iou"].append(hit / (predicted + true - hit))
                shares["dice"].append(2 * hit / (predicted + true))
                assert row[f"iou.{one}"] == pytest.approx(shares["iou"][-1])
                assert row[f"dice.{one}"] == pytest.approx(shares["dice"][-1])
            assert row["miou"] == pytest.approx(np.mean(shares["iou"]))
            assert row["dice"] == pytest.approx(np.mean(shares["dice"]))
            sure = gaps[image, place].sum() / 2**16 + classes[image, place, :, 0].sum()
            assert row["mean_confidence"] == pytest.approx(sure / classes[image, place, :, 2].sum())


def test_the_data_sets_score_follows_from_the_images(tmp_path: Path) -> None:
    """A researcher needs no more: sums over images, then the mean over classes."""
    path = make_record(tmp_path / "a.json")
    images, cells = read_images(path), read_cells(path)
    sums = images.groupby(["corruption", "severity"], sort=False).sum(numeric_only=True)
    shares = [
        sums[f"intersection.{one}"] / (sums[f"predicted.{one}"] + sums[f"true.{one}"] - sums[f"intersection.{one}"])
        for one in CLASSES
    ]
    assert np.mean(shares, axis=0).tolist() == pytest.approx(cells["miou"].tolist())


def test_what_a_record_does_not_have_is_missing(tmp_path: Path) -> None:
    tasks = {"whole": np.ones((6, 3, 4), int)}
    one = make_record(tmp_path / "a.json", "a")
    other = make_record(tmp_path / "b.json", "b", tasks=tasks)
    both = read_cells(one, other)
    assert both.columns[: len(read_cells(one).columns)].tolist() == read_cells(one).columns.tolist()
    old = read_cells(RESULTS / "camvid/imagenet_c_middle/unet.json", one)
    assert old["class_iou.thing"].isna().tolist() == [True] * (len(old) - 3) + [False] * 3
    assert "mean_confidence" not in read_images(RESULTS / "camvid/imagenet_c_middle/unet.json")


def test_real_shifts_and_what_is_left_out_are_told_apart(tmp_path: Path) -> None:
    cells = [("clean", 0), ("light=day", 0), ("noise", 1)]
    entries = make_entries(cells)
    entries[1]["family"] = "shift"
    table = read_cells(make_record(tmp_path / "a.json", cells=cells, conditions=entries))
    assert table["kind"].tolist() == ["clean", "shift", "corruption"]
    assert table["family"].iloc[2] == "noise"
    assert table["family"].iloc[:2].isna().all()


def test_one_record_that_is_named_twice_is_read_once(tmp_path: Path) -> None:
    path = make_record(tmp_path / "a.json")
    assert len(read_cells(path, str(path))) == 3


def test_wrong_inputs_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing to read"):
        read_cells()
    with pytest.raises(UserError, match="no record"):
        read_cells(tmp_path / "nowhere.json")
    path = make_record(tmp_path / "a.json")
    path.with_suffix(".npz").unlink()
    assert len(read_cells(path)) == 3
    with pytest.raises(UserError, match="per-image counts"):
        read_images(path)
    content = json.loads(path.read_text())
    content["cells"][1]["scores"]["miou"] = 0.99
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match="states miou"):
        read_cells(path)


def test_pandas_is_imported_by_who_asks_for_a_table_alone() -> None:
    code = (
        "import sys, experiments.record_files.cells, experiments.commands.analyse.cells; print('pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
