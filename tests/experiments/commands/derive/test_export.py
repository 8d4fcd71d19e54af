"""A checkpoint as a file for another runtime, and an ONNX file back as a checkpoint."""

import json
from itertools import product
from pathlib import Path

import numpy as np
import onnx as onnx_format
import onnxruntime
import pytest
import torch
import yaml
from command_line import TINY, read_output, read_refusal, run_command

from datamodules.datasets.folder import FolderDataModule
from experiments.checkpoints.checkpoint import describe_data, load_module
from experiments.checkpoints.derived_checkpoint import make_component, make_content
from experiments.checkpoints.settings import read_settings
from experiments.commands.derive import calibrate, ensemble, export, onnx, prune, slide, tta
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


def test_there_and_back_for_any_size(tiny_run: Path, tmp_path: Path) -> None:
    """Nothing is padded twice: the network's stride is 8, and that of an ONNX file of which nothing is known 32."""
    source, file, back = tiny_run / "best.ckpt", tmp_path / "net.onnx", tmp_path / "back" / "best.ckpt"
    read_output("export", f"--checkpoint={source}", f"--output={file}")
    data = json.dumps(read_settings(source)["data"])
    assert "note" not in read_output("onnx", f"--file={file}", f"--output={back}", f"--data={data}")
    for size in ((64, 64), (70, 101), (41, 36)):
        image = torch.randint(0, 256, (2, 3, *size), dtype=torch.uint8)
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


def read_result(file: Path, images: torch.Tensor) -> torch.Tensor:
    """What the file's own runtime says, opened as a user opens it."""
    if file.suffix == ".onnx":
        session = onnxruntime.InferenceSession(file)
        return torch.from_numpy(session.run(None, {"image": images.numpy()})[0])
    program = torch.jit.load(file) if file.suffix == ".pt" else torch.export.load(file).module()
    with torch.no_grad():
        return program(images)


def read_facts_of(file: Path) -> dict:
    """The metadata, as a user reads them."""
    extra = {"robust_segmentation": ""}
    if file.suffix == ".onnx":
        extra = onnxruntime.InferenceSession(file).get_modelmeta().custom_metadata_map
    elif file.suffix == ".pt":
        torch.jit.load(file, _extra_files=extra)
    else:
        torch.export.load(file, extra_files=extra)
    return json.loads(extra["robust_segmentation"])


def write_fcn(path: Path) -> Path:
    """A checkpoint of a network that is small enough for what is slow."""
    settings = {"hidden": 8, "encoder": "tu-test_resnet"}
    network = FcnNetwork(3, 3, **settings)
    data = {"SyntheticDataModule": {"classes": ["a", "b", "c"], "palette": None, "size": [64, 64]}}
    path.parent.mkdir()
    torch.save(make_content(make_component(FcnNetwork, settings), network.state_dict(), 3, 3, data), path)
    return path


@pytest.mark.parametrize(
    ("kind", "suffix"),
    [*product(["plain", "pruned", "ensemble"], [".onnx", ".pt"]), ("fcn", ".pt2")],
)
def test_a_file_takes_images_of_any_number_and_size(
    kind: str, suffix: str, tiny_run: Path, tiny_twin: Path, tmp_path: Path
) -> None:
    """Sizes that no trace has seen, among them those that the network pads; its facts say what it takes and tells."""
    made, file = tmp_path / "made" / "best.ckpt", tmp_path / f"net{suffix}"
    source = write_fcn(made) if kind == "fcn" else derive(kind, tiny_run, tiny_twin, made)
    said = read_output("export", f"--checkpoint={source}", f"--output={file}")
    assert "for images of any size; logits differ by at most" in said
    assert "3 of 70 x 101" in said
    assert "1 of 64 x 64" in said  # that of the data
    module = load_module(source)
    for shape in ((1, 40, 96), (4, 51, 47), (2, 160, 161)):
        images = torch.rand(shape[0], 3, *shape[1:])
        with torch.inference_mode():
            torch.testing.assert_close(read_result(file, images), module(images), rtol=1e-3, atol=1e-3)
    facts = read_facts_of(file)
    assert facts["classes"] == describe_data(source)["classes"]
    assert (facts["size"], facts["mean"], facts["std"]) == (None, [0.0] * 3, [1.0] * 3)
    assert facts["input"].startswith("float32 in [0, 1]")


