import importlib
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import TINY
from PIL import Image

from experiments.checkpoints.checkpoint import load_module, read_checkpoint
from experiments.checkpoints.trusted_classes import TRUST
from experiments.training.cli import run_cli
from user_error import UserError


def save(path: Path, **content: Any) -> Path:
    torch.save({"state_dict": {}, "hyper_parameters": {}, **content}, path)
    return path


def test_what_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no checkpoint"):
        read_checkpoint(tmp_path / "none.ckpt")
    (tmp_path / "text.ckpt").write_text("hello")
    with pytest.raises(UserError, match="is not a checkpoint"):
        read_checkpoint(tmp_path / "text.ckpt")
    (tmp_path / "empty.ckpt").write_bytes(b"")
    with pytest.raises(UserError, match="is not a checkpoint"):
        read_checkpoint(tmp_path / "empty.ckpt")
    Image.new("RGB", (9, 9)).save(tmp_path / "picture.ckpt", "JPEG")
    with pytest.raises(UserError, match="is not a checkpoint"):
        read_checkpoint(tmp_path / "picture.ckpt")
    torch.save({"weights": torch.zeros(1)}, tmp_path / "weights.ckpt")
    with pytest.raises(UserError, match="no LightningModule"):
        read_checkpoint(tmp_path / "weights.ckpt")


def test_cut_short(tiny_run: Path, tmp_path: Path) -> None:
    (tmp_path / "half.ckpt").write_bytes((tiny_run / "best.ckpt").read_bytes()[:100_000])
    with pytest.raises(UserError, match="cut short"):
        read_checkpoint(tmp_path / "half.ckpt")


