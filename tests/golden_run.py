"""One short training and one sweep, as numbers that stay: a command to write them anew, and what a test holds them against.

The training's losses depend on the processor in their last digits. The sweep is of a network whose weights are small whole
numbers, so that what it predicts is the same everywhere.
"""

import csv
import json
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from command_line import TINY, run_command
from torch import Tensor

from datamodules.datasets.synthetic import SyntheticDataModule
from experiments.sweeping.suites import find_suite
from experiments.sweeping.sweep import sweep_temporarily
from lightning_modules.networks.base import SegmentationNetwork
from lightning_modules.segmentation import SegmentationModule

GOLDEN = Path(__file__).with_suffix(".json")
WHOLE = ["--model.init_args.network.init_args.encoder_depth=5", "--model.init_args.network.init_args.decoder={}"]
"""The numbers are those of a U-Net of five steps."""


class Thresholds(SegmentationNetwork):
    """Takes a pixel for the class whose levels it is closest to, by whole numbers alone."""

    def __init__(self, num_classes: int, in_channels: int = 3) -> None:
        super().__init__(num_classes, in_channels, stride=1)
        self.bias = torch.nn.Parameter(torch.zeros(1))

    def forward(self, image: Tensor) -> Tensor:
        total = image.int().sum(1, keepdim=True)
        centres = torch.arange(self.num_classes, device=image.device).view(1, -1, 1, 1) * 150
        return -(total - centres).abs().float() / 64

    def compute_logits(self, x: Tensor) -> Tensor:
        raise NotImplementedError


def run_sweep() -> dict[str, Any]:
    """Counts of the sweep over the core suite."""
    data = SyntheticDataModule(train=1, val=1, test=11, size=(48, 64), eval_batch_size=4, num_workers=0)
    module = SegmentationModule(partial(Thresholds), data.num_classes)
    suite = find_suite("core").adapt_to_data(data.channels, {})
    found = sweep_temporarily(module, data, suite, "cpu", "32-true")
    counts = {name: found.totals[name].tolist() for name in ("confusion", "boundary", "losses")}
    return {"conditions": [str(one) for one in suite.conditions], "digests": found.digests, **counts}


def run_training(folder: Path) -> dict[str, list[float]]:
    """Losses of each step, and the validation's mIoU of each epoch."""
    run_command("fit", *TINY, *WHOLE, "--trainer.log_every_n_steps=1", f"--run={folder / 'run'}", OMP_NUM_THREADS="1")
    with (folder / "run/metrics/version_0/metrics.csv").open() as file:
        rows = [*csv.DictReader(file)]
    return {name: [float(row[name]) for row in rows if row.get(name)] for name in ("train/loss", "val/miou")}


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        GOLDEN.write_text(json.dumps({"swept": run_sweep(), "trained": run_training(Path(folder))}) + "\n")
