"""Networks from ONNX files: by a stand-in for ONNX Runtime, and by the runtime itself where it is installed."""

import copy
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lightning_modules.networks.adapters.onnx import OnnxNetwork
from user_error import UserError

IMAGE = torch.randint(0, 256, (3, 3, 18, 20), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
UNCHANGED = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}


class Session:
    """A graph of one layer: the mean over channels, times 1, 2, ... K."""

    opened: list[bytes] = []  # noqa: RUF012  (each test's stub has its own)
    shape: list = ["batch", 3, "height", "width"]  # noqa: RUF012
    kind = "tensor(float)"
    classes = 5

    def __init__(self, graph: bytes, options: Any, providers: list[str]) -> None:
        if not graph.startswith(b"onnx"):
            raise RuntimeError("Protobuf parsing failed.\nmore")
        assert providers == ["CPUExecutionProvider"]
        assert options.intra_op_num_threads == torch.get_num_threads()
        self.opened.append(graph)
        self.seen: list[np.ndarray] = []

    def get_inputs(self) -> list:
        return [types.SimpleNamespace(name="image", shape=self.shape, type=self.kind)]

    def get_outputs(self) -> list:
        return [types.SimpleNamespace(name=name) for name in ("logits", "other")]

    def run(self, outputs: list[str], feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
        (image,) = feeds.values()
        self.seen.append(image)
        mean = image.mean(1, keepdims=True)
        found = mean * np.arange(1, self.classes + 1, dtype=image.dtype).reshape(1, -1, 1, 1)
        return [found if name == "logits" else mean for name in outputs]


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The stand-in's session class, whose graph a test may change."""
    module: Any = types.ModuleType("onnxruntime")
    module.InferenceSession = type("Session", (Session,), {"opened": []})
    module.SessionOptions = types.SimpleNamespace
    module.get_available_providers = lambda: ["CPUExecutionProvider"]
    monkeypatch.setitem(sys.modules, "onnxruntime", module)
    return module.InferenceSession


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "net.onnx").write_bytes(b"onnx of a net")
    return str(tmp_path / "net.onnx")


def expected(x: torch.Tensor) -> torch.Tensor:
    return x.mean(1, keepdim=True) * torch.arange(1.0, 6).view(1, 5, 1, 1)


@torch.inference_mode()
def test_a_graph_of_any_size(session: Any, file: str) -> None:
    network = OnnxNetwork(5, 3, file, stride=8).eval()
    torch.testing.assert_close(network(IMAGE), expected(network.normalise(IMAGE)))
    assert network._session.seen[0].shape == (3, 3, 24, 24)  # padded to the stride
    torch.testing.assert_close(OnnxNetwork(5, 3, file, **UNCHANGED).eval()(IMAGE), expected(IMAGE / 255))


@torch.inference_mode()
def test_a_graph_of_one_size_sees_resized_images(session: Any, file: str) -> None:
    session.shape = ["batch", 3, 8, 12]
    network = OnnxNetwork(5, 3, file, **UNCHANGED).eval()
    seen = F.interpolate(IMAGE / 255, (8, 12), mode="bilinear")
    logits = network(IMAGE)
    torch.testing.assert_close(torch.from_numpy(network._session.seen[0]), seen)
    torch.testing.assert_close(logits, F.interpolate(expected(seen), IMAGE.shape[2:], mode="bilinear"))


@pytest.mark.parametrize("batch", [1, 2, 4])
@torch.inference_mode()
def test_a_graph_of_one_batch_size(session: Any, file: str, batch: int) -> None:
    session.shape = [batch, 3, "height", "width"]
    network = OnnxNetwork(5, 3, file, **UNCHANGED).eval()
    torch.testing.assert_close(network(IMAGE), expected(IMAGE / 255))
    assert {len(one) for one in network._session.seen} == {batch}


@torch.inference_mode()
def test_half_precision(session: Any, file: str) -> None:
    session.kind = "tensor(float16)"
    network = OnnxNetwork(5, 3, file, **UNCHANGED).eval()
    logits = network(IMAGE)
    assert network._session.seen[0].dtype == np.float16
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits, expected((IMAGE / 255).half()).float(), rtol=5e-3, atol=5e-3)


