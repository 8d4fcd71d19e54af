import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command_line import read_refusal, run_command
from records import make_record

from experiments.commands.evaluate.verify import Deviation, choose
from experiments.evaluation.known_counts import add_derived
from experiments.evaluation.record import Manifest, Record, hash_manifest
from experiments.evaluation.scores.base import Counts
from experiments.evaluation.scoring import find_intervals, make_cells, make_summary
from experiments.record_files.record_file import open_record, write_record


def test_a_record_by_itself(tmp_path: Path) -> None:
    path = make_record(tmp_path / "record.json")
    text = run_command("verify", path).stdout
    assert "its 3 cells" in text
    assert "its 6 images" in text
    assert "no checkpoint, so nobody can sweep it again" in text
    path.with_suffix(".npz").unlink()
    text = run_command("verify", path).stdout
    assert "not checked  intervals: they are as stated" in text
    assert "nothing is wrong; not checked: intervals, number of pixels, predictions, images" in text


def read_wrong(*words: str | Path) -> str:
    """What is found certainly wrong."""
    result = run_command("verify", *words, check=False)
    assert result.returncode == 3, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("  wrong")]
    return line


def test_what_is_certainly_wrong_ends_with_3(tmp_path: Path) -> None:
    path = make_record(tmp_path / "record.json", size=[5, 6])
    assert "holds        number of pixels" in run_command("verify", path).stdout
    text = path.read_text()
    path.write_text(text.replace('"clean_miou": 0', '"clean_miou": 1', 1))
    assert "clean_miou" in read_wrong(path)
    path.write_text(text.replace('"version": 1', '"version": 2', 1))
    assert "suite_hash" in read_wrong(path)
    path.write_text(text)
    counts = path.with_suffix(".npz").read_bytes()
    path.with_suffix(".npz").write_bytes(counts[:-1])
    assert "take both from one sweep" in read_wrong(path)
    assert "6 images of 5 x 5 have 150" in read_wrong(make_record(tmp_path / "small.json", size=[5, 5]))
    path.write_text(text[:-9])
    assert "is not a record" in read_refusal("verify", path)


def test_images_are_compared_without_a_network(tiny_record: Path, tmp_path: Path) -> None:
    data = ["--data=experiments/configs/data/synthetic.yaml", "--data.init_args.size=[64,64]"]
    data += ["--data.init_args.num_workers=0"]
    text = run_command("verify", tiny_record, *data, "--data.init_args.test=13").stdout
    assert "the 13 images here have the pixels and masks" in text
    assert "not checked  predictions" in text
    assert "the images here (12) are not those" in read_refusal(
        "verify", tiny_record, *data, "--data.init_args.test=12"
    )


def test_clean_is_always_among_the_chosen(tmp_path: Path) -> None:
    cells = [("fog", 1), ("fog", 2), ("clean", 0), ("fog", 3)]
    record = open_record(make_record(tmp_path / "record.json", cells=cells))[0]
    for seed in range(5):
        for number in (1, 2, 4, 9):
            chosen = choose(record, number, seed)
            assert 2 in chosen
            assert len(chosen) == len(set(chosen)) == min(number, 4)
    assert len({tuple(choose(record, 2, seed)) for seed in range(20)}) == 3


def test_ties_are_all_that_may_differ() -> None:
    assert Deviation("clean", 0, 10**8, 100).agrees
    assert not Deviation("clean", 0, 10**8, 101).agrees
    assert Deviation("clean", 0, 1000, 4).agrees
    assert not Deviation("clean", 0, 1000, 5).agrees


def test_a_second_sweep_agrees(tiny_run: Path, tiny_record: Path) -> None:
    text = run_command("verify", tiny_record, f"--checkpoint={tiny_run / 'best.ckpt'}", "--conditions=99").stdout
    record = open_record(tiny_record)[0]
    lines = [line for line in text.splitlines() if "in a second sweep" in line]
    assert len(lines) == len(record.cells)
    assert all(f" of {64 * 64 * 13} pixels" in line for line in lines)


