"""A training is known by the content of its data and of the files that it names, not by their names."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from command_line import TINY, read_output, read_refusal
from PIL import Image
from tiny_folder import make_tiny_folder

from experiments.training.content import Content, find_named_files, read_splits

WORDS = [word for word in TINY if ".train=" not in word and ".val=" not in word and ".test=" not in word]
FIT = ["fit", WORDS[0], "--data=experiments/configs/data/kvasir_seg.yaml", *WORDS[1:], "--trainer.max_epochs=1"]
FIT += ["--data.init_args.batch_size=2", "--trainer.accelerator=cpu"]


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A finished training on a folder of two classes."""
    monkeypatch.setenv("PL_GLOBAL_SEED", "0")
    root = make_tiny_folder(tmp_path / "data", 2)
    found = [*FIT, f"--data.init_args.root={root}", f"--run={tmp_path / 'run'}"]
    read_output(*found)
    return found


def change(path: Path) -> None:
    """Write an image anew, under its name."""
    Image.fromarray(1 - np.asarray(Image.open(path)) % 2).save(path)


def test_other_masks_under_the_same_names(words: list[str], tmp_path: Path) -> None:
    """Neither gone on from nor called trained, nor forgotten by a folder whose list of files is gone."""
    assert "trained before" in read_output(*words)
    change(tmp_path / "data" / "train" / "masks" / "1.png")
    for _ in range(2):
        refused = read_refusal(*words)
        assert "the split 'train' are no longer those" in refused
        assert "train/masks/1.png" in refused
    (tmp_path / "run" / "training.json").unlink()
    assert "the split 'train' are no longer those" in read_refusal(*words)
    assert "trained: " in read_output(*words, "--restart")
    assert "trained before" in read_output(*words)


def test_what_no_training_sees_may_change(words: list[str], tmp_path: Path) -> None:
    change(tmp_path / "data" / "test" / "masks" / "1.png")
    (tmp_path / "data" / "meta.csv").write_text("split,stem,place\ntrain,0,here\ntrain,1,here\ntrain,2,there\n")
    assert "trained before" in read_output(*words)


def test_other_classes_in_the_description_of_a_folder(words: list[str], tmp_path: Path) -> None:
    """The values that masks have for them."""
    file = tmp_path / "data" / "dataset.yaml"
    described = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump({**described, "ignore_index": 7}))
    assert "the split 'train' are no longer those" in read_refusal(*words)


def test_a_start_that_was_written_anew(words: list[str], tmp_path: Path) -> None:
    start = tmp_path / "start.ckpt"
    start.write_bytes((tmp_path / "run" / "best.ckpt").read_bytes())
    tuned = [*words[:-1], f"--start={start}", f"--run={tmp_path / 'tuned'}"]
    read_output(*tuned)
    content = torch.load(start, weights_only=True)
    next(iter(content["state_dict"].values())).add_(1)
    torch.save(content, start)
    assert "the file of model.init_args.start is no longer the one" in read_refusal(*tuned)


def test_files_that_settings_name(tmp_path: Path) -> None:
    (file := tmp_path / "weights.pt").touch()
    settings = {"a": [{"b": str(file)}, "x" * 5000, "nul\0"], "c": {"d": str(tmp_path), "e": 3}}
    assert find_named_files(settings, "model") == {"model.a.0.b": file}


def test_a_list_of_files_that_is_none(tmp_path: Path) -> None:
    for text in ("", "[]", '{"train": 3}', "{", "[" * 10_000):
        (tmp_path / "training.json").write_text(text)
        assert read_splits(tmp_path / "training.json") == {}
    assert Content({}, {}).find_change("nothing", {}) is None
