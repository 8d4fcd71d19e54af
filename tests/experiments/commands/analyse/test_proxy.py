"""The verb on the published table and on committed records."""

import json
from pathlib import Path

import pytest
from command_line import read_refusal, run_command
from records import make_record, make_shift_record
from scipy.stats import pearsonr

from experiments.record_files.record_file import read_record

ROOT = Path(__file__).parents[4]
SEMSEGBENCH = ("proxy", "--published=semsegbench_2025")
BROKEN = "'deeplabv3plus resnet18 512x1024'"


def read_rows(*words: object) -> dict[tuple[str, str], dict]:
    rows = json.loads(run_command(*words, "--format=json").stdout)
    return {(row["real"], row["predictor"]): row for row in rows}


def test_semsegbench_and_acdc() -> None:
    """Corrupted images say more of real ones than clean images do; synthetic fog says less of real fog."""
    rows = read_rows(*SEMSEGBENCH)
    corrupted, clean, fog = rows["acdc", "corrupted mean"], rows["acdc", "clean"], rows["acdc_fog", "fog"]
    assert {row["networks"] for row in rows.values()} == {31}
    assert corrupted["pearson"] == pytest.approx(0.795, abs=5e-4)
    assert clean["pearson"] == pytest.approx(0.69, abs=5e-3)
    assert corrupted["partial"] == pytest.approx(0.57, abs=5e-3)
    assert fog["pearson"] == pytest.approx(0.40, abs=5e-3)
    assert fog["pearson"] < rows["acdc_fog", "clean"]["pearson"]
    for row in rows.values():
        assert row["pearson_low"] < row["pearson"] < row["pearson_high"]
        assert row["pearson_families_low"] < row["pearson"] < row["pearson_families_high"]
    assert clean["partial"] is None


def test_the_broken_network_is_left_out_and_named() -> None:
    text = run_command(*SEMSEGBENCH).stdout
    assert f"Left out, since their cells cannot be their own (see 'leaderboard'): {BROKEN}." in text
    assert "31 networks of 7 families on cityscapes" in text
    assert "| acdc | corrupted mean | 0.795 [" in text
    kept = run_command(*SEMSEGBENCH, "--keep-broken").stdout
    assert f"Kept although their cells cannot be their own (see 'leaderboard'): {BROKEN}." in kept
    assert "32 networks" in kept


def test_every_corruption_as_a_predictor() -> None:
    rows = read_rows(*SEMSEGBENCH, "--by=corruption")
    assert len(rows) == 5 * 17
    assert rows["acdc", "frost"]["pearson"] > rows["acdc", "fog"]["pearson"]


def test_records_with_real_shifts() -> None:
    paths = sorted((ROOT / "experiments/results/camvid/camvid_dusk").glob("camvid*.json"))
    rows = read_rows("proxy", *paths)
    assert {real for real, _ in rows} == {"mean of real conditions", "time_of_day=day", "time_of_day=dusk"}
    row = rows["time_of_day=dusk", "corrupted mean"]
    assert (row["source"], row["data"], row["networks"], row["families"]) == ("record", "camvid", 6, 2)
    assert row["pearson_low"] is None, "six networks bear no interval"


def test_real_conditions_of_other_data(tmp_path: Path) -> None:
    """Of records of their own, for each checkpoint beside that with corruptions."""
    paths = []
    for seed in range(5):
        settings = {"name": f"n{seed}", "seed": seed, "digest": f"{seed}", "noise": 0.5 + 0.2 * seed}
        paths.append(make_record(tmp_path / f"own{seed}.json", **settings))
        paths.append(make_shift_record(tmp_path / f"acdc{seed}.json", data="acdc", **settings))
    rows = read_rows("proxy", *paths)
    assert {real for real, _ in rows} == {"mean of real conditions", "acdc weather=fog", "acdc weather=rain"}
    own, other = ([read_record(path) for path in paths[at::2]] for at in (0, 1))
    wanted = pearsonr(
        [one.summary.mean_corrupted_miou for one in own], [one.summary.shifts["weather=fog"] for one in other]
    )
    assert rows["acdc weather=fog", "corrupted mean"]["pearson"] == pytest.approx(wanted.statistic)
    assert "of another checkpoint" in read_refusal("proxy", *paths[:3], paths[5])


def test_a_broken_network_of_another_data_set_is_no_concern(tmp_path: Path) -> None:
    """Two data sets have networks of the same names; one of them is stuck on the second."""
    lines = ["model,data,corruption,severity,score"]
    for data in ("a", "b"):
        for at in range(6):
            cells = [70 + at, 60 - at * at, 50 + 2 * at, 40 + at, 30 + at, 20 + at]
            cells = [70, 5, 5, 5, 5, 5] if (data, at) == ("b", 5) else cells
            names = ("clean", "fog", "snow", "noise", "blur", "frost")
            lines += [f"n{at},{data},{name},,{cell}" for name, cell in zip(names, cells, strict=True)]
            lines.append(f"n{at},{data},night,,{10 + at * at}")
    (tmp_path / "own.csv").write_text("\n".join(lines))
    (tmp_path / "own.yaml").write_text(
        "{title: t, source: s, metric: miou, scale: 100, severities: all, kinds: {shift: [night]}}"
    )
    rows = json.loads(run_command("proxy", f"--published={tmp_path / 'own.csv'}", "--format=json").stdout)
    assert [(row["data"], row["networks"]) for row in rows] == [("a", 6)] * 2 + [("b", 5)] * 2


def test_refusals(tmp_path: Path) -> None:
    assert "nothing to correlate" in read_refusal("proxy")
    assert "kind 'shift'" in read_refusal("proxy", "--published=semantickitti_c_robo3d")
    folder = ROOT / "experiments/results/camvid/camvid_dusk"
    assert "of one suite and one data set" in read_refusal("proxy", *folder.glob("*.json"))
    assert "no published table" in read_refusal("proxy", "--published=imaginary")
