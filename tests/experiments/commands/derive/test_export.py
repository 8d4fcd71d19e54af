"""A checkpoint as an ONNX file, and back as a checkpoint of it."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from command_line import TINY, read_refusal, run_command

from datamodules.datasets.folder import FolderDataModule
from experiments.checkpoints.checkpoint import load_module
from experiments.checkpoints.derived_checkpoint import make_component, make_content
from experiments.commands.derive import ensemble, export, onnx, prune
from experiments.published_networks import graph_files
from experiments.record_files.record_file import read_record
from lightning_modules.networks.fcn import FcnNetwork
from user_error import UserError


def derive(kind: str, run: Path, twin: Path, output: Path) -> Path:
    """A checkpoint of each make."""
    best = run / "best.ckpt"
    if kind == "pruned":
        prune.main([f"--checkpoint={best}", "--ratio=0.3", f"--output={output}"])
    elif kind == "ensemble":
        ensemble.main(["--checkpoints", str(best), str(twin / "best.ckpt"), "--output", str(output)])
    return best if kind == "plain" else output


@pytest.mark.parametrize("kind", ["plain", "pruned", "ensemble"])
def test_there_and_back(
    kind: str, tiny_run: Path, tiny_twin: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """The file, made a checkpoint again, gives the logits of the first one, for batches of any size."""
    source = derive(kind, tiny_run, tiny_twin, tmp_path / "made" / "best.ckpt")
    file, back = tmp_path / "net.onnx", tmp_path / "back" / "best.ckpt"
    export.main(["--checkpoint", str(source), "--size", "64", "64", "--output", str(file)])
    data = ["--data=experiments/configs/data/synthetic.yaml", "--data.init_args.size=[64,64]"]
    data += ["--data.init_args.num_workers=0", "--data.init_args.test=2"]
    onnx.main([f"--file={file}", f"--output={back}", *data])
    assert "note" not in capsys.readouterr().out
    larger = [*data, "--data.init_args.size=[64,96]"]
    onnx.main([f"--file={file}", f"--output={tmp_path / 'larger' / 'best.ckpt'}", *larger])
    assert "takes images of 64 x 64 alone: others, such as the data's of 64 x 96" in capsys.readouterr().out
    image = torch.randint(0, 256, (3, 3, 64, 64), dtype=torch.uint8)
    with torch.inference_mode():
        torch.testing.assert_close(load_module(back)(image), load_module(source)(image), rtol=1e-3, atol=1e-3)


def make_bands_folder(root: Path, channels: int) -> Path:
    """Images of 32 x 32 with so many bands, and masks."""
    random = np.random.default_rng(channels)
    for split in ("train", "val", "test"):
        for kind in ("images", "masks"):
            (root / split / kind).mkdir(parents=True)
        for number in range(2):
            np.save(root / split / "images" / f"{number}.npy", random.integers(0, 256, (32, 32, channels), np.uint8))
            np.save(root / split / "masks" / f"{number}.npy", random.integers(0, 3, (32, 32), np.uint8))
    bands = [f"band {k}" for k in range(channels)]
    (root / "dataset.yaml").write_text(yaml.safe_dump({"classes": ["a", "b", "c"], "channels": bands}))
    return root


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_file_scores_as_its_checkpoint_does(channels: int, tmp_path: Path) -> None:
    """Pixel by pixel under every condition of a suite, with nothing said again."""
    torch.manual_seed(channels)
    data = FolderDataModule(make_bands_folder(tmp_path / "data", channels))
    network = FcnNetwork(3, channels, hidden=8, mean=[0.4] * channels, std=[0.3] * channels)
    settings = {"hidden": 8, "mean": [0.4] * channels, "std": [0.3] * channels}
    states = {"FolderDataModule": data.state_dict()}
    source, back, file = (tmp_path / name for name in ("run/best.ckpt", "back/best.ckpt", "net.onnx"))
    content = make_content(make_component(FcnNetwork, settings), network.state_dict(), 3, channels, states)
    source.parent.mkdir()
    torch.save(content, source)
    words = ["--data=datamodules.datasets.folder.FolderDataModule", f"--data.init_args.root={tmp_path / 'data'}"]
    words += ["--data.init_args.num_workers=0"]
    run_command("export", f"--checkpoint={source}", "--size", "32", "32", f"--output={file}")
    run_command("onnx", f"--file={file}", f"--output={back}", *words)
    found = []
    for checkpoint in (source, back):
        output = checkpoint.with_name("record.json")
        sweep = ("benchmark", f"--checkpoint={checkpoint}", "--suite=smoke", "--pictures=0", f"--output={output}")
        run_command(*sweep, "--trainer.accelerator=cpu", *words)
        found.append(read_record(output))
    assert np.array_equal(found[0].totals["confusion"], found[1].totals["confusion"])
    assert found[0].totals["confusion"].sum((-1, -2)).all()


def test_what_a_file_says_is_held_against_what_is_asked(tmp_path: Path) -> None:
    facts, file = {"mean": [0.0], "std": [1.0]}, tmp_path / "net.onnx"
    assert graph_files.find_normalisation(file, facts, {"mean": [0.0], "std": None}) == facts
    with pytest.raises(UserError, match=r"says that its mean is \[0\.0\], and --mean says \[0\.5\]"):
        graph_files.find_normalisation(file, facts, {"mean": [0.5], "std": None})
    with pytest.raises(UserError, match=r"does not say how .* pass --mean and --std"):
        graph_files.find_normalisation(file, {}, {"mean": [0.0], "std": None})


def test_two_values_are_asked_for_one_by_one() -> None:
    words = ("--checkpoint=x", "--size", "[64,64]", "--output=x.onnx")
    assert "--size takes 2 values: write them one after the other" in read_refusal("export", *words)


def test_large_logits_may_differ_by_their_rounding() -> None:
    for size, allowed in ((1.0, 1e-3), (50.0, 1e-3), (1e6, 10.0)):
        network = torch.nn.Conv2d(3, 2, 1, bias=False)
        torch.nn.init.constant_(network.weight, size)
        image = torch.full((1, 3, 4, 4), 1 / 3)
        graph = export.trace_graph(network, image)
        torch.nn.init.constant_(network.weight, size + 2 * allowed)
        assert export.find_largest_difference(graph, network, image) > export.TOLERANCE
        torch.nn.init.constant_(network.weight, size + allowed / 2)
        assert export.find_largest_difference(graph, network, image) < export.TOLERANCE


def test_what_a_trace_cannot_follow_is_refused(tmp_path: Path) -> None:
    """Features are computed by OpenCV; a trace would hold those of one image for ever."""
    words = [word for word in TINY if "network" not in word] + ["--trainer.max_epochs=1"]
    words += ["--model.init_args.network=experiments/configs/network/unet_lbp.yaml", "--data.init_args.train=8"]
    run_command("fit", *words, f"--run={tmp_path / 'run'}")
    file = tmp_path / "net.onnx"
    message = read_refusal(
        "export", "--checkpoint", tmp_path / "run" / "last.ckpt", "--size", "64", "64", "--output", file
    )
    assert "sweep and deploy its checkpoint" in message
    assert not list(tmp_path.glob("*.onnx*"))
    assert not list(tmp_path.glob(".*onnx*"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--size", "0", "64", "--output", "x.onnx"], "at least 1 pixel"),
        (["--size", "64", "64", "--output", "x.pt"], r"must be named *.onnx"),
        (["--size", "64", "64", "--output", "x.onnx"], "no checkpoint"),
    ],
)
def test_refusals(words: list[str], message: str, tmp_path: Path) -> None:
    assert message in read_refusal("export", "--checkpoint", tmp_path / "none.ckpt", *words)
