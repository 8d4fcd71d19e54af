"""What the field adds next is one file and one YAML each, in a copy of the project and without an edit elsewhere.

A network, a data set with a dense target, a batch transform and an objective train together; a corruption, a condition
that differentiates, one with a state, a counter and a score test what came of it.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import ROOT

from experiments.files.digest import sha256

PACKAGES = ("datamodules", "lightning_modules", "experiments", "safe_files")

IDEAS = {
    "lightning_modules/networks/own_network.py": '''
"""Two convolutions."""

from torch import Tensor, nn

from lightning_modules.networks.base import SegmentationNetwork


class OwnNetwork(SegmentationNetwork):
    """A small network.

    Args:
        num_classes: K.
        in_channels: C.
        width: channels between the convolutions.
    """

    def __init__(self, num_classes: int, in_channels: int = 3, width: int = 8) -> None:
        super().__init__(num_classes, in_channels, stride=1)
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, num_classes, 1)
        )

    def compute_logits(self, x: Tensor) -> Tensor:
        return self.layers(x)
''',
    "experiments/configs/network/own_network.yaml": """
class_path: lightning_modules.networks.own_network.OwnNetwork
init_args: {width: 6}
""",
    "datamodules/datasets/own_data.py": '''
"""Squares, and how high each pixel lies."""

import numpy as np

from datamodules.base import SegmentationDataModule, Split
from datamodules.dataset import Sample, SegmentationDataset
from datamodules.targets import declare_targets


class Squares(SegmentationDataset):
    targets = declare_targets(height="continuous")

    def __init__(self, number: int) -> None:
        self.ids = [str(place) for place in range(number)]

    def __getitem__(self, index: int) -> Sample:
        random = np.random.default_rng(index)
        mask = np.zeros((48, 48), np.uint8)
        top, left = random.integers(4, 24, 2)
        mask[top : top + 18, left : left + 18] = 1
        image = (random.normal(90, 20, (48, 48, 3)) + 80 * mask[..., None]).clip(0, 255).astype(np.uint8)
        return {"image": image, "mask": mask, "height": mask.astype(np.float32)}


class OwnData(SegmentationDataModule):
    def __init__(self, images: int = 10, batch_size: int = 4) -> None:
        super().__init__(["ground", "square"], batch_size=batch_size, num_workers=0)
        self.images = images

    def make_dataset(self, split: Split) -> Squares:
        return Squares(self.images)
''',
    "experiments/configs/data/own_data.yaml": """
class_path: datamodules.datasets.own_data.OwnData
init_args: {images: 9}
""",
    "lightning_modules/batch_transforms/own_transform.py": '''
"""Half turns."""

from dataclasses import replace

from lightning_modules.batch_transforms.base import BatchTransform


class HalfTurn(BatchTransform):
    """Turns the images and every target of their pixels by 180 degrees."""

    def __call__(self, batch, generator):
        def turned(name, value):
            return value if batch.kinds[name] == "whole" else value.flip(1, 2)

        targets = [
            one._replace(targets={name: turned(name, value) for name, value in one.targets.items()}) for one in batch.targets
        ]
        return replace(batch, image=batch.image.flip(2, 3), targets=targets)
''',
    "experiments/configs/batch_transform/own_transform.yaml": """
class_path: lightning_modules.batch_transforms.own_transform.HalfTurn
""",
    "lightning_modules/objectives/own_objective.py": '''
"""The masks, and beside them the height of each pixel."""

import torch

from lightning_modules.networks.network import SEGMENTATION, as_network
from lightning_modules.objectives.base import Objective, ObjectiveLoss


class WithHeight(Objective):
    """The loss of the masks, and the squared error of a class's probability against the height."""

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = weight

    @property
    def logged(self):
        return ["train/height"]

    def forward(self, network, batch, context):
        (logits,) = as_network(network).compute_training_outputs(batch.image)[SEGMENTATION]
        height = batch.compute_mean_loss(lambda targets: (logits.softmax(1)[:, 1] - targets["height"]).square().mean())
        mask = batch.compute_mean_loss(lambda targets: context.mask_loss(logits, targets["mask"]))
        return ObjectiveLoss(mask + self.weight * height, {"train/height": height.detach()})
