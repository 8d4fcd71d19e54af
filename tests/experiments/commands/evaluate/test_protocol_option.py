"""Protocols from the command line: sweep, processes, resumption, verification, and records that do not rank together."""

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import read_output, read_refusal, run_command
from photographs import SIZES, make_photographs, name_photographs
from PIL import Image
from published_protocols import count_confusion, keep_ratio, predict_at, slide

from experiments.checkpoints.checkpoint import load_module
from experiments.commands.derive import slide as slide_verb
from experiments.commands.evaluate import benchmark
from experiments.record_files.record_file import open_record, read_record
from experiments.reporting.origin import format_commands
from experiments.sweeping.named_protocols import find_protocol, name_protocol

ONE_THREAD = {"OMP_NUM_THREADS": "1"}

PROTOCOL = """
size: [48, 192]
aspect: keep
interpolation: linear
windows: {window: [32, 64], stride: [16, 32]}
scored_at: file
ignored: [background]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_photographs(tmp_path_factory.mktemp("photographs"))


@pytest.fixture(scope="module")
def protocol(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("protocol") / "own.yaml"
    path.write_text(PROTOCOL)
    return path


def list_words(run: Path, folder: Path, output: Path, *words: Any) -> list[str]:
    options = [f"--checkpoint={run / 'best.ckpt'}", "--suite=smoke", f"--output={output}", "--trainer.accelerator=cpu"]
    return [*options, *name_photographs(folder), "--pictures=2", *map(str, words)]


@pytest.fixture(scope="module")
def kept(tiny_run: Path, folder: Path, protocol: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("kept") / "kept.json"
    torch.set_num_threads(1)
    benchmark.main(list_words(tiny_run, folder, output, f"--protocol={protocol}", "--name=kept"))
    return output


@pytest.fixture(scope="module")
def usual(tiny_run: Path, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("usual") / "usual.json"
    benchmark.main(list_words(tiny_run, folder, output, "--name=usual"))
    return output


def test_clean_counts_are_those_of_the_protocol_by_hand(tiny_run: Path, folder: Path, kept: Path) -> None:
    network, wanted = load_module(tiny_run / "best.ckpt"), np.zeros((5, 5), np.int64)
    for place in range(len(SIZES)):
        image = np.asarray(Image.open(folder / f"test/images/{place}.png"))
        mask = np.asarray(Image.open(folder / f"test/masks/{place}.png")).copy()
        mask[mask == 0] = 255
        seen = torch.from_numpy(keep_ratio(image, (192, 48)).transpose(2, 0, 1).copy())[None]
        with torch.inference_mode():
            predicted = predict_at(slide(network, seen, (32, 64), (16, 32)), mask.shape)
        wanted += count_confusion(torch.from_numpy(mask), predicted, 5)
    record, images = open_record(kept)
    assert abs(np.array(record.cells[0].counts["confusion"]) - wanted).sum() <= 4
    assert images is not None
    assert not images.counts["classes"][:, :, 0].any()
    assert (record.suite.model_extra or {})["protocol"] == {
        "windows": {"window": [32, 64], "stride": [16, 32], "weights": "uniform", "average": "logits", "pad": False},
        "aspect": "keep",
        "interpolation": "linear",
        "scored_at": "file",
        "ignored": ["background"],
    }
    assert record.suite.model_extra["size"] == [48, 192]
    assert len(record.pictures) == 2


def test_a_second_sweep_follows_the_protocol_of_the_record(tiny_run: Path, folder: Path, kept: Path) -> None:
    options = (kept, f"--checkpoint={tiny_run / 'best.ckpt'}", "--conditions=9", *name_photographs(folder))
    assert read_output("verify", *options).count(": 0 of ") == 5


def test_files_larger_than_what_the_network_sees_are_verified(tiny_run: Path, folder: Path, tmp_path: Path) -> None:
    """Their pixels are more than the size of the manifest has, and the size is the protocol's, not that of the data."""
    path = tmp_path / "small.json"
    benchmark.main(list_words(tiny_run, folder, path, "--protocol={size: [24, 32], scored_at: file}"))
    assert np.sum(read_record(path).cells[0].counts["confusion"]) > 24 * 32 * len(SIZES)
    assert "not checked  number of pixels" in read_output("verify", path)
    options = (path, f"--checkpoint={tiny_run / 'best.ckpt'}", "--conditions=2", *name_photographs(folder))
    assert read_output("verify", *options).count(": 0 of ") == 2


def test_settings_that_are_written_out_have_a_name_of_their_own() -> None:
    one, other, same = map(
        name_protocol, ("{scored_at: file}", "{scored_at: file, aspect: pad}", "{'scored_at': 'file'}")
    )
    assert one.startswith("protocol-")
    assert one == same != other
    assert name_protocol("runs/mine.yaml") == "mine"


