"""Folders of smp, weights of torchvision, plain state dicts, TorchScript and ONNX files: each as its own library runs it."""

import json
from pathlib import Path
from typing import Any

import pytest
import segmentation_models_pytorch as smp
import torch
from command_line import read_output, read_refusal, run_command
from published_folders import NAMES, describe_data, disturb
from safetensors.torch import save_file
from tiny_folder import make_tiny_folder
from torch import Tensor, nn
from torchvision.models import get_model
from torchvision.models.segmentation import LRASPP_MobileNet_V3_Large_Weights

from experiments.checkpoints.checkpoint import load_module, read_checkpoint

ORDER = [2, 1, 3, 0]
MEAN, STD = [0.4, 0.5, 0.6], [0.3, 0.2, 0.1]
LEVELS = ["--mean=0.4,0.5,0.6", "--std=0.3,0.2,0.1"]
NAMED = ["--classes", *NAMES]
IMAGES = torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def normalise(images: Tensor, mean: list[float] = MEAN, std: list[float] = STD) -> Tensor:
    """Images in [0, 255] to the input of the networks."""
    return (images / 255 - torch.tensor(mean).view(1, 3, 1, 1)) / torch.tensor(std).view(1, 3, 1, 1)


@torch.inference_mode()
def require_equal(checkpoint: Path, expected: Tensor, order: list[int] | None = ORDER) -> None:
    """The checkpoint's logits of `IMAGES` are `expected`, in the order of the data's classes."""
    chosen = expected if order is None else expected[:, order]
    logits = load_module(checkpoint)(IMAGES)
    torch.testing.assert_close(logits, chosen, rtol=1e-5, atol=1e-5 * max(1.0, float(chosen.abs().max())))
    behind = chosen.amax(1) - chosen.gather(1, logits.argmax(1, keepdim=True))[:, 0]
    assert behind.max() < 1e-6  # the same class everywhere, but for ties


def sweep(checkpoint: Path) -> None:
    """As any other checkpoint."""
    output = checkpoint.parent / "record.json"
    run_command("benchmark", f"--checkpoint={checkpoint}", "--suite=smoke", f"--output={output}", "--pictures=0")
    assert len(json.loads(output.read_text())["cells"]) == 5


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """Where a checkpoint is to be written."""
    return tmp_path / "run" / "best.ckpt"


def make_smp(folder: Path, classes: int = 4, kind: Any = smp.Unet, **settings: Any) -> Any:
    """A folder of smp."""
    torch.manual_seed(0)
    settings = {"encoder_depth": 3, "decoder_channels": (64, 32, 16), **settings}
    model = kind("tu-mobilenetv3_small_050", encoder_weights=None, classes=classes, **settings)
    disturb(model)
    model.save_pretrained(folder)
    return smp.from_pretrained(folder).eval()


@torch.inference_mode()
def test_smp(words: list[str], checkpoint: Path, tmp_path: Path) -> None:
    """Normalised as albumentations wrote it beside the network."""
    import albumentations

    model = make_smp(tmp_path / "smp", decoder_attention_type="scse")
    steps = [albumentations.Resize(64, 96), albumentations.Normalize(mean=MEAN, std=STD)]
    albumentations.Compose(steps).save_pretrained(tmp_path / "smp")
    run_command("convert", f"--source={tmp_path / 'smp'}", f"--output={checkpoint}", *NAMED, *words)
    require_equal(checkpoint, model(normalise(IMAGES)))
    sweep(checkpoint)


