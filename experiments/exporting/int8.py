"""Quantisation of ONNX graphs to 8 bits, calibrated on images."""

import logging
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor

from experiments.exporting.onnx_file import IMAGE
from user_error import UserError, shorten

KINDS = ("Conv", "Gemm", "MatMul")
"""Operators that are computed in 8 bits; what lies between stays in floats."""


class Images:
    """Images (1, C, H, W) in the form in which ONNX Runtime asks for its calibration data.

    Args:
        images: read one after the other.
    """

    def __init__(self, images: Iterable[Tensor]) -> None:
        self.images: Iterator[Tensor] = iter(images)

    def get_next(self) -> dict[str, Any] | None:
        """The next image; `None` after the last."""
        image = next(self.images, None)
        return None if image is None else {IMAGE: image.numpy()}


def quantise(graph: bytes, images: Iterable[Tensor]) -> bytes:
    """Quantise a graph statically: 8 bits for weights, by output channel, and for what flows between operators.

    Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", CVPR 2018,
    in the form of ONNX Runtime: QuantizeLinear and DequantizeLinear around each operator, ranges from the least and greatest
    values on the images. Weights have 7 bits, since sums of products of 8 bits overflow on processors without VNNI. The last
    operators, which give the logits, stay in floats: 256 levels would make classes equal.

    Args:
        graph: content of an ONNX file.
        images: floats (1, C, H, W) in [0, 1].

    Raises:
        UserError: a package is missing, or ONNX Runtime cannot quantise the graph.
    """
    try:
        import onnx
        from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ImportError as error:
        raise UserError(
            f"8 bits are made by ONNX Runtime and onnx ({error}): run pip install onnx onnxruntime"
        ) from error
    with tempfile.TemporaryDirectory() as folder, _be_quiet():
        prepared, output = Path(folder) / "prepared.onnx", Path(folder) / "int8.onnx"
        try:
            quant_pre_process(onnx.load_model_from_string(graph), prepared, skip_symbolic_shape=True)
            model = onnx.load(prepared)
            quantize_static(
                prepared,
                output,
                Images(images),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=list(KINDS),
                nodes_to_exclude=find_unquantised(model),
                per_channel=True,
                reduce_range=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
        except UserError:
            raise
        except Exception as error:  # its exceptions have no common base class
            raise UserError(
                f"ONNX Runtime cannot quantise the network ({shorten(error)}): export it without --int8"
            ) from error
        return output.read_bytes()


def find_unquantised(model: Any) -> list[str]:
    """Names of the operators that stay in floats: the last before the logits, and products of two computed matrices."""
    makers = {output: node for node in model.graph.node for output in node.output}
    weights = {tensor.name for tensor in model.graph.initializer}
    computed = [
        node.name for node in model.graph.node if node.op_type == "MatMul" and not weights.intersection(node.input)
    ]
    last, waiting, seen = [], [output.name for output in model.graph.output], set()
    while waiting:
        node = makers.get(waiting.pop())
        if node is None or node.name in seen:
            continue
        seen.add(node.name)
        if node.op_type in KINDS and node.name not in computed:
            last.append(node.name)
        else:
            waiting.extend(node.input)
    return [*last, *computed]


@contextmanager
def _be_quiet() -> Iterator[None]:
    """Without the remarks of ONNX Runtime's quantisation, which it logs as the root."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(level)