@pytest.mark.parametrize("suffix", [".onnx", ".pt", ".pt2"])
def test_windows_are_those_of_one_size(suffix: str, tmp_path: Path) -> None:
    source, file = tmp_path / "slide" / "best.ckpt", tmp_path / f"net{suffix}"
    slide.main(
        [f"--checkpoint={write_fcn(tmp_path / 'run' / 'best.ckpt')}", f"--output={source}", "--window", "32", "32"]
    )
    words = ("export", f"--checkpoint={source}", f"--output={file}")
    assert "slides windows of 32 x 32" in (message := read_refusal(*words))
    assert "pass --size HEIGHT WIDTH" in message
    assert "for images of 64 x 50" in read_output(*words, "--size", "64", "50")
    images = torch.rand(3, 3, 64, 50)
    with torch.inference_mode():
        torch.testing.assert_close(read_result(file, images), load_module(source)(images), rtol=1e-3, atol=1e-3)
    assert read_facts_of(file)["size"] == [64, 50]


def test_a_trusted_program_says_itself_what_it_takes(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """'convert' needs neither names nor normalisation for it, but trust."""
    source, file, back = tiny_run / "best.ckpt", tmp_path / "net.pt", tmp_path / "back" / "best.ckpt"
    read_output("export", f"--checkpoint={source}", f"--output={file}")
    data = f"--data={json.dumps(read_settings(source)['data'])}"
    words = ("convert", f"--source={file}", f"--output={back}", data)
    assert "set ROBUST_SEGMENTATION_TRUST=torchscript" in read_refusal(*words)
    monkeypatch.setenv("ROBUST_SEGMENTATION_TRUST", "torchscript")
    assert "says that its mean is" in read_refusal(*words, "--mean=0.5,0.5,0.5", "--std=1,1,1")
    read_output(*words)
    images = torch.randint(0, 256, (2, 3, 70, 51), dtype=torch.uint8)
    with torch.inference_mode():
        torch.testing.assert_close(load_module(back)(images), load_module(source)(images), rtol=1e-3, atol=1e-3)


def test_views_and_temperatures_are_inside(tiny_run: Path, tmp_path: Path) -> None:
    views, source, file = tmp_path / "views" / "best.ckpt", tmp_path / "soft" / "best.ckpt", tmp_path / "net.onnx"
    tta.main([f"--checkpoint={tiny_run / 'best.ckpt'}", f"--output={views}"])
    calibrate.main([f"--checkpoint={views}", f"--output={source}", "--device=cpu", "--pixels=500"])
    assert "any size" in read_output("export", f"--checkpoint={source}", f"--output={file}")
    scaled = tmp_path / "scaled" / "best.ckpt"
    tta.main([f"--checkpoint={tiny_run / 'best.ckpt'}", f"--output={scaled}", "--scales", "1", "0.5"])
    words = ("export", f"--checkpoint={scaled}", f"--output={file}")
    assert "several scales" in read_refusal(*words)
    assert "64 x 48" in read_output(*words, "--size", "64", "48")


def test_what_a_trace_cannot_follow_is_refused(tmp_path: Path) -> None:
    """Features are computed by OpenCV; a trace would hold those of one image for ever."""
    words = [word for word in TINY if "network" not in word] + ["--trainer.max_epochs=1"]
    words += ["--model.init_args.network=experiments/configs/network/unet_lbp.yaml", "--data.init_args.train=8"]
    run_command("fit", *words, f"--run={tmp_path / 'run'}")
    file = tmp_path / "net.onnx"
    message = read_refusal("export", "--checkpoint", tmp_path / "run" / "last.ckpt", "--output", file)
    assert "sweep and deploy its checkpoint" in message
    assert not list(tmp_path.glob("*.onnx*"))
    assert not list(tmp_path.glob(".*onnx*"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--size", "0", "64", "--output", "x.onnx"], "at least 1 pixel"),
        (["--output", "x.ckpt"], "must be named as one of *.onnx (onnx), *.pt (torchscript), *.pt2 (pt2)"),
        (["--output", "x.onnx", "--format", "pt2"], "is asked for as pt2, whose files are named *.pt2"),
        (["--output", "x.onnx", "--format", "tflite"], "'tflite' is none of its values"),
        (["--output", "x.onnx"], "no checkpoint"),
    ],
)
def test_refusals(words: list[str], message: str, tmp_path: Path) -> None:
    assert message in read_refusal("export", "--checkpoint", tmp_path / "none.ckpt", *words)


def test_a_file_of_the_user_stays(tiny_run: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.onnx"
    file.write_text("mine")
    found = read_refusal("export", f"--checkpoint={tiny_run / 'best.ckpt'}", f"--output={file}")
    assert "holds no network that 'export' wrote" in found
    assert file.read_text() == "mine"


def test_eight_bits_are_a_row_of_the_leaderboard(tiny_run: Path, tiny_record: Path, tmp_path: Path) -> None:
    """Calibrated on training images, made a checkpoint, swept and ranked beside the network that it was made from."""
    source, file, back = tiny_run / "best.ckpt", tmp_path / "int8.onnx", tmp_path / "tiny_int8" / "best.ckpt"
    words = ("export", f"--checkpoint={source}", f"--output={file}", "--int8", "--calibration=12")
    said = read_output(*words)
    assert "8 bits by 12 training images; the network's class in" in said
    assert "of the pixels of 9 images of the split 'val'" in said
    facts = read_facts_of(file)["int8"]
    assert (facts["calibration"], facts["seed"], facts["split"]) == (12, 0, "val")
    assert 0.9 < facts["agreement"] <= 1
    before = file.read_bytes()
    read_output(*words)
    assert file.read_bytes() == before
    operators = {node.op_type for node in onnx_format.load(file).graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= operators
    record = back.with_name("record.json")
    data = [f"--data={json.dumps(read_settings(source)['data'])}"]
    read_output("onnx", f"--file={file}", f"--output={back}", *data)
    sweep = ("benchmark", f"--checkpoint={back}", "--suite=smoke", "--pictures=0", f"--output={record}")
    read_output(*sweep, "--trainer.accelerator=cpu")
    counted, known = (read_record(path).totals["confusion"] for path in (record, tiny_record))
    assert counted.shape == known.shape
    assert not np.array_equal(counted, known)
    assert np.abs(counted - known).sum() < 0.2 * known.sum()
    table = read_output("leaderboard", tiny_record, record)
    assert "tiny_int8" in table
    assert "| tiny " in table


def test_eight_bits_are_refused_without_what_they_need(tiny_run: Path, tmp_path: Path) -> None:
    words = ["export", f"--checkpoint={tiny_run / 'best.ckpt'}"]
    onnx_file, alone = f"--output={tmp_path / 'x.onnx'}", tmp_path / "alone" / "best.ckpt"
    assert "--int8 is for ONNX files" in read_refusal(*words, f"--output={tmp_path / 'x.pt'}", "--int8")
    assert "serve --int8 alone" in read_refusal(*words, onnx_file, "--calibration=3")
    assert "serve --int8 alone" in read_refusal(*words, onnx_file, "--data=Synthetic")
    assert "--calibration must be 1 or more" in read_refusal(*words, onnx_file, "--int8", "--calibration=0")
    assert "but the data have 3" in read_refusal(*words, onnx_file, "--int8", "--data.init_args.num_classes=3")
    assert "so the data are unknown" in read_refusal("export", f"--checkpoint={write_fcn(alone)}", onnx_file, "--int8")
    assert not list(tmp_path.glob("*.onnx"))
