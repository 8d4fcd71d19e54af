import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import ROOT, read_refusal, run_command
from sklearn.metrics import confusion_matrix
from tiny_folder import make_tiny_folder

from datamodules.datasets.folder import FolderDataModule
from datamodules.datasets.synthetic import SyntheticDataModule
from experiments.checkpoints.checkpoint import load_module
from experiments.commands.evaluate import benchmark
from experiments.evaluation.recipe import compute_recipe_key
from experiments.evaluation.scoring import find_intervals, make_cells, make_summary
from experiments.files.secret import find_secret
from experiments.record_files.record_file import open_record, read_record
from experiments.sweeping.journal import Journal
from experiments.sweeping.suite import Suite
from experiments.sweeping.sweep_loop import SweepLoop

ONE_THREAD = {"OMP_NUM_THREADS": "1"}
OTHER_IMAGES = ("--data.init_args.scene_seed=1", "--data.init_args.test=4")


def sweep(run: Path, output: Path, *words: str, **environment: str) -> Path:
    run_command(
        "benchmark", f"--checkpoint={run / 'best.ckpt'}", "--suite=smoke", f"--output={output}", *words, **environment
    )
    return output


def read_counts(path: Path) -> list:
    """All that a record counts, and what follows from it; what names the call itself is left out."""
    record, images = open_record(path)
    assert images is not None
    pictures = [picture.model_dump(exclude={"file"}) for picture in record.pictures]
    cells = [cell.model_dump() for cell in record.cells]
    return [
        *record.totals.values(),
        *images.counts.values(),
        images.ids,
        cells,
        record.summary,
        pictures,
        record.data.hash,
    ]


def assert_same(one: Path, two: Path) -> None:
    for left, right in zip(read_counts(one), read_counts(two), strict=True):
        np.testing.assert_array_equal(left, right)


def test_record_says_what_ran(tiny_record: Path) -> None:
    record, images = open_record(tiny_record)
    assert record.conditions[0] == ("clean", 0)
    assert [*dict.fromkeys(name for name, _ in record.conditions)] == ["clean", "gaussian_noise", "jpeg_compression"]
    assert record.data.images == 13
    assert record.suite.model_extra["size"] == [64, 64]
    assert record.recipe["model"]["init_args"]["network"]["init_args"]["architecture"] == "Unet"
    assert len(record.checkpoint["sha256"]) == 64
    assert images is not None
    bounds, cell_bounds = find_intervals(record.conditions, images, record.suite)
    assert make_summary(record.conditions, record.totals, record.suite, bounds, "images") == record.summary
    assert make_cells(record.conditions, record.totals, cell_bounds) == record.cells
    assert len(set(images.ids)) == 13


def test_counts_are_those_of_a_plain_loop(tiny_run: Path, tiny_record: Path) -> None:
    """Image by image, without data module, trainer or metric: the same pixels up to ties, the same counts."""
    record = read_record(tiny_record)
    settings = record.recipe["data"]["init_args"]
    data = SyntheticDataModule(**{key: settings[key] for key in ("train", "val", "test", "size", "num_classes")})
    dataset, module = data.make_dataset("test"), load_module(tiny_run / "best.ckpt")
    suite = Suite.from_yaml(ROOT / "experiments/configs/suite/smoke.yaml")
    confusion = record.totals["confusion"]
    total = np.zeros_like(confusion)
    for index in range(len(dataset)):
        sample = dataset[index]
        image = torch.from_numpy(sample["image"].transpose(2, 0, 1).copy())[None]
        mask = torch.from_numpy(sample["mask"]).long()[None]
        for number, condition in enumerate(suite.conditions):
            with torch.inference_mode():
                observed, _ = condition(module.network, image, mask, [dataset.ids[index]], 0)
                predicted = module(observed).argmax(1)[0].numpy()
            counted = sample["mask"] != 255
            total[number] += confusion_matrix(sample["mask"][counted], predicted[counted], labels=range(5))
    assert np.abs(total - confusion).sum() <= 4
    assert total.sum() == confusion.sum()


def test_two_processes_count_as_one(tiny_run: Path, tiny_record: Path, tmp_path: Path) -> None:
    """13 images in batches of 4: the last batch is filled up, and the processes get two batches each."""
    two = sweep(tiny_run, tmp_path / "two.json", "--trainer.devices=2", "--trainer.accelerator=cpu", **ONE_THREAD)
    assert_same(tiny_record, two)
    assert [read_record(path).environment["processes"] for path in (tiny_record, two)] == [1, 2]