@torch.inference_mode()
def test_smp_by_its_encoder(words: list[str], checkpoint: Path, tmp_path: Path) -> None:
    """Normalised as the encoder of timm was trained, and without the classification head."""
    model = make_smp(tmp_path / "smp", aux_params={"classes": 7}, activation="softmax2d")
    said = read_output("convert", f"--source={tmp_path / 'smp'}", f"--output={checkpoint}", *NAMED, *words)
    assert "its classification head is left out" in said
    assert "its activation 'softmax2d' is left out" in said
    model.segmentation_head[2] = nn.Identity()
    image, _ = model(normalise(IMAGES, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    require_equal(checkpoint, image)


@torch.inference_mode()
def test_smp_of_one_class(checkpoint: Path, tmp_path: Path) -> None:
    """Its sigmoid is the probability of the second of two classes."""
    words = describe_data(make_tiny_folder(tmp_path / "data", 2, ("background", "polyp")))
    model = make_smp(tmp_path / "smp", classes=1)
    run_command(
        "convert", f"--source={tmp_path / 'smp'}", f"--output={checkpoint}", "--classes-in-order", *LEVELS, *words
    )
    expected = model(normalise(IMAGES)).sigmoid()[:, 0]
    torch.testing.assert_close(load_module(checkpoint)(IMAGES).softmax(1)[:, 1], expected)


def test_smp_refusals(words: list[str], checkpoint: Path, tmp_path: Path) -> None:
    make_smp(tmp_path / "smp")
    path = tmp_path / "smp" / "config.json"
    given = json.loads(path.read_text())
    call = ("convert", f"--source={tmp_path / 'smp'}", f"--output={checkpoint}", *NAMED, *LEVELS, *words)
    for entries, message in (
        ({"_model_class": "os.system"}, "none of smp's own"),
        ({"_model_class": "from_pretrained"}, "none of smp's own"),
        ({"encoder_name": "resnet1000"}, "unknown encoder"),
        ({"encoder_name": ["x"]}, "as encoder_name"),
        ({"classes": "many"}, "as classes"),
        ({"classes": 6}, "have another shape of"),
        ({"encoder_depth": 4}, "Unet"),
        ({"decoder_channels": [64, 32, 8]}, "do not fit its network"),
        ({"decoder_shape": 3}, "no argument 'decoder_shape'"),
        ({"auto_map": {"x": "y"}}, "asks for code"),
        ({"in_channels": 4}, "4 channels"),
    ):
        path.write_text(json.dumps({**given, **entries}))
        assert message in read_refusal(*call)
    path.write_text("[1, 2")
    assert "is not JSON" in read_refusal(*call)
    assert not checkpoint.exists()


WEIGHTS = LRASPP_MobileNet_V3_Large_Weights.COCO_WITH_VOC_LABELS_V1


@pytest.fixture
def voc(tmp_path: Path) -> list[str]:
    """Options for data of Pascal VOC's classes, in its own words."""
    from datamodules.datasets.voc import CLASSES

    return describe_data(make_tiny_folder(tmp_path / "voc", len(CLASSES), CLASSES))


@torch.inference_mode()
def test_torchvision(voc: list[str], checkpoint: Path, tmp_path: Path) -> None:
    """By a local file, with torchvision's own normalisation and names."""
    torch.manual_seed(0)
    model = get_model("lraspp_mobilenet_v3_large", weights=None, weights_backbone=None, num_classes=21).eval()
    disturb(model)
    file = tmp_path / "weights.pth"
    torch.save(model.state_dict(), file)
    source = "LRASPP_MobileNet_V3_Large_Weights.COCO_WITH_VOC_LABELS_V1"
    run_command("convert", f"--source={source}", f"--weights={file}", f"--output={checkpoint}", *voc)
    expected = model(WEIGHTS.transforms(resize_size=None)(IMAGES))["out"]
    require_equal(checkpoint, expected, None)
    named = tmp_path / Path(WEIGHTS.url).name
    file.rename(named)
    again = tmp_path / "again" / "best.ckpt"
    assert "checkpoint: " in read_output("convert", f"--source={named}", f"--output={again}", *voc)
    require_equal(again, expected, None)


def test_torchvision_refusals(
    voc: list[str], words: list[str], checkpoint: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    source = "LRASPP_MobileNet_V3_Large_Weights.COCO_WITH_VOC_LABELS_V1"
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("lightning_modules.networks.pretrained.HUB_TIMEOUT_S", 0.01)
    call = ("convert", f"--output={checkpoint}", *voc)
    assert "cannot be reached" in read_refusal(*call, f"--source={source}")
    torch.save({"conv.weight": torch.zeros(1)}, tmp_path / "x.pth")
    assert "do not fit" in read_refusal(*call, f"--source={source}", f"--weights={tmp_path / 'x.pth'}")
    assert "torchvision has no weights" in read_refusal(*call, "--source=Unet_Weights.V1", "--from=torchvision")
    torch.save(nn.Linear(1, 1), tmp_path / "x.pth")
    assert "holds more than tensors" in read_refusal(*call, f"--source={source}", f"--weights={tmp_path / 'x.pth'}")


UNET = "experiments/configs/network/unet.yaml"
SMALL = """
class_path: lightning_modules.networks.smp.SmpNetwork
init_args: {encoder: tu-mobilenetv3_small_050, encoder_depth: 3, decoder: {decoder_channels: [64, 32, 16]}}
"""


@torch.inference_mode()
@pytest.mark.parametrize("form", ["ours", "smp's", "container", "safetensors"])
def test_a_state_dict(form: str, words: list[str], checkpoint: Path, tmp_path: Path) -> None:
    model = make_smp(tmp_path / "smp")
    (tmp_path / "net.yaml").write_text(SMALL)
    state = model.state_dict()
    prefixed = {f"module.model.{name}": value for name, value in state.items()}
    file, named = tmp_path / "weights.pth", NAMED
    if form == "safetensors":
        save_file(state, file := tmp_path / "weights.safetensors")
    elif form == "container":
        torch.save({"state_dict": prefixed, "meta": {"CLASSES": NAMES}, "epoch": 3}, file)
        named = []
    else:
        torch.save(prefixed if form == "ours" else state, file)
    run_command(
        "convert",
        f"--source={file}",
        f"--network={tmp_path / 'net.yaml'}",
        f"--output={checkpoint}",
        *named,
        *LEVELS,
        *words,
    )
    require_equal(checkpoint, model(normalise(IMAGES)))


def test_state_dict_refusals(words: list[str], checkpoint: Path, tmp_path: Path) -> None:
    model = make_smp(tmp_path / "smp")
    (tmp_path / "net.yaml").write_text(SMALL)
    state = model.state_dict()
    file = tmp_path / "weights.pth"
    call = ("convert", f"--source={file}", f"--output={checkpoint}", *NAMED, *words)
    network = f"--network={tmp_path / 'net.yaml'}"
    torch.save(state, file)
    assert "names no network: pass --network" in read_refusal(*call)
    assert "do not fit its network" in read_refusal(*call, f"--network={UNET}")
    assert "makes no network" in read_refusal(*call, "--network=experiments/configs/loss/missing.yaml")
    assert "have another shape of" in read_refusal(*call, network, "--classes", *NAMES, "more")
    name = next(name for name, one in state.items() if one.ndim == 4)
    for changed, message in (
        ({**state, "further": torch.zeros(2)}, "have the unknown 'model.further'"),
        ({key: one for key, one in state.items() if key != name}, "they lack"),
        ({**state, name: state[name][:1]}, "have another shape of"),
        ({**state, name: state[name] * torch.nan}, "no finite numbers"),
        ({**state, name: "text"}, "is no tensor"),
        ({**state, name: nn.Linear(1, 1)}, "not opened (it names torch.nn.modules.linear.Linear); save"),
        ({}, "it is empty"),
    ):
        torch.save(changed, file)
        assert message in read_refusal(*call, network)
    file.write_bytes(b"junk" * 9)
    assert "weights.pth' is not a file of weights: take" in (said := read_refusal(*call, network))
    assert "encoder" not in said
    assert not checkpoint.exists()


class Net(nn.Module):
    """A network of two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 4, 1))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Logits at half the size, in a dictionary."""
        return {"out": self.layers(x)}


@pytest.fixture
def program(tmp_path: Path) -> tuple[Path, nn.Module]:
    """A TorchScript file, and its network."""
    torch.manual_seed(0)
    model = torch.jit.script(Net()).eval()
    torch.jit.save(model, str(tmp_path / "net.pt"))
    return tmp_path / "net.pt", model


TRUST = {"ROBUST_SEGMENTATION_TRUST": "torchscript"}


@torch.inference_mode()
def test_torchscript(program: tuple[Path, Any], words: list[str], checkpoint: Path, monkeypatch: Any) -> None:
    file, model = program
    call = ("convert", f"--source={file}", f"--output={checkpoint}", *NAMED, *LEVELS, *words)
    assert "set ROBUST_SEGMENTATION_TRUST=torchscript" in read_refusal(*call)
    run_command(*call, **TRUST)
    monkeypatch.setenv("ROBUST_SEGMENTATION_TRUST", "torchscript")
    found = model(normalise(IMAGES))["out"]
    require_equal(checkpoint, nn.functional.interpolate(found, (64, 96), mode="bilinear"))
    sweep(checkpoint)
    monkeypatch.delenv("ROBUST_SEGMENTATION_TRUST")
    for verb, options in (
        ("benchmark", ["--suite=smoke"]),
        ("tta", [f"--output={checkpoint.parent.parent / 'tta' / 'best.ckpt'}"]),
    ):
        assert "was refused; if you trust who made it" in read_refusal(verb, f"--checkpoint={checkpoint}", *options)


@torch.inference_mode()
def test_a_traced_program_of_one_size(words: list[str], checkpoint: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("ROBUST_SEGMENTATION_TRUST", "torchscript")

    class Fixed(nn.Module):
        """Logits from a layer over all pixels."""

        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3 * 32 * 32, 4 * 8 * 8)

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x.flatten(1)).view(-1, 4, 8, 8)

    torch.manual_seed(0)
    model = torch.jit.trace(Fixed().eval(), torch.zeros(1, 3, 32, 32))
    torch.jit.save(model, str(tmp_path / "net.pt"))
    call = ("convert", f"--source={tmp_path / 'net.pt'}", f"--output={checkpoint}", *NAMED, *LEVELS, *words)
    assert "by --size which size" in read_refusal(*call) or "(--size)" in read_refusal(*call)
    assert "takes images of 32 x 32 alone" in read_output(*call, "--size", "32", "32")
    seen = nn.functional.interpolate(normalise(IMAGES), (32, 32), mode="bilinear")
    require_equal(checkpoint, nn.functional.interpolate(model(seen), (64, 96), mode="bilinear"))


@torch.inference_mode()
def test_onnx(words: list[str], checkpoint: Path, tmp_path: Path) -> None:
    """As the verb of its name does it, and with classes in another order."""
    import onnxruntime

    class Plain(Net):
        """Logits alone."""

        def forward(self, x: Tensor) -> Any:
            return super().forward(x)["out"]

    torch.manual_seed(0)
    axes = {name: {0: "batch", 2: "height", 3: "width"} for name in ("x", "y")}
    file = tmp_path / "net.onnx"
    torch.onnx.export(
        Plain().eval(),
        (IMAGES[:1] / 255,),
        file,
        dynamo=False,
        input_names=["x"],
        output_names=["y"],
        dynamic_axes=axes,
    )
    run_command("convert", f"--source={file}", f"--output={checkpoint}", *NAMED, *LEVELS, *words)
    session = onnxruntime.InferenceSession(file.read_bytes(), providers=["CPUExecutionProvider"])
    found = torch.from_numpy(session.run(["y"], {"x": normalise(IMAGES).numpy()})[0])
    require_equal(checkpoint, nn.functional.interpolate(found, (64, 96), mode="bilinear"))
    (step,) = read_checkpoint(checkpoint)["derived_from"]
    assert step["verb"] == "convert"
    assert step["settings"]["from"] == "onnx"
