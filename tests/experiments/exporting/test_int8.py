"""Quantisation to 8 bits, and the images that it may see."""

import onnx
import pytest
import torch
from torch import nn

from datamodules.datasets.synthetic import SyntheticDataModule
from experiments.exporting.calibration import draw_places, quantise_for
from experiments.exporting.int8 import quantise
from experiments.exporting.onnx_file import open_graph, trace_graph
from user_error import UserError


def make_network() -> nn.Module:
    torch.manual_seed(0)
    layers = (nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 5, 1))
    return nn.Sequential(*layers).eval().requires_grad_(False)


def test_all_convolutions_but_the_last_are_quantised() -> None:
    """Their inputs, outputs and weights are; the logits come near those of the network, with more than 256 values."""
    network = make_network()
    graph = trace_graph(network, torch.rand(2, 3, 20, 24), any_size=True)
    found = quantise(graph, [torch.rand(1, 3, 20, 24) for _ in range(4)])
    nodes = onnx.load_model_from_string(found).graph.node
    makers = {output: node.op_type for node in nodes for output in node.output}
    fed = [[makers.get(name) for name in node.input[:2]] for node in nodes if node.op_type == "Conv"]
    assert fed[:2] == [["DequantizeLinear"] * 2] * 2
    assert fed[2][1] is None
    image = torch.rand(3, 3, 33, 21)
    logits = open_graph(found)(image)
    assert (logits - network(image)).abs().max() < 0.1 * network(image).std()
    assert len(logits.unique()) > 256


def test_only_training_and_validation_images_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    data = SyntheticDataModule(num_classes=5, size=(32, 36), train=6, val=3, test=2, num_workers=0)
    opened, opening = [], data.open_split
    monkeypatch.setattr(data, "open_split", lambda split: opened.append(split) or opening(split))
    network = make_network()
    graph = trace_graph(network, torch.rand(2, 3, 20, 24), any_size=True)
    found = quantise_for(graph, network, data, 4, 0, None)
    assert set(opened) == {"train", "val"}
    assert (found.calibration, found.compared, found.split) == (4, 3, "val")
    assert 0.9 < found.agreement <= 1
    larger = quantise_for(trace_graph(network, torch.rand(2, 3, 32, 16)), network, data, 100, 0, (32, 16))
    assert larger.calibration == 6


def test_images_are_drawn_by_the_seed_and_once_each() -> None:
    view = SyntheticDataModule(num_classes=5, size=(32, 36), train=30, num_workers=0)
    view = view.make_evaluation_view(view.open_split("train"))
    first = draw_places(view, 10, 0)
    assert len(set(first)) == 10
    assert first == draw_places(view, 10, 0) != draw_places(view, 10, 1)
    assert draw_places(view, 99, 3) == list(range(30))


def test_data_without_training_images_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = SyntheticDataModule(num_classes=5, size=(32, 36), train=6, val=3, num_workers=0)

    class Empty:
        def prepare(self) -> None: ...

        def __len__(self) -> int:
            return 0

    monkeypatch.setattr(data, "open_split", lambda split: Empty())
    with pytest.raises(UserError, match="no training images to calibrate 8 bits on: pass other --data"):
        quantise_for(b"", make_network(), data, 4, 0, None)