def test_more_processes_than_batches(tiny_run: Path, tmp_path: Path) -> None:
    """One process has nothing but filling."""
    words = ("--data.init_args.test=3", "--trainer.accelerator=cpu")
    one = sweep(tiny_run, tmp_path / "one.json", "--trainer.devices=1", *words, **ONE_THREAD)
    two = sweep(tiny_run, tmp_path / "two.json", "--trainer.devices=2", *words, **ONE_THREAD)
    assert_same(one, two)


def test_a_killed_sweep_goes_on_with_another_number_of_processes(tiny_run: Path, tmp_path: Path) -> None:
    """Killed by SIGKILL after its first batches, then finished by two; see tests/kills.py for one and one."""
    words = ("--data.init_args.test=24", "--suite=core", "--trainer.accelerator=cpu")
    unbroken = sweep(tiny_run, tmp_path / "whole.json", "--trainer.devices=1", *words, **ONE_THREAD)
    output = tmp_path / "killed.json"
    journal = output.with_suffix(".unfinished")
    command = [sys.executable, "-m", "experiments", "benchmark", f"--checkpoint={tiny_run / 'best.ckpt'}"]
    process = subprocess.Popen(
        [*command, "--suite=smoke", f"--output={output}", "--trainer.devices=1", *words],
        cwd=ROOT,
        env={**os.environ, **ONE_THREAD},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while len(list(journal.glob("batch-*.npz"))) < 2 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = len(list(journal.glob("batch-*.npz")))
    assert 2 <= done < 6
    assert not output.exists()
    again = run_command(
        "benchmark",
        f"--checkpoint={tiny_run / 'best.ckpt'}",
        "--suite=smoke",
        f"--output={output}",
        "--trainer.devices=2",
        *words,
        **ONE_THREAD,
    )
    assert f"going on with {journal}: {done * 4} of 24" in again.stdout
    assert not journal.exists()
    assert_same(unbroken, output)


def test_an_unfinished_sweep_of_something_else_is_kept(tiny_run: Path, tmp_path: Path) -> None:
    journal = tmp_path / "record.unfinished"
    Journal(journal, {"suite": "other"}).open(find_secret()[0])
    words = (
        "benchmark",
        f"--checkpoint={tiny_run / 'best.ckpt'}",
        "--suite=smoke",
        f"--output={tmp_path / 'record.json'}",
    )
    assert "holds an unfinished sweep with another" in read_refusal(*words)
    assert journal.exists()
    run_command(*words, "--restart")


def test_numbers_of_strangers_are_swept_anew(tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole journal in the very format, but of somebody else's key; and batches of theirs in a journal of ours."""
    output, retained = tmp_path / "a.json", tmp_path / "kept"
    words = [
        f"--checkpoint={tiny_run / 'best.ckpt'}",
        "--suite=smoke",
        f"--output={output}",
        "--trainer.accelerator=cpu",
    ]
    monkeypatch.setattr(Journal, "remove", lambda self: None)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "strangers"))
    benchmark.main(words)
    monkeypatch.undo()
    journal = output.with_suffix(".unfinished")
    before, forged = read_counts(output), list(journal.glob("batch-*.npz"))
    assert "not begun by this user" in read_refusal("benchmark", *words)
    shutil.copytree(journal, retained)
    monkeypatch.setattr(Journal, "sum_up", lambda self: pytest.fail("swept"))
    with pytest.raises(pytest.fail.Exception):
        benchmark.main([*words, "--restart"])
    monkeypatch.undo()
    for path in forged:
        shutil.copy(retained / path.name, path)
    passes = count_passes(monkeypatch)
    benchmark.main(words)
    assert len(passes) == len(forged)
    for left, right in zip(before, read_counts(output), strict=True):
        np.testing.assert_array_equal(left, right)


def count_passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The batches that are swept from now on, as they come."""
    passes, step = [], SweepLoop.test_step

    def counted(self: SweepLoop, batch: dict, batch_idx: int) -> None:
        passes.append(batch_idx)
        step(self, batch, batch_idx)

    monkeypatch.setattr(SweepLoop, "test_step", counted)
    return passes


def test_a_sweep_without_a_place_for_its_key(tiny_run: Path, tmp_path: Path) -> None:
    """It runs, and says that it could not go on."""
    (tmp_path / "file").write_text("")
    command = (
        "benchmark",
        f"--checkpoint={tiny_run / 'best.ckpt'}",
        "--suite=smoke",
        f"--output={tmp_path / 'a.json'}",
    )
    result = run_command(*command, "--trainer.devices=2", "--trainer.accelerator=cpu", XDG_STATE_HOME=tmp_path / "file")
    assert result.stdout.count("this sweep cannot go on") == 1
    assert read_record(tmp_path / "a.json").data.images == 13


def test_all_batches_done_but_no_record(
    tiny_run: Path, tiny_record: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the last batch and the record."""
    monkeypatch.setattr("experiments.sweeping.journal.Journal.remove", lambda self: None)
    benchmark.main([f"--checkpoint={tiny_run / 'best.ckpt'}", "--suite=smoke", f"--output={tmp_path / 'b.json'}"])
    (tmp_path / "b.json").unlink()
    sweep(tiny_run, tmp_path / "b.json")
    for left, right in zip(read_counts(tiny_record), read_counts(tmp_path / "b.json"), strict=True):
        np.testing.assert_array_equal(left, right)


