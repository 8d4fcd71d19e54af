"""What the field adds next is one file and one YAML each: the examples of README and docs, in a copy of the project.

A network, a data set with a dense target, a batch transform and an objective train together; a corruption, a condition
that differentiates, one with a state, a counter and a score test what came of it. No file of the project is edited.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import ROOT
from doc_blocks import find_commands, find_files

from experiments.files.digest import compute_sha256

PACKAGES = ("datamodules", "lightning_modules", "experiments", "safe_files")
SCORE = "experiments/evaluation/scores/precision.py"
FAMILIES = {
    "lightning_modules/networks/plain.py",
    "lightning_modules/networks/parts/channel_scale.py",
    "lightning_modules/batch_transforms/noise.py",
    "lightning_modules/objectives/mirrored.py",
    "lightning_modules/metrics/counters/sure_errors.py",
    "lightning_modules/conditions/gradient_sign.py",
    "lightning_modules/conditions/running_statistics.py",
    "datamodules/corruptions/posterise.py",
    "datamodules/datasets/squares.py",
    SCORE,
}
TOGETHER = (
    "--model.init_args.encoder_weights=null",
    "--model.init_args.network=experiments/configs/network/plain.yaml",
    "--model.init_args.batch_transforms+=experiments/configs/batch_transform/noise.yaml",
    "--model.init_args.objective=experiments/configs/objective/mirrored.yaml",
    "--model.init_args.objective.init_args.inner=experiments/configs/objective/supervised.yaml",
    "--data.init_args.number=9",
    "--data.init_args.batch_size=4",
    "--trainer.log_every_n_steps=1",
)


def run(clone: Path, *words: object) -> str:
    """A command of the copy, as its user calls it."""
    command = [sys.executable, *map(str, words)]
    environment = {**os.environ, "PYTHONPATH": str(clone), "OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True)
    if result.returncode:
        pytest.fail(f"{' '.join(command)}\n{result.stdout}\n{result.stderr}")
    return result.stdout + result.stderr


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with the new files, of which none takes the place of another; the score comes later."""
    copy = tmp_path_factory.mktemp("clone")
    left_out = shutil.ignore_patterns("results", "__pycache__")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, copy / package, ignore=left_out)
    for path in ROOT.glob("*.py"):
        shutil.copy(path, copy)
    known = {path: compute_sha256(path) for path in copy.rglob("*") if path.is_file()}
    files = find_files()
    assert files.keys() >= FAMILIES
    for name, content in files.items():
        assert not (copy / name).exists()
        if name != SCORE:
            (copy / name).write_text(content, encoding="utf-8")
    assert all(compute_sha256(path) == digest for path, digest in known.items())
    return copy


def test_new_ideas_work_together(clone: Path) -> None:
    """By the commands that the page shows, with every other new idea switched on."""
    fit, sweep, verify = find_commands(ROOT / "docs" / "architecture.md", "### All of it together")
    run(clone, "-m", "experiments", *fit, *TOGETHER)
    heads = (clone / "runs/squares/metrics/version_0/metrics.csv").read_text().splitlines()[0]
    assert "train/mirrored" in heads
    printed = run(clone, "-m", "experiments", *sweep, "--trainer.accelerator=cpu")
    assert "kind attack" in printed
    assert "kind adaptation" in printed
    run(clone, "-m", "experiments", *verify)
    read = (
        "import sys; from pathlib import Path; from experiments.record_files.record_file import open_record\n"
        "record, images = open_record(Path('runs/squares/record-asked.json'))\n"
        "assert record.kinds == ['clean', 'corruption', 'attack', 'attack', 'adaptation', 'adaptation']\n"
        "assert set(record.summary.means) == {'attack', 'adaptation'}\n"
        "assert images.counts['sure_errors'].shape == (9, len(record.cells), 2)\n"
        "assert all(cell.counts['sure_errors'][0] == 9 * 64 * 64 for cell in record.cells)\n"
        "hit = [cell.counts['classes'][1][0] / max(cell.counts['classes'][1][1], 1) for cell in record.cells]\n"
        "scores = [cell.scores.get('class_precision') for cell in record.cells]\n"
    )
    run(clone, "-c", read + "assert scores == [None] * len(hit), scores\n")
    record, score = clone / "runs/squares/record-asked.json", clone / SCORE
    written = record.read_text()
    score.write_text(find_files()[SCORE], encoding="utf-8")
    known = "assert scores[0] is not None and scores[0] >= hit[0] / 2, (scores, hit)\n"
    run(clone, "-c", read + known)  # a record that was written before gets it
    other = clone / "other.json"
    shutil.copy(record, other)
    shutil.copy(record.with_suffix(".npz"), other.with_suffix(".npz"))
    other.write_text(written.replace('"name": "squares"', '"name": "other"').replace("record-asked.npz", "other.npz"))
    assert "class precision" in run(clone, "-m", "experiments", "compare", record, other, "--metric=class_precision")
    (clone / "lightning_modules/metrics/counters/sure_errors.py").unlink()
    run(clone, "-c", read)  # whoever does not know a counter passes it over
    assert record.read_text() == written


def test_dense_targets_of_the_data_move_with_their_image(clone: Path) -> None:
    """Under the augmentation of a recipe and CutMix: near its centre lies the square, and nothing far from it."""
    code = (
        "import torch\n"
        "from datamodules.datasets.squares import SquaresDataModule\n"
        "from datamodules.transforms import FlipScaleCrop\n"
        "from lightning_modules.batch_transforms.cutmix import CutMix\n"
        "from lightning_modules.training_batch import read_training_batch\n"
        "augmentation = FlipScaleCrop(scale=(0.8, 1.25), vertical_flip=0.5)\n"
        "data = SquaresDataModule(9, batch_size=3, num_workers=0, size=[56, 56], augmentation=augmentation)\n"
        "generator = torch.Generator().manual_seed(0)\n"
        "for batch in data.train_dataloader():\n"
        "    for _, targets in CutMix(1.0)(read_training_batch(batch), generator).targets:\n"
        "        mask, far = targets['mask'], targets['remoteness']\n"
        "        known = (mask != 255) & far.isfinite()\n"
        "        assert (mask[known & (far < 10)] == 1).float().mean() > 0.99\n"
        "        assert (mask[known & (far > 19)] == 0).float().mean() > 0.99\n"
        "        assert known.float().mean() > 0.5\n"
    )
    run(clone, "-c", code)
