"""A checkpoint as an ONNX file, and back as a checkpoint of it."""

from pathlib import Path

import pytest
import torch
from command_line import TINY, experiments, refusal

from experiments import ensemble, export, onnx, prune
from experiments.checkpoints.checkpoint import load_module
from experiments.checkpoints.graph_facts import add_facts, read_facts
from lightning_modules.networks.fcn import FcnNetwork
from lightning_modules.networks.onnx_adapter import OnnxNetwork
from lightning_modules.segmentation import SegmentationModule
from user_error import UserError


def derived(kind: str, run: Path, twin: Path, output: Path) -> Path:
    """A checkpoint of each make."""
    best = run / "best.ckpt"
    if kind == "pruned":
        prune.main([f"--checkpoint={best}", "--ratio=0.3", f"--output={output}"])
    elif kind == "ensemble":
        ensemble.main(["--checkpoints", str(best), str(twin / "best.ckpt"), "--output", str(output)])
    return best if kind == "plain" else output


@pytest.mark.parametrize("kind", ["plain", "pruned", "ensemble"])
def test_there_and_back(kind: str, tiny_run: Path, tiny_twin: Path, tmp_path: Path) -> None:
    """The file, made a checkpoint again, gives the logits of the first one, for batches of any size."""
    source = derived(kind, tiny_run, tiny_twin, tmp_path / "made" / "best.ckpt")
    file, back = tmp_path / "net.onnx", tmp_path / "back" / "best.ckpt"
    export.main(["--checkpoint", str(source), "--size", "64", "64", "--output", str(file)])
    data = ["--data=experiments/configs/data/synthetic.yaml", "--data.init_args.size=[64,64]"]
    data += ["--data.init_args.num_workers=0", "--data.init_args.test=2"]
    onnx.main([f"--file={file}", f"--output={back}", *data])
    image = torch.randint(0, 256, (3, 3, 64, 64), dtype=torch.uint8)
    with torch.inference_mode():
        torch.testing.assert_close(load_module(back)(image), load_module(source)(image), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_file_says_how_it_is_fed(channels: int, tmp_path: Path) -> None:
    """The network of the file scores 8-bit images as that of the checkpoint does, with nothing said again."""
    torch.manual_seed(channels)
    module = SegmentationModule(lambda classes, bands: FcnNetwork(classes, bands, hidden=8), 3, channels).eval()
    size = (32, 32)
    graph = export.trace_graph(export.Logits(module).eval(), export.random_images(1, channels, size, 0))
    described = {
        "classes": ["a", "b", "c"],
        "channels": [f"band {k}" for k in range(channels)],
        "window": None,
    }
    (tmp_path / "net.onnx").write_bytes(add_facts(graph, described, channels))
    facts = read_facts((tmp_path / "net.onnx").read_bytes(), channels)
    assert {key: facts[key] for key in described} == described
    normalisation = onnx.find_normalisation(tmp_path / "net.onnx", facts, {"mean": None, "std": None})
    back = OnnxNetwork(3, channels, str(tmp_path / "net.onnx"), **normalisation).eval()
    image = torch.randint(0, 256, (2, channels, *size), dtype=torch.uint8)
    with torch.inference_mode():
        torch.testing.assert_close(back(image), module(image), rtol=1e-3, atol=1e-3)
        assert torch.equal(back(image).argmax(1), module(image).argmax(1))


def test_what_a_file_says_is_held_against_what_is_asked(tmp_path: Path) -> None:
    facts, file = {"mean": [0.0], "std": [1.0]}, tmp_path / "net.onnx"
    assert onnx.find_normalisation(file, facts, {"mean": [0.0], "std": None}) == facts
    with pytest.raises(UserError, match=r"says that its mean is \[0\.0\], and --mean says \[0\.5\]"):
        onnx.find_normalisation(file, facts, {"mean": [0.5], "std": None})
    with pytest.raises(UserError, match=r"does not say how .* pass --mean and --std"):
        onnx.find_normalisation(file, {}, {"mean": [0.0], "std": None})


def test_what_a_trace_cannot_follow_is_refused(tmp_path: Path) -> None:
    """Features are computed by OpenCV; a trace would hold those of one image for ever."""
    words = [word for word in TINY if "encoder" not in word] + ["--trainer.max_epochs=1"]
    words += ["--model.init_args.network=experiments/configs/network/unet_lbp.yaml", "--data.init_args.train=8"]
    experiments("fit", *words, f"--run={tmp_path / 'run'}")
    file = tmp_path / "net.onnx"
    said = refusal("export", "--checkpoint", tmp_path / "run" / "last.ckpt", "--size", "64", "64", "--output", file)
    assert "sweep and deploy its checkpoint" in said
    assert not list(tmp_path.glob("*.onnx*"))
    assert not list(tmp_path.glob(".*onnx*"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--size", "0", "64", "--output", "x.onnx"], "at least 1 pixel"),
        (["--size", "64", "64", "--output", "x.pt"], r"must be named *.onnx"),
        (["--size", "64", "64", "--output", "x.onnx"], "no checkpoint"),
    ],
)
def test_refusals(words: list[str], said: str, tmp_path: Path) -> None:
    assert said in refusal("export", "--checkpoint", tmp_path / "none.ckpt", *words)
