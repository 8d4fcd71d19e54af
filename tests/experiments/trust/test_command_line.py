"""The verb on a small training: what it measures is what its own file says of the same images."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from command_line import read_output, read_refusal, run_command
from PIL import Image

from datamodules.datasets.synthetic import SyntheticDataModule
from experiments.checkpoints.checkpoint import load_module
from experiments.checkpoints.opened_checkpoint import CheckpointFile
from experiments.commands.evaluate.trust import read_expected
from experiments.record_files.record_file import read_record
from experiments.sweeping.suites import find_suite
from experiments.trust.observed import observe
from experiments.trust.statistics import NAMES
from experiments.trust.trust_model import read_trust
from user_error import UserError

DATA = ["--data.init_args.val=16", "--data.init_args.test=10"]


def make_data() -> SyntheticDataModule:
    return SyntheticDataModule(train=8, val=16, test=10, size=(64, 64), batch_size=4, eval_batch_size=4, num_workers=0)


@pytest.fixture(scope="module")
def least(tiny_run: Path) -> float:
    """Half of the segmentations of the validation split are poorer."""
    data = make_data()
    found = observe(load_module(tiny_run / "best.ckpt").eval(), data, "val", find_suite("smoke"), 100)
    return float(np.nanmedian(found.scores))


def test_rates_are_those_of_the_file(tiny_run: Path, least: float, tmp_path: Path) -> None:
    checkpoint, output = tiny_run / "best.ckpt", tmp_path / "trust.json"
    words = [
        "trust",
        f"--checkpoint={checkpoint}",
        "--suite=smoke",
        "--measure=occlusion",
        f"--least={least:.4f}",
        *DATA,
    ]
    printed = run_command(*words, f"--output={output}").stdout
    model = read_trust(output, CheckpointFile(checkpoint).sha256, [*NAMES])
    assert [rate.name for rate in model.rates] == [
        "test, smoke, clean",
        "test, smoke, changed",
        "test, occlusion, changed",
    ]
    data = make_data()
    found = observe(load_module(checkpoint).eval(), data, "test", find_suite("smoke"), 10)
    poor = found.scores < model.least
    trusted = np.array([[model.judge(one).trusted for one in image] for image in found.statistics])
    clean = model.rates[0]
    assert (clean.cases, clean.poor) == (10, int(poor[:, 0].sum()))
    assert clean.missed.value == pytest.approx(trusted[:, 0][poor[:, 0]].mean())
    assert clean.false_alarms.value == pytest.approx((~trusted[:, 0])[~poor[:, 0]].mean())
    assert re.search(r"\| test, smoke, clean \| 10 \|", printed)
    assert "the corruption is recognised in" in printed
    assert model.expected_from == "validation"


def test_predict_says_of_each_image_what_the_file_says(tiny_run: Path, least: float, tmp_path: Path) -> None:
    """Of pictures as the test split has them; and refuses the file of another network, or another size."""
    checkpoint, output = tiny_run / "best.ckpt", tmp_path / "trust.json"
    read_output(
        "trust", f"--checkpoint={checkpoint}", "--suite=smoke", f"--least={least:.4f}", f"--output={output}", *DATA
    )
    data = make_data()
    split = data.open_split("test")
    for place, name in enumerate(split.ids):
        Image.fromarray(split[place]["image"]).save(tmp_path / f"{name}.png")
    words = ["predict", f"--checkpoint={checkpoint}", f"--trust={output}", f"--output={tmp_path / 'found'}"]
    printed = read_output(*words, *map(str, tmp_path.glob("*.png")))
    model = read_trust(output, CheckpointFile(checkpoint).sha256, [*NAMES])
    seen = observe(load_module(checkpoint).eval(), data, "test", find_suite("smoke"), 100)
    expected = {one: model.judge(statistics[0]) for one, statistics in zip(seen.ids, seen.statistics, strict=True)}
    rows = list(csv.DictReader((tmp_path / "found/predictions.csv").open()))
    assert {row["image"] for row in rows} == {*expected}
    for row in rows:
        one = expected[row["image"]]
        assert (row["trusted"], row["resembles"], int(row["severity"])) == (
            "yes" if one.trusted else "no",
            *one.condition,
        )
        assert float(row["risk"]) == pytest.approx(one.risk, abs=1e-4)
        assert float(row["distance"]) == pytest.approx(one.distance, rel=1e-4)
    doubtful = sum(not one.trusted for one in expected.values())
    assert (f"not to be trusted: {doubtful} of 10 masks" if doubtful else "all masks of 10 images") in printed
    again = [f"--trust={output}", f"--output={tmp_path / 'other'}", str(next(tmp_path.glob("*.png")))]
    assert "leave out --native-size" in read_refusal("predict", f"--checkpoint={checkpoint}", *again, "--native-size")


def test_a_record_states_the_scores(tiny_run: Path, tiny_record: Path, least: float, tmp_path: Path) -> None:

    output = tmp_path / "trust.json"
    words = [
        "trust",
        f"--checkpoint={tiny_run / 'best.ckpt'}",
        f"--record={tiny_record}",
        f"--least={least:.4f}",
        *DATA,
    ]
    read_output(*words, "--suite=smoke", "--images=12", f"--output={output}")
    model = read_trust(output, CheckpointFile(tiny_run / "best.ckpt").sha256, [*NAMES])
    record = read_record(tiny_record)
    assert model.expected == [cell.miou for cell in record.cells]
    assert model.expected_from == record.name
    with pytest.raises(UserError, match="pass --order resize_then_corrupt"):
        read_expected(tiny_record, model.checkpoint, find_suite("smoke"), corrupts_files=True)
    assert "pass --suite smoke" in read_refusal(*words, "--suite=core", f"--output={output}")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--least=2"], "--least is 2: give a number above 0 and below 1"),
        (["--misses=0"], "--misses is 0: give a number above 0 and below 1"),
        (["--images=9"], "--images is 9: give 10 or more"),
        (["--seed=-1"], "--seed is -1: give 0 or more"),
        (["--suite=none"], "none"),
        (["--measure=none"], "none"),
        (["--suite=real_shifts"], "pass --measure real_shifts"),
        (["--least=0.999999"], "pass another --least"),
    ],
)
def test_wrong_options_are_one_sentence(words: list[str], sentence: str, tiny_run: Path, tmp_path: Path) -> None:
    options = [f"--checkpoint={tiny_run / 'best.ckpt'}", f"--output={tmp_path / 'trust.json'}", *DATA]
    suite = [] if words[0].startswith("--suite") else ["--suite=smoke"]
    assert sentence in read_refusal("trust", *options, *suite, *words)


def test_a_file_of_the_user_stays(tiny_run: Path, tmp_path: Path) -> None:
    output = tmp_path / "notes.json"
    output.write_text('["mine"]')
    found = read_refusal("trust", f"--checkpoint={tiny_run / 'best.ckpt'}", f"--output={output}", "--suite=smoke")
    assert "holds no fit of 'trust'" in found
    assert output.read_text() == '["mine"]'


def test_a_record_of_another_checkpoint_is_refused(tiny_twin: Path, tiny_record: Path) -> None:
    found = read_refusal("trust", f"--checkpoint={tiny_twin / 'best.ckpt'}", f"--record={tiny_record}", "--suite=smoke")
    assert "is of another checkpoint" in found
