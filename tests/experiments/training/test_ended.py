from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from command_line import TINY, read_output, read_refusal
from PIL import Image
from tiny_folder import make_tiny_folder

from experiments.training.ended import describe_end
from experiments.training.run_folder import RunFolder
from user_error import UserError

SHORT = [
    *TINY,
    "--trainer.max_epochs=1",
    "--data.init_args.train=4",
    "--data.init_args.val=4",
    "--data.init_args.size=[32,32]",
]


def test_what_is_left_is_named(tmp_path: Path):
    folder, best = RunFolder(tmp_path), SimpleNamespace(best_model_score=0.5)
    with pytest.raises(UserError, match="nothing was trained"):
        describe_end(folder, best, SimpleNamespace(global_step=0))
    with pytest.raises(UserError, match=r"3 steps were trained and nothing is kept.*at least 8 steps"):
        describe_end(folder, best, SimpleNamespace(global_step=3, num_training_batches=8))
    folder.last.touch()
    assert "last.ckpt (no epoch was validated" in describe_end(folder, best, SimpleNamespace(global_step=3))
    folder.best.touch()
    assert describe_end(folder, best, SimpleNamespace(global_step=3)).endswith("best.ckpt (validation mIoU 0.5000)")


def test_a_training_without_validation_does_not_name_a_best(tmp_path: Path):
    words = ["fit", *SHORT, f"--run={tmp_path / 'run'}", "--trainer.limit_val_batches=0"]
    assert f"trained: {tmp_path / 'run' / 'last.ckpt'} (no epoch was validated" in read_output(*words)
    assert "trained before: " + str(tmp_path / "run" / "last.ckpt") in read_output(*words)


@pytest.mark.parametrize("option", ["max_epochs", "max_steps"])
def test_a_training_of_no_step_keeps_the_weights_that_it_begins_from(tmp_path: Path, option: str):
    first, start = tmp_path / "first", tmp_path / "start"
    assert f"written: {first / 'best.ckpt'} (the weights that it begins from" in read_output(
        "fit", *SHORT, f"--run={first}", f"--trainer.{option}=0", "--seed_everything=3"
    )
    words = ["fit", *SHORT, f"--run={start}", f"--start={first / 'best.ckpt'}", f"--trainer.{option}=0"]
    assert f"written: {start / 'best.ckpt'}" in read_output(*words)
    assert f"trained before: {start / 'best.ckpt'}" in read_output(*words)
    before, after = (torch.load(run / "best.ckpt", weights_only=True)["state_dict"] for run in (first, start))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert "record: " in read_output(
        *("benchmark", f"--checkpoint={start / 'best.ckpt'}", "--suite=smoke", "--trainer.accelerator=cpu")
    )


def test_a_training_without_batches_names_no_checkpoint(tmp_path: Path):
    words = ["fit", *SHORT, f"--run={tmp_path / 'run'}"]
    assert "no epoch has a batch" in read_refusal(*words, "--trainer.limit_train_batches=0")
    assert "trained: " not in read_output(*words, "--trainer.fast_dev_run=true")
    assert not list(tmp_path.rglob("*.ckpt"))


@pytest.mark.parametrize(
    ("split", "message"), [("train", "training images is ignored"), ("val", "validation images is ignored")]
)
def test_masks_that_are_ignored_everywhere(tmp_path: Path, split: str, message: str):
    root = make_tiny_folder(tmp_path / "data", 2)
    with (root / "dataset.yaml").open("a") as file:
        file.write("ignore_index: 255\n")
    for path in (root / split / "masks").iterdir():
        Image.fromarray(np.full_like(np.asarray(Image.open(path)), 255)).save(path)
    words = [word for word in SHORT if not word.startswith("--data")]
    data = [
        "--data=datamodules.datasets.folder.FolderDataModule",
        f"--data.init_args.root={root}",
        "--data.init_args.batch_size=2",
    ]
    assert message in read_refusal("fit", *words, *data, "--data.init_args.num_workers=0", f"--run={tmp_path / 'run'}")
