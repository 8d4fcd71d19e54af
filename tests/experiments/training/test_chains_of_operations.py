"""Chains of operations in trainings by the command line."""

from pathlib import Path

import pytest
from command_line import ROOT
from resumed import assert_resumes, fit

from experiments.checkpoints.checkpoint import load_module

CONFIGS = "experiments/configs/batch_transform"
METHODS = ("augmix", "pixmix", "randaugment", "trivial_augment")
ALL = [
    f"--model.init_args.batch_transforms+={CONFIGS}/augmix.yaml",
    "--model.init_args.batch_transforms.geometric_severity=0.3",
    f"--model.init_args.batch_transforms+={CONFIGS}/trivial_augment.yaml",
    f"--model.init_args.batch_transforms+={CONFIGS}/randaugment.yaml",
    f"--model.init_args.batch_transforms+={CONFIGS}/mixup.yaml",
    f"--model.init_args.batch_transforms+={CONFIGS}/pixmix.yaml",
    "--model.init_args.batch_transforms.pictures=4",
]


def test_all_together_resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With targets of several tasks, which rotations move."""
    assert_resumes("synthetic_unet_multi_task", tmp_path, monkeypatch, *ALL)


@pytest.mark.parametrize("method", METHODS)
def test_a_training_with_one(method: str, tmp_path: Path) -> None:
    assert (ROOT / CONFIGS / f"{method}.yaml").is_file()
    fit(
        "synthetic_unet",
        tmp_path / "run",
        f"--model.init_args.batch_transforms+={CONFIGS}/{method}.yaml",
        "--trainer.max_epochs=1",
        steps=3,
    )
    [transform] = load_module(tmp_path / "run" / "last.ckpt").batch_transforms
    assert type(transform).__name__.lower() == method.replace("_", "")
