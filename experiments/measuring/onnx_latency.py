"""Latency of a network by ONNX Runtime, timed in turns with PyTorch's on the same images."""

from collections.abc import Iterable, Sequence
from functools import partial
from statistics import median

import torch
from torch import Tensor, nn

from experiments.evaluation.costs import Batch
from experiments.exporting.exported_module import Size, draw_images
from experiments.exporting.exported_program import export_program
from experiments.exporting.formats import ONNX
from experiments.exporting.onnx_file import open_graph
from experiments.measuring.turns import take_turns

CPU = torch.device("cpu")


def add_onnx_latency(
    network: nn.Module, channels: int, size: Size, batches: Sequence[Batch], rounds: Iterable[int], shortest: float
) -> list[Batch]:
    """The batches with the latency of ONNX Runtime, which has as many threads as PyTorch.

    Args:
        network: float images (B, C, H, W) in [0, 1] to logits, on the CPU.
        channels: C.
        size: (H, W).
        batches: what was measured by PyTorch.
        rounds: numbers of the rounds of each.
        shortest: see `take_turns`.

    Raises:
        UserError: the network cannot be written as ONNX.
    """
    run = open_graph(export_program(network, ONNX, channels, size, {}).content)
    found = []
    for batch in batches:
        images = draw_images(batch.batch_size, channels, size, seed=0)
        by_onnx, by_torch = partial(run, images), partial(_infer, network, images)
        by_onnx()
        by_torch()
        turns = take_turns(by_onnx, by_torch, rounds, CPU, shortest)
        measured = {
            "onnx_milliseconds_per_image": 1000 * turns.candidate_median / batch.batch_size,
            "onnx_ratio": median(turns.overheads),
            "onnx_ratio_least": min(turns.overheads),
            "onnx_ratio_most": max(turns.overheads),
        }
        found.append(batch.model_copy(update=measured))
    return found


@torch.inference_mode()
def _infer(network: nn.Module, images: Tensor) -> Tensor:
    return network(images)