@torch.inference_mode()
def test_a_state_dict_holds_the_graph(session: Any, file: str, tmp_path: Path) -> None:
    network = OnnxNetwork(5, 3, file).eval()
    torch.save(network.state_dict(), tmp_path / "state.pt")
    Path(file).unlink()
    again = OnnxNetwork(5, 3).eval()
    again.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert torch.equal(again(IMAGE), network(IMAGE))
    assert session.opened == [b"onnx of a net"] * 2


@torch.inference_mode()
def test_a_copy_opens_its_own_session(session: Any, file: str) -> None:
    network = OnnxNetwork(5, 3, file).eval()
    logits = network(IMAGE)
    other = copy.deepcopy(network)
    assert torch.equal(other(IMAGE), logits)
    assert other._session is not network._session


@pytest.mark.parametrize(
    ("settings", "graph", "message"),
    [
        ({"onnx_file": "missing.onnx"}, {}, "no ONNX file 'missing.onnx'"),
        ({"onnx_file": None}, {}, "no ONNX file None"),
        ({"input_name": "pixels"}, {}, "no input 'pixels'.*but image"),
        ({}, {"shape": ["batch", "features"]}, "no input 'image' of shape"),
        ({"output_name": "scores"}, {}, "no output 'scores', but logits, other"),
        ({"output_name": "other"}, {}, r"logits \(B, 5, h, w\)"),
        ({}, {"classes": 4}, r"logits \(B, 5, h, w\)"),
        ({}, {"kind": "tensor(uint8)"}, r"takes tensor\(uint8\)"),
        ({}, {"shape": ["batch", 1, "height", "width"]}, "1 channels, but the images have 3"),
    ],
)
@torch.inference_mode()
def test_what_does_not_fit_is_refused(session: Any, file: str, settings: dict, graph: dict, message: str) -> None:
    for name, value in graph.items():
        setattr(session, name, value)
    with pytest.raises(UserError, match=message):
        OnnxNetwork(5, 3, **{"onnx_file": file, **settings}).eval()(IMAGE)


def test_what_is_no_graph(session: Any, tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("hello")
    with torch.inference_mode(), pytest.raises(UserError, match="Protobuf parsing failed"):
        OnnxNetwork(5, 3, str(tmp_path / "text.onnx")).eval()(IMAGE)


def test_gradients_are_refused(session: Any, file: str) -> None:
    network = OnnxNetwork(5, 3, file)
    with pytest.raises(UserError, match="no gradients"):
        network(IMAGE)
    with pytest.raises(UserError, match="no gradients"):
        network.eval()((IMAGE / 255).requires_grad_())
    assert network(IMAGE).shape == (3, 5, 18, 20)


def test_a_missing_runtime_is_said(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with torch.inference_mode(), pytest.raises(UserError, match="pip install onnxruntime"):
        OnnxNetwork(5, 3, file).eval()(IMAGE)


@pytest.mark.parametrize("shape", [["n", 3, "h", "w"], [1, 3, 16, 16]])
@torch.inference_mode()
def test_the_runtime_itself(tmp_path: Path, shape: list) -> None:
    """A convolution of torch and the same one as an ONNX file."""
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is optional and not installed here")
    onnx = pytest.importorskip("onnx", reason="onnx, which writes the file, is not installed here")
    torch.manual_seed(0)
    layer = nn.Conv2d(3, 5, 3, padding=1)
    constants = [onnx.numpy_helper.from_array(value.detach().numpy(), name) for name, value in layer.named_parameters()]
    float32 = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Conv", ["image", "weight", "bias"], ["logits"], pads=[1, 1, 1, 1])],
        "net",
        [onnx.helper.make_tensor_value_info("image", float32, shape)],
        [onnx.helper.make_tensor_value_info("logits", float32, [shape[0], 5, *shape[2:]])],
        constants,
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, str(tmp_path / "net.onnx"))
    network = OnnxNetwork(5, 3, str(tmp_path / "net.onnx"), stride=2).eval()
    x = network.normalise(IMAGE)
    if shape[0] == 1:
        seen = F.interpolate(x, (16, 16), mode="bilinear")
        by_torch = F.interpolate(layer(seen), (18, 20), mode="bilinear")
    else:
        by_torch = layer(x)
    torch.testing.assert_close(network(IMAGE), by_torch, rtol=1e-4, atol=1e-5)
