"""Both orders of corruption and resize from the command line: sweep, processes, resumption, verification, comparison."""

from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import read_output, read_refusal, run_command
from photographs import make_photographs, name_photographs
from PIL import Image

from experiments.commands.evaluate import benchmark
from experiments.record_files.record_file import open_record, read_record

ONE_THREAD = {"OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_photographs(tmp_path_factory.mktemp("photographs"))


def sweep(run: Path, folder: Path, output: Path, *words: str) -> Path:
    options = (f"--checkpoint={run / 'best.ckpt'}", "--suite=smoke", f"--output={output}")
    run_command("benchmark", *options, *name_photographs(folder), *words, **ONE_THREAD)
    return output


def assert_same(one: Path, other: Path) -> None:
    (record, images), (again, counted) = open_record(one), open_record(other)
    assert (record.cells, record.summary, record.data.hash) == (again.cells, again.summary, again.data.hash)
    assert record.suite_hash == again.suite_hash
    assert images is not None
    assert counted is not None
    for name, part in images.counts.items():
        assert np.array_equal(part, counted.counts[name])


@pytest.fixture(scope="module")
def before(tiny_run: Path, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sweep(tiny_run, folder, tmp_path_factory.mktemp("before") / "before.json", "--name=before")


@pytest.fixture(scope="module")
def after(tiny_run: Path, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("after") / "after.json"
    return sweep(tiny_run, folder, output, "--name=after", "--order=resize_then_corrupt")


def test_records_say_where_images_were_corrupted(before: Path, after: Path) -> None:
    one, other = read_record(before), read_record(after)
    assert (one.suite.model_extra or {})["order"] == "corrupt, resize, normalise"
    assert (other.suite.model_extra or {})["order"] == "resize, corrupt, normalise"
    assert one.data.hash == other.data.hash  # the clean images are the same, bit for bit
    assert one.cells[0] == other.cells[0]
    confusions = [[cell.counts["confusion"] for cell in record.cells[1:]] for record in (one, other)]
    assert all(here != there for here, there in zip(*confusions, strict=True))


def test_records_of_different_orders_are_never_compared(before: Path, after: Path, tmp_path: Path) -> None:
    words = "swept with corruption before the resize and after the resize"
    assert words in read_refusal("leaderboard", before, after)
    assert words in read_refusal("compare", before, after)
    assert words in read_refusal("curves", before, after, f"--output={tmp_path / 'curves.png'}")
    assert words in read_refusal("report", before, after, f"--output={tmp_path / 'report.html'}")
    table = run_command("leaderboard", before, after, "--allow-mixed").stdout
    assert "smoke v1, corrupted before the resize" in table
    assert "smoke v1, corrupted after the resize" in table


@pytest.mark.parametrize("order", ["before", "after"])
def test_a_second_sweep_follows_the_order_of_the_record(
    tiny_run: Path, folder: Path, request: pytest.FixtureRequest, order: str
) -> None:
    path = request.getfixturevalue(order)
    options = (path, f"--checkpoint={tiny_run / 'best.ckpt'}", "--conditions=9")
    text = run_command("verify", *options, *name_photographs(folder), **ONE_THREAD).stdout
    assert text.count(": 0 of ") == 5


def test_two_processes_and_workers_count_the_same(tiny_run: Path, folder: Path, before: Path, tmp_path: Path) -> None:
    words = ("--trainer.devices=2", "--trainer.accelerator=cpu", "--data.init_args.num_workers=1", "--name=before")
    assert_same(before, sweep(tiny_run, folder, tmp_path / "two.json", *words))


def test_pictures_are_those_of_the_order(before: Path, after: Path) -> None:
    """Clean, corrupted, truth, prediction: the first tile is the same, the second is not."""
    names = {
        path: {(one.id, one.corruption, one.severity): one.file for one in read_record(path).pictures}
        for path in (before, after)
    }
    assert names[before]
    for key in names[before].keys() & names[after].keys():
        one, other = (np.asarray(Image.open(path.parent / names[path][key])) for path in (before, after))
        assert one.shape == other.shape
        assert np.array_equal(one[:, :64], other[:, :64])
        assert not np.array_equal(one[:, 68:132], other[:, 68:132])


def test_an_unfinished_sweep_goes_on_in_its_order_alone(
    tiny_run: Path, folder: Path, before: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "record.json"
    words = [f"--checkpoint={tiny_run / 'best.ckpt'}", "--suite=smoke", f"--output={output}", *name_photographs(folder)]
    words += ["--trainer.accelerator=cpu", "--name=before"]
    torch.set_num_threads(1)
    monkeypatch.setattr("experiments.sweeping.journal.Journal.remove", lambda self: None)
    benchmark.main(words)
    monkeypatch.undo()
    output.with_suffix(".unfinished").joinpath("batch-000001.npz").unlink()  # as if it had been killed before
    output.unlink()
    refusal = read_refusal("benchmark", *words, "--order=resize_then_corrupt")
    assert "holds an unfinished sweep with another suite" in refusal
    assert "going on with" in read_output("benchmark", *words)
    assert_same(before, output)
