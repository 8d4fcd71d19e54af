"""The plan of a sweep: what is added up, against a sweep by hand, and what the verb says and refuses."""

from pathlib import Path

import pytest
import torch
from command_line import refusal
from hypothesis import given
from hypothesis import strategies as st

from datamodules.batches import EvaluationBatches
from experiments.__main__ import main
from experiments.plan import Measured, Row, add_up, bytes_of, limits
from lightning_modules.metrics.sweep import SweepCounts


@given(st.integers(1, 60), st.integers(1, 9), st.integers(1, 12))
def test_batches_are_those_of_a_sweep(images: int, batch_size: int, processes: int) -> None:
    (row,) = add_up(images, 3, batch_size, [processes], step=0.5)
    dealt = [len(list(EvaluationBatches(images, batch_size, rank, processes))) for rank in range(processes)]
    assert row.batches == max(dealt)
    assert row.seconds == row.batches * batch_size * 3 * 0.5
    assert row.idle == pytest.approx(1 - images / (processes * max(dealt) * batch_size))


def test_bytes_are_those_of_the_states() -> None:
    """The sums of a sweep, and what it writes down of each image, per condition."""
    found = bytes_of(19, 3, 76, (10, 20))
    counted = SweepCounts(19, 76)
    assert found["sums"] == sum(counted._defaults[name].numel() * 8 for name in counted.sums)
    logits = torch.zeros(1, 19, 10, 20)
    one = SweepCounts(19).count(logits, logits.argmax(1), torch.zeros(1, 10, 20, dtype=torch.long), 0)
    assert found["image_counts"] == 76 * sum(part.numel() * 8 for part in one)
    assert found["to_device"] == 4 * 200


def test_where_it_chokes() -> None:
    measured = Measured(step=1e-3, share=0.9, decode=0.5, file=1, start=5.0, multiply_adds=1, memory=1)
    rows = [Row(1, 10, 60.0, 0.0), Row(8, 2, 4.0, 0.4), Row(2, 5, 5000.0, 0.1)]
    said = limits(rows, measured, images=80, batch_size=8, workers=1)
    assert [line.split(" ")[0] for line in said] == ["8", "8", "8"]
    assert "decoding takes 8 s" in said[0]
    assert "share 10 batches of 8, and wait 40%" in said[1]
    assert "longer to start (5 s)" in said[2]
    assert not limits(rows[2:], measured, images=80, batch_size=8, workers=1)


def test_the_verb(tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """With the time of a pass given, the table follows from it and the measured share."""
    words = [f"--checkpoint={tiny_run / 'best.ckpt'}", "--images=13", "--suite=smoke", "--rounds=1", "--device=cpu"]
    assert main(["plan", *words, "--size", "64", "96", "--batch-size=4", "--processes", "1", "3"]) == 0
    printed = capsys.readouterr().out
    assert "13 images of 64 x 96 under the 5 conditions of smoke: 65 forward passes, measured on" in printed
    assert "| 1 | 4 | 80 |" in printed
    assert "| 3 | 2 | 40 |" in printed
    output = f"--output={tmp_path / 'plan.md'}"
    assert main(["plan", *words, "--size", "64", "96", "--pass-milliseconds=1000", output]) == 0
    assert capsys.readouterr().out == (tmp_path / "plan.md").read_text()
    assert "for forward passes of 1000 ms" in (tmp_path / "plan.md").read_text()


def test_wrong_input_is_refused(tiny_run: Path) -> None:
    words = ["plan", f"--checkpoint={tiny_run / 'best.ckpt'}", "--size", "64", "64"]
    assert "1 or more" in refusal(*words, "--images=0")
    assert "above 0" in refusal(*words, "--images=5", "--pass-milliseconds=0")
    assert "no suite 'nothing'" in refusal(*words, "--images=5", "--suite=nothing")
