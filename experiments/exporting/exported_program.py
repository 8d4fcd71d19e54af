"""A network as the content of a file, compared with itself."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from torch import Tensor, nn

from experiments.exporting.exported_module import (
    INSTEAD,
    Size,
    choose_shapes,
    compute_logits,
    draw_images,
    require_recordable,
)
from experiments.exporting.formats import ONNX, PT2, TORCHSCRIPT
from experiments.exporting.onnx_file import open_graph, write_onnx
from experiments.exporting.program import Parity, Run, compare
from experiments.exporting.pt2_file import open_pt2, write_pt2
from experiments.exporting.torchscript_file import open_torchscript, write_torchscript
from user_error import UserError

Write = Callable[[nn.Module, Tensor, bool, Mapping[str, Any]], bytes]


class Runtime(NamedTuple):
    """How a network is written in a format, and how the content of such a file is run."""

    write: Write
    open: Callable[[bytes], Run]


RUNTIMES = {
    ONNX: Runtime(write_onnx, open_graph),
    TORCHSCRIPT: Runtime(write_torchscript, open_torchscript),
    PT2: Runtime(write_pt2, open_pt2),
}


class Exported(NamedTuple):
    """The content of a file, and how far it is from its network."""

    content: bytes
    parity: Parity


def export_program(
    network: nn.Module, format: str, channels: int, size: Size | None, described: Mapping[str, Any]
) -> Exported:
    """Write a network as a program for batches of any number of images, and compare it with the network.

    Args:
        network: images (B, C, H, W) to logits (B, K, H, W), in evaluation mode.
        format: one of `RUNTIMES`.
        channels: C.
        size: (H, W) of all images; `None` for any.
        described: the network's data, see `describe_data`.

    Raises:
        UserError: the network cannot be written, or what is written computes something else.
    """
    require_recordable(network, size)
    own = described.get("size")
    shapes = choose_shapes(network, size, None if own is None else (int(own[0]), int(own[1])))
    first, *others = (draw_images(one.batch, channels, (one.height, one.width), seed=0) for one in shapes)
    for images in (first, *others):
        compute_logits(network, images)  # refuses what it does not take, and caches what a recording is to hold
    facts = {**described, "size": None if size is None else list(size)}
    try:
        content = RUNTIMES[format].write(network, first, size is None, facts)
        return Exported(content, compare(RUNTIMES[format].open(content), network, channels, shapes))
    except UserError as error:
        if "pip install" in str(error):
            raise
        raise UserError(f"{str(error).rstrip('.')}: {_find_remedy(format, size)}") from error


def _find_remedy(format: str, size: Size | None) -> str:
    if size is None:
        return "its graph does not follow the size of images; pass --size HEIGHT WIDTH for those of one size"
    return INSTEAD if format == TORCHSCRIPT else f"pass --format {TORCHSCRIPT}, or {INSTEAD}"
