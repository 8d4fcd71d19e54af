import csv
import json
from pathlib import Path

import pytest
from command_line import read_refusal, run_command
from records import make_record

RESULTS = Path(__file__).parents[4] / "experiments" / "results"


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    return [make_record(tmp_path / f"{name}.json", name, seed, images=25) for seed, name in enumerate("ab")]


def test_tables(paths: list[Path], tmp_path: Path) -> None:
    text = run_command("failure", *paths, f"--output={tmp_path / 'failure.md'}").stdout
    assert (tmp_path / "failure.md").read_text() == text
    pixels, images = text.split("Images:")
    assert "| name | condition | AUROC | FPR@95 | AUPR-Error | AUPR-Success | AURC | ECE | BRAVO semantic |" in pixels
    assert "| name | condition | confidence | images | AURC | optimal | random | e-AURC |" in images
    for name in "ab":
        for part in ("clean", "corrupted"):
            assert f"| {name} | {part} |" in pixels
            assert f"| {name} | {part} | mean confidence |" in images
    assert "over images (scenes, 25 images, suite test v1)" in images


def test_rows_for_programs(paths: list[Path], tmp_path: Path) -> None:
    rows = json.loads(run_command("failure", *paths, "--format=json", "--by=condition").stdout)
    assert [row["condition"] for row in rows if row["name"] == "a" and row["of"] == "pixels"] == [
        "clean",
        "noise 1",
        "noise 5",
    ]
    cells = json.loads(paths[0].read_text())["cells"]
    for row, cell in zip(rows[:3], cells, strict=True):
        assert row["auroc"] == pytest.approx(cell["scores"]["auroc"])
        assert row["auroc_low"] < row["auroc"] < row["auroc_high"]
    image = next(row for row in rows if row["of"] == "images")
    assert image["dice_optimal_aurc"] <= image["dice_aurc"]
    assert image["dice_excess_aurc"] == pytest.approx(image["dice_aurc"] - image["dice_optimal_aurc"])
    run_command("failure", *paths, "--format=csv", "--by=condition", f"--output={tmp_path / 'f.csv'}")
    written = list(csv.DictReader((tmp_path / "f.csv").open()))
    assert [(row["name"], row["of"], row["condition"]) for row in written] == [
        (row["name"], row["of"], row["condition"]) for row in rows
    ]


def test_earlier_records_show_what_they_can() -> None:
    """One without gaps of its images has no confidence of them."""
    old = RESULTS / "camvid/imagenet_c_middle/unet.json"
    text = run_command("failure", old).stdout
    assert "| unet | clean |" in text
    assert "Images:" not in text
    assert "No confidence of single images was counted for unet" in text
    assert (
        "over groups of images by patient"
        in run_command("failure", RESULTS / "lgg_mri/modality/fusion_late.json").stdout
    )


def test_what_is_missing_is_said(tmp_path: Path, paths: list[Path]) -> None:
    assert "nowhere.json" in read_refusal("failure", tmp_path / "nowhere.json")
    paths[0].with_suffix(".npz").unlink()
    assert "per-image counts" in read_refusal("failure", paths[0])


def test_differences_from_a_reference(paths: list[Path], tmp_path: Path) -> None:
    rows = json.loads(run_command("failure", *paths, "--reference=a", "--format=json").stdout)
    for row in rows:
        name = "auroc" if row["of"] == "pixels" else "dice_excess_aurc"
        base = next(
            one
            for one in rows
            if one["name"] == "a" and one["of"] == row["of"] and one["condition"] == row["condition"]
        )
        if row["name"] == "b":
            assert row[f"{name}_difference"] == pytest.approx(row[name] - base[name])
            assert row[f"{name}_difference_low"] < row[f"{name}_difference"] < row[f"{name}_difference_high"]
        else:
            assert f"{name}_difference" not in row
    text = run_command("failure", *paths, "--reference=a").stdout
    assert "Pixels: differences from a, in pairs, in points" in text
    assert "Images: differences from a, in pairs, in points" in text
    assert "one of 'a', 'b'" in read_refusal("failure", *paths, "--reference=c")
    other = make_record(tmp_path / "c.json", "c", cells=[("clean", 0), ("blur", 1)])
    assert "different suite manifests" in read_refusal("failure", *paths, other, "--reference=a")
