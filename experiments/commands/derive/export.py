"""Write a checkpoint as an ONNX file, and hold what that says against the network."""

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
from experiments.files.whole import require_writable, whole_file
from lightning_modules.segmentation import SegmentationModule
from user_error import UserError, shorten

EXAMPLES = """
--checkpoint runs/half_tuned/best.ckpt --size 256 256 --output half.onnx
--checkpoint runs/ensemble/best.ckpt --size 512 1024 --output ensemble.onnx
"""

OPSET = 17
TOLERANCE = 1e-3
"""Largest difference of a logit between the file and the network; float32 sums come in another order."""

USUAL = 100.0
"""Logits up to which the tolerance is meant; that of larger ones grows with them, as the rounding of float32 does."""


INSTEAD = "sweep and deploy its checkpoint"


class Logits(nn.Module):
    """What is exported: float images (B, C, H, W) in [0, 1] to logits (B, K, H, W)."""

    def __init__(self, module: SegmentationModule) -> None:
        super().__init__()
        self.module = module

    def forward(self, image: Tensor) -> Tensor:
        """The logits that validation and sweep score."""
        return self.module.predict_logits(image)


def random_images(number: int, channels: int, size: tuple[int, int], seed: int) -> Tensor:
    """Float images (number, channels, H, W) in [0, 1]."""
    return torch.rand(number, channels, *size, generator=torch.Generator().manual_seed(seed))


def trace_graph(network: nn.Module, image: Tensor) -> bytes:
    """The graph that `image` takes through the network, as a file holds it; of images of its size, in batches of any.

    Raises:
        UserError: the network holds what ONNX cannot say.
    """
    graph = io.BytesIO()
    try:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                network,
                (image,),
                graph,  # type: ignore[arg-type]  # this exporter takes a stream, too
                dynamo=False,  # the other exporter needs a package more, and follows fewer of the networks
                opset_version=OPSET,
                input_names=["image"],
                output_names=["logits"],
                dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}},
            )
    except (RuntimeError, TypeError, ValueError, ImportError) as error:
        raise UserError(f"the network cannot be written as ONNX ({shorten(error)}): {INSTEAD}") from error
    return graph.getvalue()


def farthest(graph: bytes, network: nn.Module, images: Tensor) -> float:
    """The largest difference of a logit between a graph and the network that it was made of.

    Where logits are larger than `USUAL`, it is divided by how much larger.

    Raises:
        UserError: ONNX Runtime is missing, or does not take the file.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError("the file cannot be checked without ONNX Runtime: run pip install onnxruntime") from error
    try:
        session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
        found = session.run(["logits"], {"image": images.numpy()})[0]
    except Exception as error:  # its exceptions share no base of their own
        raise UserError(f"ONNX Runtime does not take the network ({shorten(error)}): {INSTEAD}") from error
    with torch.inference_mode():
        logits = network(images).numpy()
    return float(np.abs(found - logits).max() / max(1.0, np.abs(logits).max() / USUAL))


def export_network(
    *, checkpoint: Path, size: Annotated[tuple[int, int], Option(metavar=("HEIGHT", "WIDTH"))], output: Path
) -> None:
    """Write a checkpoint as an ONNX file: a plain network, a pruned one, an ensemble.

    It takes float images (batch, channels, height, width) in [0, 1], of one size, and gives logits of that size;
    normalisation is inside. What the file says of other images than those it was traced with is held against the
    network. Its metadata say how it is fed, and which classes it tells, for 'onnx' to read.

    Args:
        checkpoint: file of a network.
        size: in pixels.
        output: file to write: *.onnx.

    Raises:
        UserError: the file would say something else than the network, or has no name or size that can be.
    """
    if min(size) < 1:
        raise UserError(f"--size {size[0]} {size[1]}: give a height and a width of at least 1 pixel")
    if output.suffix != ".onnx":
        raise UserError(f"the output {str(output)!r} must be named *.onnx")
    source = CheckpointFile(checkpoint)
    module = load_module(source)
    require_writable(output)
    network, channels = Logits(module).eval(), int(module.hparams["in_channels"])
    graph = trace_graph(network, random_images(1, channels, size, seed=0))
    apart = farthest(graph, network, random_images(2, channels, size, seed=1))
    if not apart <= TOLERANCE:
        raise UserError(
            f"the file would say something else than the network (logits differ by {apart:.2g}), which computes what a trace "
            f"cannot follow: {INSTEAD}"
        )
    with whole_file(output, "wb") as file:
        file.write(add_facts(graph, {**describe_data(source), "size": list(size)}, channels))
    print(f"exported: {output} (logits differ by at most {apart:.1g})")


def main(argv: list[str]) -> None:
    """The verb."""
    call_verb("export", export_network, EXAMPLES, argv)
