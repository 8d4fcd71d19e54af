"""An interrupted sweep goes on over the same work alone: each of its parts is held against what it was."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from command_line import read_refusal
from PIL import Image
from tiny_folder import make_tiny_folder

from datamodules.datasets.synthetic import SyntheticDataModule
from experiments.__main__ import main
from experiments.commands.evaluate import benchmark
from experiments.sweeping.identity import find_change


class Interrupted:
    """A sweep that stops before its first batch."""

    def __init__(self, folder: Path, checkpoint: Path) -> None:
        self.folder = folder
        self.checkpoint = Path(shutil.copy(checkpoint, folder / "net.ckpt"))
        self.root = make_tiny_folder(folder / "data", 5, SyntheticDataModule().classes)

    def words(self, *further: str) -> list[str]:
        return [
            "benchmark",
            f"--checkpoint={self.checkpoint}",
            "--suite=smoke",
            f"--output={self.folder / 'record.json'}",
            "--data=experiments/configs/data/camvid.yaml",
            f"--data.init_args.root={self.root}",
            "--data.init_args.size=[32,32]",
            "--data.init_args.eval_batch_size=2",
            "--data.init_args.sequence=null",
            "--trainer.accelerator=cpu",
            *further,
        ]


@pytest.fixture
def interrupted(tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Interrupted:
    """A sweep that was interrupted, and would be so again."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(benchmark, "sweep", stop)
    found = Interrupted(tmp_path, tiny_run / "best.ckpt")
    assert main(found.words()) == 130
    return found


def redraw(path: Path) -> None:
    pixels = np.array(Image.open(path))
    pixels[0, 0] = 1 - pixels[0, 0] % 2
    Image.fromarray(pixels).save(path)


def reweigh(path: Path) -> None:
    content = torch.load(path, weights_only=True)
    next(iter(content["state_dict"].values())).flatten()[0] += 1
    torch.save(content, path)


def add(root: Path) -> None:
    for kind in ("images", "masks"):
        shutil.copy(root / "test" / kind / "0.png", root / "test" / kind / "new.png")


def reorder(path: Path) -> None:
    """The same names in another order, which is no other data for the network."""
    description = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**description, "classes": description["classes"][::-1]}))


CONTENTS: dict[str, Callable[[Interrupted], object]] = {
    "of other data ('test/masks/2.png' changed)": lambda it: redraw(it.root / "test/masks/2.png"),
    "of other data ('test/images/0.png' changed)": lambda it: redraw(it.root / "test/images/0.png"),
    "of other data (2 files differ, the first: 'test/images/new.png' is new)": lambda it: add(it.root),
    "of other data (the setting 'classes' changed)": lambda it: reorder(it.root / "dataset.yaml"),
    "with another checkpoint": lambda it: reweigh(it.checkpoint),
}


@pytest.mark.parametrize("said", CONTENTS)
def test_other_content_refuses(interrupted: Interrupted, said: str) -> None:
    CONTENTS[said](interrupted)
    found = read_refusal(*interrupted.words())
    assert f"record.unfinished holds an unfinished sweep {said}: " in found
    assert "--restart" in found
    assert main(interrupted.words("--restart")) == 130


SETTINGS = {
    "--suite=occlusion": "with another suite",
    "--seed=1": "with another seed",
    "--split=val": "with another split",
    "--data.init_args.eval_batch_size=3": "with another batch size",
    "--trainer.precision=bf16-mixed": "with another precision",
    "--passes=folded": "with another way of computing",
    '--data.init_args.where={"train": {"light": ["day"]}}': "of other data (the setting 'where' changed)",
}


@pytest.mark.parametrize("word", SETTINGS)
def test_another_setting_refuses(interrupted: Interrupted, word: str) -> None:
    assert SETTINGS[word] in read_refusal(*interrupted.words(word))


def test_another_size_is_another_suite(interrupted: Interrupted) -> None:
    """Sizes in pixels stand in its manifest."""
    assert "with another suite" in read_refusal(*interrupted.words("--data.init_args.size=[48,48]"))


def test_what_changes_no_pixel_goes_on(interrupted: Interrupted) -> None:
    """Touched files, another place of data and checkpoint, another way of loading, other training images."""
    redraw(interrupted.root / "train/masks/0.png")
    for path in interrupted.root.rglob("*"):
        os.utime(path, (1, 1))
    moved = interrupted.root.rename(interrupted.folder / "moved")
    interrupted.checkpoint = interrupted.checkpoint.rename(interrupted.folder / "other.ckpt")
    words = ("--data.init_args.num_workers=1", "--data.init_args.batch_size=3", "--pictures=0", "--name=other")
    assert main(interrupted.words(f"--data.init_args.root={moved}", *words)) == 130


def test_identities_of_an_earlier_version_are_others() -> None:
    now = {"split": "test", "data": {"class": "a", "given": {}, "settings": {}, "files": {}}}
    assert find_change(now, now) is None
    assert find_change({**now, "data": "1f"}, now) == "with other data"
    assert find_change({**now, "data": {**now["data"], "class": "b"}}, now) == "of other data (a in place of b)"  # type: ignore[dict-item]
    assert find_change({}, now) == "with another split"
