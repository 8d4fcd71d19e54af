"""What is wrong with the data reaches the user as one sentence, also from a loader's process."""

from pathlib import Path

import numpy as np
import pytest
from command_line import TINY, read_refusal
from PIL import Image
from tiny_folder import make_tiny_folder


def fit(root: Path, *words: str) -> str:
    return read_refusal(
        "fit",
        *(word for word in TINY if "data.init_args" not in word),
        "--data=experiments/configs/data/kvasir_seg.yaml",
        f"--data.init_args.root={root}",
        "--data.init_args.size=[48,64]",
        "--data.init_args.batch_size=3",
        "--data.init_args.eval_batch_size=3",
        f"--run={root / 'run'}",
        *words,
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_tiny_folder(tmp_path / "data", 2)


@pytest.mark.parametrize("workers", [0, 2])
def test_truncated_image(root: Path, workers: int) -> None:
    path = root / "train" / "images" / "1.png"
    path.write_bytes(path.read_bytes()[:200])
    sentence = fit(root, f"--data.init_args.num_workers={workers}")
    assert sentence.startswith(f"the image {path} cannot be read")


def test_value_outside_the_classes(root: Path) -> None:
    Image.fromarray(np.full((48, 64), 9, np.uint8)).save(root / "val" / "masks" / "0.png")
    assert "holds the value 9" in fit(root)


def test_sizes_that_differ(root: Path) -> None:
    Image.fromarray(np.zeros((40, 64), np.uint8)).save(root / "val" / "masks" / "0.png")
    assert "40 x 64" in fit(root)


def test_image_without_mask_and_the_reverse(root: Path) -> None:
    (root / "train" / "masks" / "2.png").unlink()
    assert "images have no mask" in fit(root)
    (root / "train" / "images" / "2.png").unlink()
    (root / "train" / "images" / "1.png").unlink()
    assert "masks have no image" in fit(root)


def test_empty_split(root: Path) -> None:
    for path in (root / "val").rglob("*.png"):
        path.unlink()
    assert "'val'" in fit(root)


def test_another_number_of_channels(root: Path) -> None:
    text = (root / "dataset.yaml").read_text()
    (root / "dataset.yaml").write_text(text + "channels: [T1, FLAIR]\n")
    assert "has 3 channels" in fit(root)
