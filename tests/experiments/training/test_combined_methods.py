"""Methods of training together: a training that is resumed, takes each step twice or gathers gradients is what it was to be."""

from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import run_command
from resumed import SHORT, assert_resumes, fit

from experiments.checkpoints.checkpoint import read_checkpoint
from lightning_modules.batch_transforms.cutmix import CutMix
from lightning_modules.batch_transforms.mixup import Mixup
from lightning_modules.optimizers.sam import SAM
from lightning_modules.segmentation import OBJECTIVE

TRANSFORMS = (
    "--model.init_args.batch_transforms+=experiments/configs/batch_transform/cutmix.yaml",
    "--model.init_args.batch_transforms.probability=1.0",
    "--model.init_args.batch_transforms+=experiments/configs/batch_transform/mixup.yaml",
    "--model.init_args.batch_transforms.alpha=1.0",
)


@pytest.mark.parametrize(
    ("words", "steps"),
    [
        (["--model.init_args.optimizer=experiments/configs/optimizer/sam.yaml"], 6),
        (["--trainer.accumulate_grad_batches=3"], 2),
    ],
    ids=["sam", "accumulated"],
)
def test_all_together_resume(words: list[str], steps: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_resumes("synthetic_unet_multi_task", tmp_path, monkeypatch, *TRANSFORMS, *words, steps=steps)


def test_two_passes_of_a_step_meet_one_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By what the transforms give, in a training with SAM; the next step meets another."""
    seen: list[Any] = []

    def spy(kind: type) -> None:
        call = kind.__call__  # type: ignore[operator]

        def noting(self: Any, batch: Any, generator: torch.Generator) -> Any:
            found = call(self, batch, generator)
            seen.append((kind, found.image.clone(), found.targets[0].weight))
            return found

        monkeypatch.setattr(kind, "__call__", noting)

    spy(CutMix)
    spy(Mixup)
    passes: list[int] = []
    perturb = SAM._perturb
    monkeypatch.setattr(SAM, "_perturb", lambda self: passes.append(len(seen)) or perturb(self))
    fit(
        "synthetic_unet",
        tmp_path / "run",
        *TRANSFORMS,
        "--model.init_args.optimizer=experiments/configs/optimizer/sam.yaml",
    )
    assert len(seen) == 6 * 2 * 2
    assert passes == [2, 6, 10, 14, 18, 22]
    for step in range(6):
        first, again = seen[4 * step : 4 * step + 2], seen[4 * step + 2 : 4 * step + 4]
        for (kind, image, weight), (other, second, ratio) in zip(first, again, strict=True):
            assert kind is other
            assert weight == ratio
            assert torch.equal(image, second)
    ratios = [weight for kind, _, weight in seen if kind is Mixup]
    assert len(set(ratios)) == 6


def test_two_processes_train_together(tmp_path: Path) -> None:
    """DistributedDataParallel finds a gradient of every parameter; what gradients weigh is the same everywhere.

    A teacher, which no process trains, stands beside.
    """
    words = [word for word in SHORT if not word.startswith("--data.init_args.train")]
    run = tmp_path / "run"
    run_command(
        "fit",
        "--config=experiments/configs/recipe/synthetic_unet_multi_task.yaml",
        *words,
        *TRANSFORMS,
        "--model.init_args.objective=experiments/configs/objective/mean_teacher.yaml",
        "--model.init_args.objective.init_args.inner=experiments/configs/objective/multi_task.yaml",
        "--model.init_args.objective.init_args.inner.init_args.weighting=experiments/configs/weighting/gradnorm.yaml",
        "--data.init_args.train=16",
        "--trainer.devices=2",
        "--trainer.strategy=ddp",
        "--trainer.max_epochs=1",
        f"--run={run}",
    )
    content = read_checkpoint(run / "last.ckpt")
    weights = content["state_dict"]["objective.inner.weighting.task_weights"]
    assert weights.sum() == pytest.approx(len(weights))
    assert not torch.equal(weights, torch.ones_like(weights))
    assert content[OBJECTIVE][""]["updates"] == content["global_step"] - 1
