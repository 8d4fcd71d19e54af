"""Operators of PyTorch that its exporter to ONNX lacks for images of any size."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.onnx import symbolic_helper

OPSET = 18
"""Version of ONNX: the first whose Resize can antialias."""

INT64, FLOAT = 7, 1
"""Types of elements in ONNX."""


@contextmanager
def add_operators() -> Iterator[None]:
    """Let the exporter write antialiased resizing and adaptive pooling while the context lasts."""
    added = {
        "aten::_upsample_bilinear2d_aa": _make_resize("linear"),
        "aten::_upsample_bicubic2d_aa": _make_resize("cubic"),
        "aten::adaptive_avg_pool2d": symbolic_helper.parse_args("v", "is")(write_adaptive_pooling),
    }
    for name, write in added.items():
        torch.onnx.register_custom_op_symbolic(name, write, OPSET)
    try:
        yield
    finally:
        for name in added:
            torch.onnx.unregister_custom_op_symbolic(name, OPSET)


def _make_resize(mode: str) -> Any:
    """What writes an antialiased resizing, whose cubic kernel has the coefficient -0.5 in PyTorch, as in Pillow."""

    def write(graph: Any, image: Any, size: Any, *_: Any) -> Any:
        first = graph.op("Slice", graph.op("Shape", image), _constant(graph, [0]), _constant(graph, [2]))
        whole = graph.op("Concat", first, graph.op("Cast", size, to_i=INT64), axis_i=0)
        none = graph.op("Constant", value_t=torch.tensor([], dtype=torch.float32))
        settings = {"coordinate_transformation_mode_s": "half_pixel", "cubic_coeff_a_f": -0.5, "exclude_outside_i": 1}
        return graph.op("Resize", image, none, none, whole, antialias_i=1, mode_s=mode, **settings)

    return write


def write_adaptive_pooling(graph: Any, image: Any, size: Sequence[int]) -> Any:
    """Adaptive average pooling of (B, C, H, W) to a `size`, as two products with matrices of means."""
    if list(size) == [1, 1]:
        return graph.op("GlobalAveragePool", image)
    rows = _make_means(graph, size[0], _get_side(graph, image, 2))
    columns = graph.op("Transpose", _make_means(graph, size[1], _get_side(graph, image, 3)), perm_i=[1, 0])
    return graph.op("MatMul", rows, graph.op("MatMul", image, columns))


def _make_means(graph: Any, number: int, side: Any) -> Any:
    """The matrix (number, side) of the means of so many stretches, which may overlap, as PyTorch draws them."""
    place, count = torch.arange(number)[:, None], _constant(graph, number)
    first = graph.op("Div", graph.op("Mul", _constant(graph, place), side), count)
    rounded = graph.op("Add", graph.op("Mul", _constant(graph, place + 1), side), _constant(graph, number - 1))
    end = graph.op("Div", rounded, count)
    pixel = graph.op("Range", _constant(graph, 0), side, _constant(graph, 1))
    inside = graph.op("And", graph.op("Not", graph.op("Less", pixel, first)), graph.op("Less", pixel, end))
    length = graph.op("Cast", graph.op("Sub", end, first), to_i=FLOAT)
    return graph.op("Div", graph.op("Cast", inside, to_i=FLOAT), length)


def _get_side(graph: Any, image: Any, axis: int) -> Any:
    return graph.op("Gather", graph.op("Shape", image), _constant(graph, axis), axis_i=0)


def _constant(graph: Any, value: Any) -> Any:
    return graph.op("Constant", value_t=torch.as_tensor(value))