def forge(path: Path, copy: Path, change: Callable[[dict, np.ndarray], None]) -> Path:
    """A record that agrees with itself and with its images, but not with its network."""
    record, images = open_record(path)
    assert images is not None
    totals, classes = record.totals, images.counts["classes"].copy()
    change(totals, classes)
    totals, gaps = add_derived(totals), images.counts["gaps"].copy()
    gaps[0] += totals["gaps"] - record.totals["gaps"]
    wide = images.counts["image_log_odds"].copy()
    totals["image_log_odds"] = totals["log_odds"].reshape(len(totals["log_odds"]), wide.shape[2], -1, 2).sum(2)
    wide[0] += totals["image_log_odds"] - record.totals["image_log_odds"]
    counts = {**images.counts, "classes": classes, "gaps": gaps, "image_log_odds": wide}
    swept = images._replace(counts=counts)
    bounds, cells = find_intervals(record.conditions, swept, record.suite)
    fields = record.model_dump() | {
        "cells": make_cells(record.conditions, totals, cells),
        "summary": make_summary(record.conditions, totals, Manifest(**record.suite.model_dump()), bounds, "images"),
    }
    write_record(Record(**fields), copy, swept)
    assert open_record(copy)
    return copy


def test_numbers_made_up_consistently_do_not_come_out_again(tiny_run: Path, tiny_record: Path, tmp_path: Path) -> None:
    def spoil(totals: Counts, classes: np.ndarray) -> None:
        """Twenty pixels of the first image that were right are taken for another class."""
        image = classes[0, 0]
        one = int(np.argmax(image[:, 0]))
        other = (one + 1) % len(image)
        image[one, :2] -= 20
        image[other, 1] += 20
        totals["confusion"][0][one, one] -= 20
        totals["confusion"][0][one, other] += 20
        for sums in (totals["calibration"][0], totals["log_odds"][0]):
            sums[np.argmax(sums[:, 1]), 1] -= 20

    forged = forge(tiny_record, tmp_path / "forged.json", spoil)
    message = read_wrong(forged, f"--checkpoint={tiny_run / 'best.ckpt'}", "--conditions=1")
    assert "clean, severity 0" in message
    assert "20 of" in message


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda c: c["checkpoint"].update(sha256="0" * 64), "not the checkpoint"),
        (lambda c: c["data"].update(hash="0"), "images here are not those"),
    ],
)
def test_another_checkpoint_or_data(
    tiny_run: Path, tiny_record: Path, tmp_path: Path, change: Callable[[dict], None], named: str
) -> None:
    content = json.loads(tiny_record.read_text())
    change(content)
    (tmp_path / "tiny.json").write_text(json.dumps(content))
    (tmp_path / "tiny.npz").write_bytes(tiny_record.with_suffix(".npz").read_bytes())
    assert named in read_refusal("verify", tmp_path / "tiny.json", f"--checkpoint={tiny_run / 'best.ckpt'}")


def test_refusals(tiny_run: Path, tiny_record: Path, tmp_path: Path) -> None:
    checkpoint = f"--checkpoint={tiny_run / 'best.ckpt'}"
    without = make_record(tmp_path / "loop.json")
    assert "names no checkpoint" in read_refusal("verify", without, checkpoint)
    assert "at least 1" in read_refusal("verify", tiny_record, "--conditions=0")
    assert "no checkpoint" in read_refusal(
        "verify", tiny_record, "--checkpoint=none.ckpt", "--data=experiments/configs/data/synthetic.yaml"
    )
    assert "suite 'core' is not that of the record" in read_refusal("verify", tiny_record, checkpoint, "--suite=core")
    assert "size" in read_refusal("verify", tiny_record, checkpoint, "--data.init_args.size=[32,32]")
    forged = make_record(tmp_path / "stranger.json", name="stranger")
    record, images = open_record(forged)
    assert images is not None
    record.checkpoint = open_record(tiny_record)[0].checkpoint
    write_record(record, forged, images)
    assert "pass its YAML as --suite" in read_refusal("verify", forged, checkpoint)


def test_a_record_may_not_ask_for_any_memory(
    tiny_run: Path, tiny_record: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches of 20,000 images would be filled up with copies of the first; what fits is swept."""
    monkeypatch.setattr("experiments.checkpoints.memory.read_available_bytes", lambda: 2**31)
    (tmp_path / "tiny.npz").write_bytes(tiny_record.with_suffix(".npz").read_bytes())

    def refused(**settings: object) -> str:
        content = json.loads(tiny_record.read_text())
        for key, value in settings.items():
            content[key] |= value
        content["suite_hash"] = hash_manifest(content["suite"])
        (tmp_path / "tiny.json").write_text(json.dumps(content))
        return read_refusal("verify", tmp_path / "tiny.json", f"--checkpoint={tiny_run / 'best.ckpt'}")

    assert "in batches of 20000 images" in refused(data={"batch_size": 20_000})
    for number in (0, -4, 10**30):
        assert "data.batch_size" in refused(data={"batch_size": number})
    assert "the seed 'zero'" in refused(suite={"seed": "zero"})
    assert "the precision [32]" in refused(environment={"precision": [32]})
    assert "--trainer: " in refused(environment={"precision": "any"})