''',
    "experiments/configs/objective/own_objective.yaml": """
class_path: lightning_modules.objectives.own_objective.WithHeight
init_args: {weight: 0.5}
""",
    "datamodules/corruptions/own_corruption.py": '''
"""Negatives."""

from torch import Tensor

from datamodules.corruptions.base import Corruption
from datamodules.corruptions.declaration import declare


class Negative(Corruption):
    """The image drawn towards its negative."""

    name = "negative"
    family = "lighting"
    severities = declare(ratio=(0.1, 0.2, 0.3, 0.4, 0.9))

    def corrupt(self, images: Tensor, keys: Tensor, *, ratio: float) -> Tensor:
        return (images + ratio * (255 - 2 * images.float())).round().to(images.dtype)
''',
    "lightning_modules/conditions/own_attack.py": '''
"""An attack."""

import torch
from torch.nn import functional as F

from lightning_modules.conditions.base import NetworkCondition


class OwnAttack(NetworkCondition):
    """A step along the sign of the gradient."""

    name = "own_attack"
    kind = "attack"
    needs_gradients = True

    def __init__(self, levels: float = 8.0) -> None:
        self.levels = levels

    @property
    def parameters(self):
        return {"levels": self.levels}

    def perturb(self, network, images, masks, keys):
        x = (images.float() / 255).requires_grad_()
        (slope,) = torch.autograd.grad(F.cross_entropy(network(x), masks, ignore_index=255), x)
        return (x + self.levels / 255 * slope.sign()).clamp(0, 1).detach()
''',
    "lightning_modules/conditions/own_adaptation.py": '''
"""Adaptation."""

from lightning_modules.conditions.base import NetworkCondition


class OwnAdaptation(NetworkCondition):
    """Normalises by the statistics of what it has seen so far."""

    name = "own_adaptation"
    kind = "adaptation"
    has_state = True
    parameters = {}

    def predict(self, network, images):
        network.layers[1].train()
        super().predict(network, images)
        network.eval()
        return super().predict(network, images)
''',
    "experiments/configs/suite/own_suite.yaml": """
name: own_suite
version: 1
corruptions: [{class_path: datamodules.corruptions.own_corruption.Negative}]
network_conditions:
  - class_path: lightning_modules.conditions.own_attack.OwnAttack
  - class_path: lightning_modules.conditions.own_adaptation.OwnAdaptation
""",
    "lightning_modules/metrics/counters/own_counter.py": '''
"""Predicted pixels of all images, in the margin and within."""

import torch

from lightning_modules.metrics.counters.base import CountForm, Counter


class Margins(Counter):
    def list_forms(self, num_classes):
        return {"margins": CountForm((2,), per_image=True)}

    def count(self, seen):
        right = (seen.predicted == seen.mask) & (seen.mask < seen.num_classes)
        inner = right[:, 4:-4, 4:-4].sum((1, 2))
        return {"margins": torch.stack([right.sum((1, 2)) - inner, inner], 1)}
''',
    "experiments/configs/counter/own_counter.yaml": """
class_path: lightning_modules.metrics.counters.own_counter.Margins
""",
    "experiments/evaluation/scores/own_score.py": '''
"""How much of what is right lies in the margin."""

from experiments.evaluation.scores.base import MeanScore
from experiments.evaluation.scores.shares import Share


def _ratio(counts):
    return Share(counts["margins"][..., :1], counts["margins"].sum(-1, keepdims=True))


SCORES = {"margin_ratio": MeanScore(("margins",), _ratio), "hit_ratio": MeanScore(
    ("classes",), lambda counts: Share(counts["classes"][..., 0], counts["classes"][..., 1]))}
