"""Write a checkpoint as an ONNX file, and compare its logits with those of the network."""

import io
import warnings
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from torch import Tensor, nn

from experiments.checkpoints.checkpoint import describe_data, load_module
from experiments.checkpoints.graph_facts import add_facts
from experiments.checkpoints.opened_checkpoint import CheckpointFile
from experiments.command_line.verb_parser import Option, call_verb
from experiments.files.atomic_write import atomic_write, require_writable
from lightning_modules.segmentation import SegmentationModule
from user_error import UserError, shorten

EXAMPLES = """
--checkpoint runs/half_tuned/best.ckpt --size 256 256 --output half.onnx
--checkpoint runs/ensemble/best.ckpt --size 512 1024 --output ensemble.onnx
"""

OPSET = 17
TOLERANCE = 1e-3
"""Largest difference of a logit between the file and the network, due to another order of float32 sums."""

USUAL = 100.0
"""Magnitude of logits up to which the tolerance is absolute; above, it is relative, as float32 rounding is."""


INSTEAD = "sweep and deploy its checkpoint"


class Logits(nn.Module):
    """The exported module: float images (B, C, H, W) in [0, 1] to logits (B, K, H, W)."""

    def __init__(self, module: SegmentationModule) -> None:
        super().__init__()
        self.module = module

    def forward(self, image: Tensor) -> Tensor:
        """The logits that validation and sweep score."""
        return self.module.predict_logits(image)


def draw_images(number: int, channels: int, size: tuple[int, int], seed: int) -> Tensor:
    """Float images (number, channels, H, W) in [0, 1]."""
    return torch.rand(number, channels, *size, generator=torch.Generator().manual_seed(seed))


def trace_graph(network: nn.Module, image: Tensor) -> bytes:
    """Trace the network on `image`; the content of an ONNX file for images of its size, in batches of any size.

    Raises:
        UserError: the network has operations that ONNX does not support.
    """
    graph = io.BytesIO()
    try:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                network,
                (image,),
                graph,  # type: ignore[arg-type]  # this exporter accepts a stream, too
                dynamo=False,  # the other exporter needs another package, and supports fewer of the networks
                opset_version=OPSET,
                input_names=["image"],
                output_names=["logits"],
                dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}},
            )
    except (RuntimeError, TypeError, ValueError, ImportError) as error:
        raise UserError(f"the network cannot be written as ONNX ({shorten(error)}): {INSTEAD}") from error
    return graph.getvalue()


def find_largest_difference(graph: bytes, network: nn.Module, images: Tensor) -> float:
    """The largest difference of a logit between a graph and the network that it was exported from.

    Where logits are larger than `USUAL`, the difference is relative to them.

    Raises:
        UserError: ONNX Runtime is missing, or cannot open the file.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError("the file cannot be checked without ONNX Runtime: run pip install onnxruntime") from error
    try:
        session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
        found = session.run(["logits"], {"image": images.numpy()})[0]
    except Exception as error:  # its exceptions have no common base class
        raise UserError(f"ONNX Runtime does not take the network ({shorten(error)}): {INSTEAD}") from error
    with torch.inference_mode():
        logits = network(images).numpy()
    return float(np.abs(found - logits).max() / max(1.0, np.abs(logits).max() / USUAL))


def export_network(
    *, checkpoint: Path, size: Annotated[tuple[int, int], Option(metavar=("HEIGHT", "WIDTH"))], output: Path
) -> None:
    """Write a checkpoint as an ONNX file: a plain network, a pruned one, an ensemble.

    It takes float images (batch, channels, height, width) in [0, 1], of one size, and gives logits of that size;
    normalisation is inside. Its logits of other images than those of the trace are compared with the network's. Its
    metadata describe its input and its classes, for 'onnx' to read.

    Args:
        checkpoint: file of a network.
        size: in pixels.
        output: file to write: *.onnx.

    Raises:
        UserError: the file's logits would differ from the network's, or its name or size is invalid.
    """
    if min(size) < 1:
        raise UserError(f"--size {size[0]} {size[1]}: give a height and a width of at least 1 pixel")
    if output.suffix != ".onnx":
        raise UserError(f"the output {str(output)!r} must be named *.onnx")
    source = CheckpointFile(checkpoint)
    module = load_module(source)
    require_writable(output)
    network, channels = Logits(module).eval(), int(module.hparams["in_channels"])
    graph = trace_graph(network, draw_images(1, channels, size, seed=0))
    difference = find_largest_difference(graph, network, draw_images(2, channels, size, seed=1))
    if not difference <= TOLERANCE:
        raise UserError(
            f"the file would say something else than the network (logits differ by {difference:.2g}), which computes what a "
            f"trace cannot follow: {INSTEAD}"
        )
    with atomic_write(output, "wb") as file:
        file.write(add_facts(graph, {**describe_data(source), "size": list(size)}, channels))
    print(f"exported: {output} (logits differ by at most {difference:.1g})")


def main(argv: list[str]) -> None:
    """The verb."""
    call_verb("export", export_network, EXAMPLES, argv)
