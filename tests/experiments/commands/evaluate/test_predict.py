from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import read_refusal, run_command
from PIL import Image
from scipy.stats import entropy

from datamodules.transforms import Resize
from experiments.__main__ import main
from experiments.checkpoints.checkpoint import describe_data, load_module


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for name, size in (("a.png", (40, 56)), ("more/b.jpg", (65, 33))):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 255, (*size, 3), dtype=np.uint8)).save(path)
    (tmp_path / "photos" / "notes.txt").write_text("no image")
    return tmp_path / "photos"


def test_masks_have_the_size_of_their_image(tiny_run: Path, photos: Path, tmp_path: Path) -> None:
    checkpoint, output = tiny_run / "best.ckpt", tmp_path / "out"
    run_command("predict", f"--checkpoint={checkpoint}", photos, f"--output={output}", "--native-size")
    assert {str(path.relative_to(output)) for path in output.rglob("*.png")} == {
        "a_mask.png",
        "a_overlay.png",
        "more/b_mask.png",
        "more/b_overlay.png",
    }
    image = np.array(Image.open(photos / "a.png"))
    with torch.inference_mode():
        wanted = load_module(checkpoint)(torch.from_numpy(image.transpose(2, 0, 1).copy())[None]).argmax(1)[0]
    mask = Image.open(output / "a_mask.png")
    assert mask.mode == "P"
    np.testing.assert_array_equal(np.array(mask), wanted)
    assert Image.open(output / "more" / "b_overlay.png").size == (33, 65)


def test_images_are_seen_at_the_size_of_the_training(tiny_run: Path, photos: Path, tmp_path: Path) -> None:
    """As in its sweep; masks and maps come back to the image's own size."""
    checkpoint, output = tiny_run / "best.ckpt", tmp_path / "out"
    size = describe_data(checkpoint)["size"]
    assert size not in (None, [40, 56])
    main(["predict", f"--checkpoint={checkpoint}", str(photos), f"--output={output}", "--device=cpu", "--uncertainty"])
    image = np.array(Image.open(photos / "a.png"))
    seen = Resize(tuple(size))({"image": image, "mask": np.zeros((40, 56), np.uint8)})["image"]
    with torch.inference_mode():
        logits = load_module(checkpoint)(torch.from_numpy(seen.transpose(2, 0, 1).copy())[None])
    wanted = torch.nn.functional.interpolate(logits, (40, 56), mode="bilinear").argmax(1)[0]
    np.testing.assert_array_equal(np.array(Image.open(output / "a_mask.png")), wanted)
    assert Image.open(output / "a_entropy.png").size == (56, 40)


def test_a_single_network_is_unsure_by_its_entropy(tiny_run: Path, photos: Path, tmp_path: Path) -> None:
    checkpoint, output = tiny_run / "best.ckpt", tmp_path / "out"
    main(
        [
            *("predict", f"--checkpoint={checkpoint}", str(photos), f"--output={output}"),
            *("--device=cpu", "--uncertainty", "--native-size"),
        ]
    )
    assert len(list(output.rglob("*.png"))) == 6
    image = np.array(Image.open(photos / "a.png"))
    with torch.inference_mode():
        chances = load_module(checkpoint)(torch.from_numpy(image.transpose(2, 0, 1).copy())[None]).softmax(1)[0]
    wanted = 255 * entropy(chances.double().numpy()) / np.log(len(chances))
    shown = Image.open(output / "a_entropy.png")
    assert shown.mode == "L"
    np.testing.assert_allclose(np.array(shown, float), wanted, atol=0.51)


def test_refusals(tiny_run: Path, photos: Path, tmp_path: Path) -> None:
    checkpoint, output = f"--checkpoint={tiny_run / 'best.ckpt'}", f"--output={tmp_path / 'out'}"
    assert "nowhere.png" in read_refusal("predict", checkpoint, "nowhere.png", output)
    (tmp_path / "empty").mkdir()
    assert "holds no image" in read_refusal("predict", checkpoint, tmp_path / "empty", output)
    (photos / "broken.png").write_bytes((photos / "a.png").read_bytes()[:500])
    assert "broken.png" in read_refusal("predict", checkpoint, photos / "broken.png", output)
    (tmp_path / "file").write_text("")
    assert "file" in read_refusal("predict", checkpoint, photos / "a.png", f"--output={tmp_path / 'file'}")