def test_a_payload_does_not_run(tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple:
            return (Path(tmp_path / "ran").touch, ())

    path = save(tmp_path / "evil.ckpt", extra=Payload())
    with pytest.raises(UserError, match="pickled objects"):
        load_module(path)
    assert not (tmp_path / "ran").exists()


STRANGERS = ["os.system", "subprocess.Popen", "lightning_modules_evil.Net", "torch.hub.load", "torch.nn.init.ones_"]


@pytest.mark.parametrize("name", STRANGERS)
@pytest.mark.parametrize("key", ["network", "loss", "optimizer"])
def test_what_is_not_ours_is_refused_unseen(tmp_path: Path, name: str, key: str) -> None:
    settings = {"_class_path": "lightning_modules.segmentation.SegmentationModule"}
    component = {"class_path": name, "init_args": {}}
    with pytest.raises(UserError, match=f"asks for '{name}'"):
        load_module(save(tmp_path / "evil.ckpt", hyper_parameters={**settings, key: component}))
    with pytest.raises(UserError, match=f"has the text '{name}'"):
        load_module(save(tmp_path / "evil.ckpt", hyper_parameters={**settings, key: name}))


def test_settings_that_are_no_settings(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no LightningModule"):
        read_checkpoint(save(tmp_path / "x.ckpt", hyper_parameters=[1]))
    known = {"_class_path": "lightning_modules.segmentation.SegmentationModule", "network": 3}
    with pytest.raises(UserError, match="its num_classes is None"):
        load_module(save(tmp_path / "y.ckpt", hyper_parameters=known))


def test_weights_of_another_network(tiny_run: Path, tmp_path: Path) -> None:
    content = torch.load(tiny_run / "best.ckpt", weights_only=True)
    content["state_dict"].popitem()
    torch.save(content, tmp_path / "odd.ckpt")
    with pytest.raises(UserError, match="cannot be rebuilt"):
        load_module(tmp_path / "odd.ckpt")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers(tiny_run: Path, tmp_path: Path, value: float) -> None:
    content = torch.load(tiny_run / "best.ckpt", weights_only=True)
    name = [name for name, weight in content["state_dict"].items() if weight.is_floating_point()][-1]
    content["state_dict"][name].view(-1)[-1] = value
    torch.save(content, tmp_path / "lost.ckpt")
    with pytest.raises(UserError, match=f"no finite numbers, '{name}' the first"):
        read_checkpoint(tmp_path / "lost.ckpt")
    content["state_dict"][name].view(-1)[-1] = -float("inf")  # as in a mask of attention
    torch.save(content, tmp_path / "masked.ckpt")
    read_checkpoint(tmp_path / "masked.ckpt")


VARIANT = """
from lightning_modules.segmentation import SegmentationModule

class Variant(SegmentationModule):
    def make_parameter_groups(self):
        return [{"params": list(self.parameters())}]
"""


def test_a_variant_is_rebuilt_as_itself(tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its class stands among the settings; one that is no module of ours is refused."""
    monkeypatch.setenv(TRUST, "my_modules.")
    (tmp_path / "my_modules.py").write_text(VARIANT)
    monkeypatch.syspath_prepend(str(tmp_path))
    content = torch.load(tiny_run / "best.ckpt", weights_only=True)
    content["hyper_parameters"]["_class_path"] = "my_modules.Variant"
    torch.save(content, tmp_path / "net.ckpt")
    assert type(load_module(tmp_path / "net.ckpt")).__name__ == "Variant"
    content["hyper_parameters"]["_class_path"] = "torch.nn.Linear"
    torch.save(content, tmp_path / "net.ckpt")
    with pytest.raises(UserError, match=r"torch\.nn\.Linear"):
        load_module(tmp_path / "net.ckpt")


SOURCE = """
from torch import nn

class Net(nn.Sequential):
    def __init__(self, channels, classes, width):
        super().__init__(nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, classes, 1))
"""


@pytest.fixture
def own_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package of the user's own, `my_nets`."""
    (tmp_path / "my_nets.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.fixture
def own_run(own_package: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of a network of that package, trained for one epoch."""
    monkeypatch.delenv(TRUST, raising=False)
    (tmp_path / "net.yaml").write_text(
        "class_path: lightning_modules.networks.adapters.any_module.AnyModule\n"
        "init_args: {target: my_nets.Net, arguments: {width: 6}, num_classes_argument: classes,"
        " in_channels_argument: channels, output: null, stride: 1}\n"
    )
    words = [word for word in TINY if "network" not in word]
    words += [f"--model.init_args.network={tmp_path / 'net.yaml'}", "--data.init_args.train=8"]
    run_cli([*words, "--trainer.accelerator=cpu", "--trainer.max_epochs=1", f"--run={tmp_path / 'run'}"])
    return tmp_path / "run"


def test_a_package_of_ones_own_is_trusted_by_name(own_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = own_run / "last.ckpt"
    with pytest.raises(UserError, match=rf"asks for 'my_nets\.Net'.*{TRUST}=my_nets\.$"):
        load_module(path)
    for others in ("my_net", "my_nets.other", "nets", ",", ".", "other_nets."):
        monkeypatch.setenv(TRUST, others)
        with pytest.raises(UserError, match="refused"):
            load_module(path)
    image = torch.randint(0, 256, (1, 3, 33, 40), dtype=torch.uint8)
    for trusted in ("my_nets.", "my_nets", " others. , my_nets. "):
        monkeypatch.setenv(TRUST, trusted)
        network = load_module(path).network
        assert type(network.model).__name__ == "Net"
        assert network(image).shape == (1, 5, 33, 40)


def test_a_trusted_package_that_is_not_here(own_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TRUST, "my_nets.")
    monkeypatch.delitem(sys.modules, "my_nets")
    (own_run.parent / "my_nets.py").unlink()
    importlib.invalidate_caches()
    with pytest.raises(UserError, match=r"'my_nets\.Net', which is not to be had here.*install its package"):
        load_module(own_run / "last.ckpt")


@pytest.mark.usefixtures("own_package")
@pytest.mark.parametrize("name", STRANGERS)
def test_trust_in_one_package_is_none_in_others(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TRUST, "my_nets.,lightning")
    network = {
        "class_path": "lightning_modules.networks.adapters.any_module.AnyModule",
        "init_args": {"target": "my_nets.Net", "arguments": {"deep": [{"class_path": name, "init_args": {}}]}},
    }
    with pytest.raises(UserError, match=f"asks for '{name}'"):
        load_module(save(tmp_path / "evil.ckpt", hyper_parameters={"network": network}))


@pytest.mark.parametrize("name", ["os.system", "torch.hub.load", "torch.nn.init.ones_"])
def test_what_no_network_comes_from_is_not_advised(tmp_path: Path, name: str) -> None:
    """A refusal must not teach how to let it in."""
    component = {"class_path": name, "init_args": {}}
    with pytest.raises(UserError) as refused:
        load_module(save(tmp_path / "evil.ckpt", hyper_parameters={"network": component}))
    assert TRUST not in str(refused.value)


def test_a_function_for_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trusted package may hold more than classes; the module of a checkpoint is one all the same."""
    monkeypatch.setenv(TRUST, "json")
    settings = {"_class_path": "json.dumps", "obj": 3}
    with pytest.raises(UserError, match="is no SegmentationModule"):
        load_module(save(tmp_path / "odd.ckpt", hyper_parameters=settings))


@pytest.mark.parametrize("place", [0.2, 0.5, 0.8])
def test_a_bit_that_a_disk_has_turned_is_found(tiny_run: Path, tmp_path: Path, place: float):
    content = bytearray((tiny_run / "best.ckpt").read_bytes())
    content[int(place * len(content))] ^= 1
    (tmp_path / "best.ckpt").write_bytes(content)
    with pytest.raises(UserError, match=r"is damaged \("):
        read_checkpoint(tmp_path / "best.ckpt")
