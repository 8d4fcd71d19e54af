"""Networks that cannot be written, or not for any size, and what is said of them."""

import sys

import pytest
import torch
from torch import Tensor, nn

from experiments.exporting.exported_module import choose_shapes
from experiments.exporting.exported_program import RUNTIMES, export_program
from lightning_modules.networks.adapters.onnx import OnnxNetwork
from lightning_modules.networks.fcn import FcnNetwork
from user_error import UserError

FORMATS = tuple(RUNTIMES)


class Changed(nn.Module):
    """A convolution, and something that depends on the size of the image."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.layer = nn.Conv2d(3, 2, 1)
        self.requires_grad_(False).eval()

    def forward(self, x: Tensor) -> Tensor:
        if self.kind == "multiple" and (x.shape[2] % 32 or x.shape[3] % 32):
            raise ValueError("sides must be multiples of 32")
        larger = int(x.shape[2]) + int(x.shape[3]) > 200 if self.kind == "branch" else False
        found = self.layer(x)
        return found * 2 if larger else found


@pytest.mark.parametrize("format", ["onnx", "torchscript"])
def test_a_size_that_decides_is_found_out(format: str) -> None:
    """A trace holds the branch of its own size."""
    network = Changed("branch")
    with pytest.raises(UserError, match=r"something else than the network .* pass --size HEIGHT WIDTH"):
        export_program(network, format, 3, None, {})
    assert export_program(network, format, 3, (150, 90), {}).parity.difference < 1e-5


@pytest.mark.parametrize("format", FORMATS)
def test_a_network_that_takes_multiples_alone_asks_for_a_size(format: str) -> None:
    network = Changed("multiple")
    refused = (
        r"does not take images of 90 x 125 \(sides must be multiples of 32\): pass --size HEIGHT WIDTH of images that"
    )
    with pytest.raises(UserError, match=refused):
        export_program(network, format, 3, None, {})
    with pytest.raises(UserError, match="does not take images of 40 x 64"):
        export_program(network, format, 3, (40, 64), {})
    assert export_program(network, format, 3, (64, 96), {}).parity.difference < 1e-5


def test_a_network_of_one_size_asks_for_that() -> None:
    network = FcnNetwork(2, 3, hidden=8, encoder="tu-test_resnet", image_size=64).eval().requires_grad_(False)
    with pytest.raises(UserError, match="was made for images of one size: pass --size 64 64"):
        export_program(network, "onnx", 3, None, {})
    with pytest.raises(UserError, match="was made for images of 64 x 64 and was given 64 x 96"):
        export_program(network, "onnx", 3, (64, 96), {})
    assert export_program(network, "onnx", 3, (40, 64), {}).parity.difference < 1e-3


def test_what_another_runtime_runs_is_no_graph_of_pytorch() -> None:
    with pytest.raises(UserError, match=r"itself the file of another runtime \(ONNX\): deploy that file"):
        export_program(OnnxNetwork(2, 3), "pt2", 3, None, {})


def test_an_operator_that_onnx_lacks_is_named_in_a_sentence(capfd: pytest.CaptureFixture) -> None:
    """Without the graph, which PyTorch would print."""
    network = nn.AdaptiveMaxPool2d(3)
    with pytest.raises(
        UserError, match=r"cannot be written as ONNX \(.*adaptive_max_pool2d.* pass --size HEIGHT WIDTH"
    ):
        export_program(network, "onnx", 3, None, {})
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("package", ["onnxruntime", "onnx"])
def test_a_missing_package_is_named(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=f"run pip install {package}$"):
        export_program(Changed("plain"), "onnx", 3, None, {})


def test_shapes_are_of_multiples_of_none_smaller_and_the_datas() -> None:
    network = FcnNetwork(2, 3, hidden=8, encoder="tu-test_resnet")
    stride = network.stride
    shapes = choose_shapes(network, None, (48, 80))
    sides = [(one.height, one.width) for one in shapes]
    assert len({one.batch for one in shapes}) == 3
    assert any(height % stride == width % stride == 0 for height, width in sides)
    assert any(height % stride and width % stride for height, width in sides)
    assert any(max(one) < stride for one in sides)
    assert (48, 80) in sides
    assert {(one.height, one.width) for one in choose_shapes(network, (30, 20), (48, 80))} == {(30, 20)}


def test_every_format_is_equal_to_the_network() -> None:
    torch.manual_seed(0)
    network = Changed("plain")
    for format in FORMATS:
        found = export_program(network, format, 3, None, {"classes": ["a", "b"], "size": [33, 47]})
        assert found.parity.difference < 1e-5
        assert "1 of 33 x 47" in str(found.parity)
