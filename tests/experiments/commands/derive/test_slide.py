"""Sliding windows around what is trained, in a checkpoint like any other."""

from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import read_refusal
from members import images
from PIL import Image
from published_protocols import slide as slide_by_hand

from experiments.checkpoints.checkpoint import load_module, read_checkpoint
from experiments.commands.derive import export, slide, tta
from experiments.commands.evaluate import predict


@pytest.fixture(scope="module")
def sliding(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("windows") / "tiny_slide" / "best.ckpt"
    slide.main(
        [f"--checkpoint={tiny_run / 'best.ckpt'}", f"--output={output}", "--window", "32", "32", "--stride", "16", "32"]
    )
    return output


@torch.inference_mode()
def test_it_says_what_its_windows_say(tiny_run: Path, sliding: Path) -> None:
    network, image = load_module(tiny_run / "best.ckpt"), images(1, size=(72, 50))
    wanted = slide_by_hand(network, image, (32, 32), (16, 32))
    torch.testing.assert_close(load_module(sliding)(image), wanted, rtol=1e-4, atol=1e-4)
    step = read_checkpoint(sliding)["derived_from"][-1]
    assert (step["verb"], step["settings"]["window"], step["settings"]["stride"]) == ("slide", [32, 32], [16, 32])


def test_predict_slides_too(tiny_run: Path, sliding: Path, tmp_path: Path) -> None:
    picture = images(1, size=(70, 90))[0].permute(1, 2, 0).numpy()
    Image.fromarray(picture).save(tmp_path / "photo.png")
    words = [str(tmp_path / "photo.png"), f"--checkpoint={sliding}", f"--output={tmp_path / 'out'}", "--device=cpu"]
    predict.main([*words, "--native-size"])
    mask = np.array(Image.open(tmp_path / "out" / "photo_mask.png"))
    with torch.inference_mode():
        image = torch.from_numpy(picture).permute(2, 0, 1)[None]
        wanted = slide_by_hand(load_module(tiny_run / "best.ckpt"), image, (32, 32), (16, 32)).argmax(1)[0].numpy()
    assert (mask == wanted).mean() > 0.999


def test_a_file_for_onnx_has_the_windows_of_its_size(sliding: Path, tmp_path: Path) -> None:
    """It compares the file with the network, for batches of another size than the trace's."""
    pytest.importorskip("onnxruntime")
    export.main([f"--checkpoint={sliding}", "--size", "64", "50", f"--output={tmp_path / 'windows.onnx'}"])
    assert (tmp_path / "windows.onnx").is_file()


def test_views_may_be_slid_and_windows_mirrored(sliding: Path, tmp_path: Path) -> None:
    output = tmp_path / "views" / "best.ckpt"
    tta.main([f"--checkpoint={sliding}", f"--output={output}"])
    again = tmp_path / "again" / "best.ckpt"
    slide.main([f"--checkpoint={output}", f"--output={again}", "--window", "32", "32"])
    with torch.inference_mode():
        assert len(list(load_module(again).network.compute_member_logits(images(1, size=(40, 40))))) == 2


def test_refusals(tiny_run: Path, tmp_path: Path) -> None:
    words = ["slide", f"--checkpoint={tiny_run / 'best.ckpt'}", f"--output={tmp_path / 'out' / 'best.ckpt'}"]
    assert "leave gaps" in read_refusal(*words, "--window", "32", "32", "--stride", "32", "64")
    assert "multiples of" in read_refusal(*words, "--window", "30", "32")
    assert "at least 1 pixel" in read_refusal(*words, "--window", "0", "32")
    assert "do not overlap" in read_refusal(*words, "--window", "32", "32", "--overlap=0", "--weights=gaussian")
    assert "holds another training" in read_refusal(
        *words[:2], f"--output={tiny_run / 'best.ckpt'}", "--window", "32", "32"
    )
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").glob("*.ckpt"))
