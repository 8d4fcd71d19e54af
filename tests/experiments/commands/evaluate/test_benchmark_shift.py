"""``benchmark --shift``: one command sweeps a checkpoint over its own data and over the real shifts of others."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from command_line import read_refusal, run_command
from tiny_folder import make_tiny_folder

from datamodules.datasets.synthetic import SyntheticDataModule
from experiments.evaluation.scores.overlap import mean_iou
from experiments.record_files.record_file import open_record

WEATHER = {"0": "fog", "1": "rain", "2": "fog"}


@pytest.fixture(scope="module")
def streets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A YAML of folder data with the classes of the synthetic scenes, whose weather is a real shift."""
    place = tmp_path_factory.mktemp("streets")
    classes = SyntheticDataModule().classes
    root = make_tiny_folder(place / "streets", len(classes), classes)
    described = yaml.safe_load((root / "dataset.yaml").read_text()) | {"shift_columns": ["weather"]}
    (root / "dataset.yaml").write_text(yaml.safe_dump(described))
    rows = [f"{split},{name},{weather}" for split in ("train", "val", "test") for name, weather in WEATHER.items()]
    (root / "meta.csv").write_text("\n".join(["split,stem,weather", *rows]) + "\n")
    settings = {"root": str(root), "size": [64, 64], "num_workers": 0}
    described = {"class_path": "datamodules.datasets.folder.FolderDataModule", "init_args": settings}
    (place / "streets.yaml").write_text(yaml.safe_dump(described))
    return place / "streets.yaml"


@pytest.fixture(scope="module")
def swept(streets: Path, tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of its records, and what the command printed."""
    run = tmp_path_factory.mktemp("runs") / "tiny"
    shutil.copytree(tiny_run, run)
    result = run_command("benchmark", f"--checkpoint={run / 'best.ckpt'}", "--suite=smoke", f"--shift={streets}")
    return run, result.stdout


def test_two_records_and_one_table(swept: tuple[Path, str]) -> None:
    run, printed = swept
    own, _ = open_record(run / "record-smoke.json")
    record, images = open_record(run / "record-real_shifts-streets.json")
    assert images is not None
    assert own.checkpoint["sha256"] == record.checkpoint["sha256"]
    assert record.conditions == [("clean", 0), ("weather=fog", 0), ("weather=rain", 0)]
    fog = np.array([WEATHER[name] == "fog" for name in images.ids])
    classes = images.counts["classes"][:, 0].astype(np.int64)
    assert record.summary.shifts["weather=fog"] == float(mean_iou(classes[fog].sum(0)))
    assert record.summary.shifts["weather=rain"] == float(mean_iou(classes[~fog].sum(0)))
    lines = [line.split("|")[1:4] for line in printed.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line] for line in lines[2:]]
    assert ["synthetic", "mean of corruptions", "13"] in cells
    assert cells[-3:] == [["streets", "all", "3"], ["streets", "fog", "2"], ["streets", "rain", "1"]]
    assert run_command("shifts", *run.glob("record-*.json")).stdout.strip() in printed


def test_goes_on_with_what_is_missing(swept: tuple[Path, str], streets: Path) -> None:
    run, _ = swept
    kept, gone = run / "record-smoke.json", run / "record-real_shifts-streets.json"
    before = kept.read_bytes()
    gone.unlink()
    words = (f"--checkpoint={run / 'best.ckpt'}", "--suite=smoke", f"--shift={streets}")
    result = run_command("benchmark", *words)
    assert result.stdout.count("swept already") == 1
    assert kept.read_bytes() == before
    assert gone.is_file()
    assert run_command("benchmark", *words).stdout.count("swept already") == 2
    assert "swept already" not in run_command("benchmark", *words, "--restart").stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--shift=acdd"], r"no data 'acdd': pass one of acdc, "),
        (["--shift={streets}", "--shift={streets}"], r"--shift names 'streets' twice"),
        (["--shift=acdc"], r"knows the class 'background', and the data have 'road'"),
    ],
)
def test_wrong_data_are_refused_before_the_first_sweep(tiny_run: Path, streets: Path, words, message: str) -> None:
    given = [word.format(streets=streets) for word in words]
    sentence = read_refusal("benchmark", f"--checkpoint={tiny_run / 'best.ckpt'}", "--suite=smoke", *given)
    assert re.search(message, sentence)
    assert not (tiny_run / "record-smoke.json").exists()


def test_the_remedy_for_missing_data_is_not_the_checkpoints_own_data(tiny_run: Path, streets: Path) -> None:
    gone = streets.with_name("gone.yaml")
    gone.write_text(streets.read_text().replace(str(streets.with_suffix("")), str(streets.with_name("nowhere"))))
    sentence = read_refusal("benchmark", f"--checkpoint={tiny_run / 'best.ckpt'}", "--suite=smoke", f"--shift={gone}")
    assert "init_args.root of a copy of gone.yaml, given to --shift," in sentence
    assert "--data" not in sentence