''',
}


def run(clone: Path, *words: object, check: bool = True) -> str:
    """A command of the copy, as its user calls it."""
    command = [sys.executable, *map(str, words)]
    environment = {**os.environ, "PYTHONPATH": str(clone), "OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True)
    if check and result.returncode:
        pytest.fail(f"{' '.join(command)}\n{result.stdout}\n{result.stderr}")
    return result.stdout + result.stderr


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with the new files, of which none takes the place of another."""
    copy = tmp_path_factory.mktemp("clone")
    left_out = shutil.ignore_patterns("results", "__pycache__")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, copy / package, ignore=left_out)
    for path in ROOT.glob("*.py"):
        shutil.copy(path, copy)
    known = {path: sha256(path) for path in copy.rglob("*") if path.is_file()}
    for name, content in IDEAS.items():
        assert not (copy / name).exists()
        (copy / name).write_text(content.lstrip())
    assert all(sha256(path) == digest for path, digest in known.items())
    return copy


def test_new_ideas_work_together(clone: Path) -> None:
    earlier = clone / "earlier.json"
    words = ("-m", "experiments", "fit", "--config=experiments/configs/recipe/synthetic_unet.yaml")
    run(
        clone,
        *words,
        "--data=experiments/configs/data/own_data.yaml",
        "--model.init_args.encoder_weights=null",
        "--model.init_args.network=experiments/configs/network/own_network.yaml",
        "--model.init_args.batch_transforms+=experiments/configs/batch_transform/own_transform.yaml",
        "--model.init_args.objective=experiments/configs/objective/own_objective.yaml",
        "--trainer.max_epochs=2",
        "--trainer.log_every_n_steps=1",
        "--run=runs/own",
    )
    heads = (clone / "runs/own/metrics/version_0/metrics.csv").read_text().splitlines()[0]
    assert "train/height" in heads
    sweep = ("-m", "experiments", "benchmark", "--checkpoint=runs/own/best.ckpt", "--trainer.accelerator=cpu")
    run(clone, *sweep, "--suite=smoke", f"--output={earlier}")
    said = run(clone, *sweep, "--suite=own_suite", "--counters", "own_counter", "--output=own.json")
    assert "kind attack" in said
    assert "kind adaptation" in said
    code = (
        "import sys; from pathlib import Path; from experiments.record_files.record_file import open_record\n"
        "record, images = open_record(Path('own.json'))\n"
        "assert record.kinds == ['clean', *['corruption'] * 5, 'attack', 'adaptation'], record.kinds\n"
        "assert images.counts['margins'].shape == (9, 8, 2)\n"
        "right = [sum(cell.counts['confusion'][k][k] for k in (0, 1)) for cell in record.cells]\n"
        "assert [sum(cell.counts['margins']) for cell in record.cells] == right\n"
        "assert all(0 < cell.scores['margin_ratio'] < 1 for cell in record.cells if sum(cell.counts['margins']))\n"
        "assert set(record.summary.means) == {'attack', 'adaptation'}\n"
        "earlier, _ = open_record(Path('earlier.json'))\n"
        "assert 'hit_ratio' in earlier.cells[0].scores and 'margin_ratio' not in earlier.cells[0].scores\n"
    )
    run(clone, "-c", code)
    assert "margin_ratio" in run(
        clone, "-m", "experiments", "compare", "own.json", "own.json", "--metric=x", check=False
    )
    written = (clone / "own.json").read_text()
    shutil.copy(clone / "own.json", clone / "own_copy.json")
    (clone / "experiments/evaluation/scores/own_score.py").unlink()
    (clone / "lightning_modules/metrics/counters/own_counter.py").unlink()
    run(clone, "-c", code.split("assert images")[0] + "assert record.cells[0].scores['margin_ratio'] is not None\n")
    assert (clone / "own.json").read_text() == written  # who does not know a score or a counter passes it over


def test_dense_targets_of_the_data_move_with_their_image(clone: Path) -> None:
    """Under the augmentation of the recipe and the batch transform: the height stays the mask."""
    code = (
        "import torch\n"
        "from datamodules.own_data import OwnData\n"
        "from datamodules.transforms import FlipScaleCrop\n"
        "from lightning_modules.batch_transforms.own_transform import HalfTurn\n"
        "from lightning_modules.batch_transforms.cutmix import CutMix\n"
        "from lightning_modules.training_batch import read_training_batch\n"
        "data = OwnData()\n"
        "data.augmentation, data.size = FlipScaleCrop(scale=(0.8, 1.25), vertical_flip=0.5), (40, 40)\n"
        "generator = torch.Generator().manual_seed(0)\n"
        "for batch in data.train_dataloader():\n"
        "    moved = CutMix(1.0)(HalfTurn()(read_training_batch(batch), generator), generator)\n"
        "    for _, targets in moved.targets:\n"
        "        known = targets['mask'] != 255\n"
        "        close = (targets['height'] - targets['mask']).abs()[known & targets['height'].isfinite()] < 0.51\n"
        "        assert close.float().mean() > 0.99, close.float().mean()\n"
    )
    run(clone, "-c", code)