def test_batch_size_and_workers_draw_the_same_pixels(tiny_run: Path, tiny_record: Path, tmp_path: Path) -> None:
    other = sweep(tiny_run, tmp_path / "x.json", "--data.init_args.eval_batch_size=7", "--data.init_args.num_workers=2")
    assert read_record(other).data.hash == read_record(tiny_record).data.hash
    assert (
        np.abs(read_record(other).totals["confusion"] - read_record(tiny_record).totals["confusion"]).sum() <= 8
    )  # ties


def test_real_shifts_and_missing_channels(tiny_run: Path, tmp_path: Path) -> None:
    """Images selected by meta.csv are scored as if they were swept by themselves."""
    root = make_tiny_folder(tmp_path / "data", 5, SyntheticDataModule().classes)
    (root / "meta.csv").write_text("split,stem,light\ntest,0,day\ntest,1,dusk\ntest,2,day\n")
    suite = tmp_path / "shift.yaml"
    suite.write_text("name: shift\nversion: 1\nshifts: {light: [day, dusk]}\nmissing: {fills: [zero]}\n")
    data = (
        "--data=experiments/configs/data/camvid.yaml",
        f"--data.init_args.root={root}",
        "--data.init_args.size=[48,64]",
        "--data.init_args.eval_batch_size=2",
        "--data.init_args.sequence=null",
    )
    path = sweep(tiny_run, tmp_path / "shift.json", f"--suite={suite}", *data, "--data.init_args.unit=light")
    record, images = open_record(path)
    assert images is not None
    assert (record.data.unit, images.units) == ("light", ["day", "dusk", "day"])
    assert "groups of images by light" in record.summary.interval_method
    names = [name for name, _ in record.conditions]
    assert names[:4] == ["clean", "light=day", "light=dusk", "without_red"]
    assert len(names) == 9
    clean, day, dusk = (cell.counts["confusion"] for cell in record.cells[:3])
    assert np.array_equal(np.add(day, dusk), clean)
    classes = images.counts["classes"]
    assert classes[[0, 2], 2].sum() == classes[1, 1].sum() == 0
    assert list(record.summary.shifts) == names[1:3]
    alone = '--data.init_args.where={"test": {"light": ["dusk"]}}'
    only = read_record(sweep(tiny_run, tmp_path / "dusk.json", *data, alone))
    assert only.data.images == 1
    assert np.abs(np.subtract(only.cells[0].counts["confusion"], dusk)).sum() <= 4  # ties of logits
    (root / "meta.csv").unlink()
    words = ("benchmark", f"--checkpoint={tiny_run / 'best.ckpt'}", f"--suite={suite}", *data)
    assert "know no 'light'" in read_refusal(*words)
    assert "do not know the 'patient'" in read_refusal(*words, "--data.init_args.unit=patient")


def test_another_seed_draws_other_noise(tiny_run: Path, tiny_record: Path, tmp_path: Path) -> None:
    other = read_record(sweep(tiny_run, tmp_path / "x.json", "--seed=1"))
    first = read_record(tiny_record)
    assert other.cells[0] == first.cells[0]
    assert other.cells[1].counts["confusion"] != first.cells[1].counts["confusion"]
    assert other.suite_hash != first.suite_hash


