"""Every network trains by a synthetic recipe, switched on by its YAML alone, and its checkpoint rebuilds it."""

from pathlib import Path

import pytest
import torch
import yaml
from command_line import TINY
from networks import OF_LIBRARIES, PATHS, smaller

from datamodules.datasets.synthetic import SyntheticDataModule
from experiments.checkpoints.checkpoint import load_module
from experiments.training.cli import run_cli
from lightning_modules.metrics.counts import compute_confusion, mean_iou


@pytest.mark.parametrize("path", [path for path in PATHS if path.stem not in OF_LIBRARIES], ids=lambda path: path.stem)
def test_network_trains(path: Path, tmp_path: Path) -> None:
    """An epoch through the command line; the rebuilt network scores on new scenes what validation said."""
    run = tmp_path / "run"
    words = [word for word in TINY if "network" not in word and ".size" not in word]
    network = tmp_path / path.name
    network.write_text(yaml.safe_dump(smaller(yaml.safe_load(path.read_text()))))
    words += [f"--model.init_args.network={network}", "--trainer.max_epochs=1"]
    if "multi_task" in path.stem:  # another objective is refused, since it would leave their tasks out
        words.append("--model.init_args.objective=experiments/configs/objective/multi_task.yaml")
    words += ["--data.init_args.size=[32,48]", "--data.init_args.train=8", "--data.init_args.val=5"]
    run_cli([*words, "--trainer.accelerator=cpu", f"--run={run}"])
    module = load_module(run / "last.ckpt").eval()
    data = SyntheticDataModule(train=8, val=5, test=13, size=(32, 48), batch_size=4, num_workers=0)
    confusion = torch.zeros(5, 5, dtype=torch.long)
    with torch.inference_mode():
        for batch in data.val_dataloader():
            predicted = module.predict_logits(batch["image"]).argmax(1)
            confusion += compute_confusion(predicted, batch["mask"].long(), 5).sum(0)
    last = (run / "metrics/version_0/metrics.csv").read_text().splitlines()
    heads = last[0].split(",")
    scores = [line.split(",")[heads.index("val/miou")] for line in last[1:]]
    assert float(mean_iou(confusion[None])[0]) == pytest.approx(float([one for one in scores if one][-1]), abs=1e-6)
