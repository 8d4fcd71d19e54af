"""A network of several tasks is swept: each task has its scores under every condition, and they recompute."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import TINY, run_command
from sklearn.metrics import f1_score

from datamodules.datasets.synthetic import SyntheticDataModule
from experiments.checkpoints.checkpoint import load_module
from experiments.record_files.record_file import open_record
from user_error import UserError

SUITE = """
name: tasks
version: 1
corruptions:
  - class_path: datamodules.corruptions.noise.GaussianNoise
  - class_path: datamodules.corruptions.geometric.RotationMaskMoved
severities: {gaussian_noise: [2], rotation_mask_moved: [3]}
"""


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Checkpoint and record of a small training with all tasks."""
    run = tmp_path_factory.mktemp("tasks")
    words = [word for word in TINY if not word.startswith("--config")]
    config = "--config=experiments/configs/recipe/synthetic_unet_multi_task.yaml"
    run_command("fit", config, *words, "--trainer.max_epochs=1", "--trainer.accelerator=cpu", f"--run={run}")
    content = torch.load(run / "best.ckpt", weights_only=True)
    content["state_dict"]["network.heads.depth.bias"] += 2.0  # so short a training leaves all depths at about 1
    torch.save(content, run / "best.ckpt")
    (run / "tasks.yaml").write_text(SUITE)
    record = run / "record.json"
    options = [f"--suite={run / 'tasks.yaml'}", f"--output={record}", "--pictures=0", "--trainer.accelerator=cpu"]
    run_command("benchmark", f"--checkpoint={run / 'best.ckpt'}", *options)
    return run / "best.ckpt", record


@torch.inference_mode()
def test_scores_of_clean_images(swept: tuple[Path, Path]) -> None:
    """By scikit-learn and by hand, image by image."""
    checkpoint, path = swept
    record, images = open_record(path)
    assert images is not None
    tasks = {f"task_{name}" for name in ("classification", "boundary", "distance", "depth", "reconstruction")}
    assert tasks < set(record.counts)
    assert tasks < set(images.counts)
    scores = record.cells[0].scores
    module = load_module(checkpoint)
    data = SyntheticDataModule(train=24, val=9, test=13, size=(64, 64), num_workers=0)
    shown, message, close, squares = [], [], [], []
    for sample in (data.make_dataset("test")[index] for index in range(13)):
        image = torch.from_numpy(sample["image"]).permute(2, 0, 1)[None]
        outputs = module.network.compute_outputs(image)  # type: ignore[operator]
        shown.append([np.any(sample["mask"] == number) for number in range(5)])
        message.append((outputs["classification"][0] > 0).tolist())
        close.append((outputs["depth"][0, 0] - torch.from_numpy(sample["depth"]).log()).abs() < np.log(1.25))
        levels = (outputs["reconstruction"].clamp(0, 1) * 255).round() - image
        squares.append(levels.square().mean())
    present = np.flatnonzero(np.any(shown, 0) | np.any(message, 0))
    expected = f1_score(np.array(shown), np.array(message), labels=present, average="macro", zero_division=0)
    assert scores["classification.f1"] == pytest.approx(expected, abs=0.02)  # a tie may fall the other way
    assert 0.1 < torch.stack(close).float().mean() < 1
    assert scores["depth.delta1"] == pytest.approx(torch.stack(close).float().mean().item(), abs=1e-3)
    expected = 10 * np.log10(255**2 / torch.stack(squares).mean().item())
    assert scores["reconstruction.psnr"] == pytest.approx(expected, abs=1e-3)


def test_what_does_not_move_with_the_mask_is_not_scored(swept: tuple[Path, Path]) -> None:
    record, _ = open_record(swept[1])
    clean, noise, rotated = (cell.counts for cell in record.cells)
    scores = record.cells[2].scores
    for name in ("task_depth", "task_reconstruction"):
        assert noise[name][0] == clean[name][0]
        assert rotated[name][0] == 0
    assert {scores[name] for name in ("depth.delta1", "depth.relative_error", "reconstruction.psnr")} == {None}
    assert scores["classification.f1"] is not None
    assert scores["boundary.f1"] is not None
    assert 0 < rotated["task_distance"][0] < clean["task_distance"][0]  # what came in from outside is ignored


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["counts"]["task_depth"].__setitem__(1, c["counts"]["task_depth"][1] + 1), "depth.delta1"),
        (lambda c: c["scores"].update({"boundary.f1": 0.99}), "boundary.f1"),
        (lambda c: c["counts"]["task_distance"].pop(), "no task_distance of 2 counts"),
        (lambda c: c["counts"].update(task_flow=c["counts"].pop("task_depth")), "no task_depth of 3 counts"),
        (lambda c: c["counts"].pop("task_depth"), "no task_depth of 3 counts"),
    ],
)
def test_an_altered_task_is_found(swept: tuple[Path, Path], tmp_path: Path, change: object, message: str) -> None:
    content = json.loads(swept[1].read_text())
    change(content["cells"][1])  # type: ignore[operator]
    (tmp_path / "record.json").write_text(json.dumps(content))
    (tmp_path / "record.npz").write_bytes(swept[1].with_suffix(".npz").read_bytes())
    with pytest.raises(UserError, match=message):
        open_record(tmp_path / "record.json")


def make_negative(counts: np.ndarray) -> np.ndarray:
    """The same sums, but no counts of images."""
    counts = counts.copy()
    counts[0] -= 10**6
    counts[1] += 10**6
    return counts


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda counts: np.full(counts.shape, "many"), "no per-image counts"),
        (make_negative, "not the sum of its images"),
        (lambda counts: counts + 1, "not the sum of its images"),
        (lambda counts: counts[:, :1], "counts of another shape"),
    ],
    ids=["words", "negative", "more", "one_condition"],
)
def test_strange_counts_of_images_are_refused(
    swept: tuple[Path, Path], tmp_path: Path, change: Callable[[np.ndarray], np.ndarray], message: str
) -> None:
    """Also where the record states the hash of the altered file: it may come from a stranger."""
    with np.load(swept[1].with_suffix(".npz"), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    np.savez_compressed(tmp_path / "record.npz", **arrays | {"task_depth": change(arrays["task_depth"])})
    content = json.loads(swept[1].read_text())
    content["per_image"]["sha256"] = hashlib.sha256((tmp_path / "record.npz").read_bytes()).hexdigest()
    (tmp_path / "record.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=message):
        open_record(tmp_path / "record.json")
