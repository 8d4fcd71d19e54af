"""ONNX files of networks, written by PyTorch's exporter by traces and run by ONNX Runtime.

Its other exporter, by ``torch.export``, takes four times as long and more, and lost pyramid pooling for other sizes.
"""

import io
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from experiments.checkpoints.graph_facts import add_facts, require_onnx
from experiments.exporting.onnx_operators import OPSET, add_operators
from experiments.exporting.program import Run
from user_error import UserError, shorten

IMAGE, LOGITS = "image", "logits"

RECORDING_ERRORS = (RuntimeError, TypeError, ValueError, AttributeError, IndexError, KeyError, AssertionError)
"""What the recording of a network that cannot be recorded raises."""


def trace_graph(network: nn.Module, image: Tensor, any_size: bool = False) -> bytes:
    """Trace the network on `image`; the content of an ONNX file for batches of any number of images.

    Args:
        network: in evaluation mode.
        image: (B, C, H, W).
        any_size: whether images may have another size than this one.

    Raises:
        UserError: the network has operations that ONNX does not support, or the package onnx is missing.
    """
    require_onnx()
    axes = {0: "batch", 2: "height", 3: "width"} if any_size else {0: "batch"}
    graph = io.BytesIO()
    try:
        with warnings.catch_warnings(), torch.inference_mode(), add_operators(), _print_no_graph():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                network,
                (image,),
                graph,  # type: ignore[arg-type]  # this exporter accepts a stream, too
                dynamo=False,
                opset_version=OPSET,
                input_names=[IMAGE],
                output_names=[LOGITS],
                dynamic_axes={IMAGE: axes, LOGITS: axes},
            )
    except RECORDING_ERRORS as error:
        raise UserError(f"the network cannot be written as ONNX ({shorten(error)})") from error
    return graph.getvalue()


@contextmanager
def _print_no_graph() -> Iterator[None]:
    """Keep PyTorch 2.13 from printing a graph that it cannot write: it asks wrongly whether it is to log."""
    log = torch._C._jit_onnx_log
    torch._C._jit_onnx_log = lambda *_: None
    try:
        yield
    finally:
        torch._C._jit_onnx_log = log


def open_graph(graph: bytes) -> Run:
    """What runs a graph by ONNX Runtime on the CPU, with as many threads as PyTorch has.

    Raises:
        UserError: ONNX Runtime is missing, or cannot open the graph; or run it, later.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError("ONNX files are run by ONNX Runtime, which is missing: run pip install onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.add_session_config_entry("session.force_spinning_stop", "1")  # its threads leave the cores to PyTorch's
    options.log_severity_level = 4  # what it logs stands in its errors, too
    try:
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no common base class
        raise UserError(f"ONNX Runtime does not take the network ({shorten(error)})") from error

    def run(images: Tensor) -> Tensor:
        try:
            return torch.from_numpy(session.run([LOGITS], {IMAGE: images.numpy()})[0])
        except Exception as error:
            raise UserError(f"ONNX Runtime cannot run the network ({shorten(error)})") from error

    return run


def write_onnx(network: nn.Module, image: Tensor, any_size: bool, facts: Mapping[str, Any]) -> bytes:
    """The content of an ONNX file; see `trace_graph`, and `add_facts` for `facts`."""
    return add_facts(trace_graph(network, image, any_size), facts, image.shape[1])