def test_a_full_disk_leaves_no_record(tiny_run: Path, tmp_path: Path) -> None:
    """No file may grow beyond a kilobyte: the system refuses as it does where nothing is left."""
    command = f"ulimit -f 1; exec {sys.executable} -m experiments benchmark --checkpoint {tiny_run / 'best.ckpt'}"
    result = subprocess.run(
        ["bash", "-c", f"{command} --suite smoke --output {tmp_path / 'record.json'}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    assert "the disk is full" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "record.json").exists()


def test_the_data_of_the_training_are_kept(tiny_run: Path, tiny_record: Path, tmp_path: Path) -> None:
    """Swept on other images, a record still says what the network was trained on, and is the same recipe."""
    own, other = (read_record(path) for path in (tiny_record, sweep(tiny_run, tmp_path / "x.json", *OTHER_IMAGES)))
    assert "trained_on" not in own.recipe
    assert other.recipe["data"]["init_args"]["scene_seed"] == 1
    assert other.recipe["trained_on"] == own.recipe["data"]
    assert compute_recipe_key(other.recipe) == compute_recipe_key(own.recipe) is not None


def test_checkpoint_away_from_its_run_folder(tiny_run: Path, tmp_path: Path) -> None:
    lonely = shutil.copy(tiny_run / "best.ckpt", tmp_path / "net.ckpt")
    assert "--data" in read_refusal("benchmark", f"--checkpoint={lonely}")
    run_command(
        "benchmark",
        f"--checkpoint={lonely}",
        "--suite=smoke",
        "--data=experiments/configs/data/synthetic.yaml",
        "--data.init_args.size=[64,64]",
        "--data.init_args.test=4",
    )
    assert (tmp_path / "record-smoke.json").exists()


def test_refusals(tiny_run: Path, tmp_path: Path) -> None:
    checkpoint = f"--checkpoint={tiny_run / 'best.ckpt'}"
    assert "core, " in read_refusal("benchmark", checkpoint, "--suite=imaginary")
    assert "no checkpoint" in read_refusal(
        "benchmark", "--checkpoint=nowhere.ckpt", "--data=experiments/configs/data/synthetic.yaml"
    )
    assert "classes" in read_refusal("benchmark", checkpoint, "--data.init_args.num_classes=3")
    root = make_tiny_folder(tmp_path / "data", 5, SyntheticDataModule().classes)
    (root / "dataset.yaml").write_text((root / "dataset.yaml").read_text() + "channels: [T1, FLAIR]\n")
    folder = ("--data=experiments/configs/data/lgg_mri.yaml", f"--data.init_args.root={root}")
    assert "images of 3 channels" in read_refusal("benchmark", checkpoint, *folder)
    assert "num_clases" in read_refusal("benchmark", checkpoint, "--data.init_args.num_clases=3")
    assert "from 0 to 20" in read_refusal("benchmark", checkpoint, "--pictures=21")
    (tmp_path / "file").write_text("")
    assert str(tmp_path / "file") in read_refusal(
        "benchmark", checkpoint, f"--output={tmp_path / 'file' / 'record.json'}"
    )


def test_folder_and_checkpoint_are_read_once(tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To search a folder takes long on a network, and to hash a checkpoint on any disk."""
    root = make_tiny_folder(tmp_path / "data", 5, SyntheticDataModule().classes)
    searched: list[str] = []
    search = FolderDataModule.make_dataset
    monkeypatch.setattr(
        FolderDataModule, "make_dataset", lambda self, split: (searched.append(split), search(self, split))[1]
    )
    hashed: list[str] = []
    take = hashlib.file_digest
    monkeypatch.setattr(
        hashlib, "file_digest", lambda file, kind: (hashed.append(Path(file.name).name), take(file, kind))[1]
    )
    words = [f"--checkpoint={tiny_run / 'best.ckpt'}", "--suite=smoke", f"--output={tmp_path / 'record.json'}"]
    words += ["--data=experiments/configs/data/camvid.yaml", f"--data.init_args.root={root}", "--pictures=2"]
    words += ["--data.init_args.size=[32,32]", "--data.init_args.eval_batch_size=2", "--trainer.accelerator=cpu"]
    words += ["--data.init_args.sequence=null"]
    benchmark.main([*words, "--data.init_args.num_workers=0"])
    assert searched == ["test"]
    assert hashed.count("best.ckpt") == 1


def test_faster_passes_state_what_they_change_and_are_verified(
    tiny_run: Path, tiny_record: Path, tmp_path: Path
) -> None:
    folded = sweep(tiny_run, tmp_path / "folded.json", "--passes=folded")
    stated, exact = read_record(folded).environment, read_record(tiny_record).environment
    assert stated["passes"] == "folded"
    assert "passes" not in exact
    effect = stated["passes_effect"]
    assert effect["conditions"] == len(read_record(folded).cells)
    assert effect["changed"] <= 1e-3 * effect["pixels"]
    assert "pixels differ" in run_command("verify", folded, f"--checkpoint={tiny_run / 'best.ckpt'}").stdout
    board = run_command("leaderboard", folded, tiny_record, "--allow-mixed").stdout
    assert f"Not computed exactly: tiny (folded passes at 32-true, at least {effect['changed']} of" in board
    rounded = sweep(tiny_run, tmp_path / "bf16.json", "--trainer.precision=bf16-mixed")
    assert read_record(rounded).environment["passes_effect"]["changed"] > 0