def test_a_report_says_how_to_make_a_record_again(kept: Path) -> None:
    """With the settings of its protocol in the command itself."""
    command = format_commands(read_record(kept), kept, "0123456789").splitlines()[1]
    words = shlex.split(command)
    found = find_protocol(words[words.index("--protocol") + 1])
    assert (found.size, found.aspect, found.scored_at, found.ignored) == ((48, 192), "keep", "file", ["background"])
    assert found.windows is not None
    assert found.windows.stride == (16, 32)


def test_two_processes_count_the_same(tiny_run: Path, folder: Path, kept: Path, protocol: Path, tmp_path: Path) -> None:
    words = (f"--protocol={protocol}", "--trainer.devices=2", "--name=kept")
    run_command("benchmark", *list_words(tiny_run, folder, tmp_path / "two.json", *words), **ONE_THREAD)
    (one, images), (other, counted) = open_record(kept), open_record(tmp_path / "two.json")
    assert (one.cells, one.data.hash, one.suite_hash) == (other.cells, other.data.hash, other.suite_hash)
    assert images is not None
    assert counted is not None
    assert all(np.array_equal(part, counted.counts[name]) for name, part in images.counts.items())


def test_records_of_different_protocols_do_not_rank_together(usual: Path, kept: Path, tmp_path: Path) -> None:
    words = "swept under different protocols (whole images and windows of 32 x 64 every 16 x 32)"
    for verb, further in (
        ("leaderboard", ()),
        ("compare", ()),
        ("curves", (f"--output={tmp_path / 'curves.png'}",)),
        ("report", (f"--output={tmp_path / 'report.html'}",)),
    ):
        assert words in read_refusal(verb, usual, kept, *further)
    table = read_output("leaderboard", usual, kept, "--allow-mixed")
    assert "scored at the size of the file" in table
    assert "ignored: background" in table


def test_an_unfinished_sweep_goes_on_under_its_protocol_alone(
    tiny_run: Path, folder: Path, protocol: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "record.json"
    words = list_words(tiny_run, folder, output, f"--protocol={protocol}")
    monkeypatch.setattr("experiments.sweeping.journal.Journal.remove", lambda self: None)
    benchmark.main(words)
    monkeypatch.undo()
    output.with_suffix(".unfinished").joinpath("batch-000001.npz").unlink()
    output.unlink()
    other = tmp_path / "other.yaml"
    other.write_text(PROTOCOL.replace("16, 32", "32, 32"))
    refusal = read_refusal("benchmark", *words[:-1], f"--protocol={other}")
    assert "holds an unfinished sweep with another protocol" in refusal
    assert "going on with" in read_output("benchmark", *words)


def test_a_checkpoint_that_slides_says_so_in_its_manifest(tiny_run: Path, folder: Path, tmp_path: Path) -> None:
    sliding = tmp_path / "sliding" / "best.ckpt"
    size = ("--window", "32", "32", "--stride", "16", "16")
    slide_verb.main([f"--checkpoint={tiny_run / 'best.ckpt'}", f"--output={sliding}", *size])
    settings = tmp_path / "same.yaml"
    settings.write_text("windows: {window: [32, 32], stride: [16, 16]}")
    given, found = f"--protocol={settings}", []
    for run, words in (
        (sliding.parent, ()),
        (tiny_run, (given,)),
        (sliding.parent, (given,)),
    ):
        output = tmp_path / f"{len(found)}.json"
        benchmark.main(list_words(run, folder, output, *words))
        found.append(read_record(output))
    assert len({record.suite_hash for record in found}) == 1
    assert found[0].cells == found[1].cells == found[2].cells
    assert found[0].suite.protocol_in_words == "windows of 32 x 32 every 16 x 16"
    settings.write_text("windows: {window: [64, 64]}")
    words = list_words(sliding.parent, folder, tmp_path / "no.json", given)
    assert "slides windows of its own" in read_refusal("benchmark", *words)


def test_refusals(tiny_run: Path, folder: Path, tmp_path: Path) -> None:
    words = list_words(tiny_run, folder, tmp_path / "no.json")
    assert "no protocol 'nothing': pass one of acdc_bravo" in read_refusal("benchmark", *words, "--protocol=nothing")
    path = tmp_path / "wrong.yaml"
    for text, sentence in (
        ("window: [32, 32]", "'window' is no setting of it"),
        ("windows: {window: [30, 32]}", "multiples of"),
        ("classes: [background, sky]", "'sky', which is no class of the data"),
    ):
        path.write_text(text)
        assert sentence in read_refusal("benchmark", *words, f"--protocol={path}")
    for text in ("{frames: 2}", "{scored_at: file", "{scored_at: [file]}", "{size: [1e400, 2]}"):
        assert "--protocol" in read_refusal("benchmark", *words, f"--protocol={text}")
    assert not (tmp_path / "no.json").exists()
