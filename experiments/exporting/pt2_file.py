"""Files of ``torch.export``: programs of PyTorch's operators, with their facts among the extra files of the archive."""

import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.fx.experimental import _config as symbols
from torch.utils._sympy.value_ranges import ValueRanges

from experiments.checkpoints.graph_facts import KEY, describe_facts
from experiments.exporting.onnx_file import RECORDING_ERRORS
from experiments.exporting.program import Run
from user_error import UserError, shorten


def write_pt2(network: nn.Module, image: Tensor, any_size: bool, facts: Mapping[str, Any]) -> bytes:
    """The content of a file of ``torch.export``, for batches of any number of images.

    Args:
        network: in evaluation mode.
        image: (B, C, H, W) to record it with.
        any_size: whether images may have another size than this one.
        facts: see `describe_facts`.

    Raises:
        UserError: the network cannot be recorded, or not for any size.
    """
    axes = (0, 2, 3) if any_size else (0,)
    content = io.BytesIO()
    try:
        # a size of 0 or 1 would otherwise be another case, which the program refuses
        with _be_quiet(), torch.no_grad(), symbols.patch(backed_size_oblivious=True):  # type: ignore[attr-defined]
            shapes = ({axis: Dim.AUTO for axis in axes},)
            program = torch.export.export(network, (image,), dynamic_shapes=shapes, strict=False)
            _require_free(program, axes)
            _relax(program)
            torch.export.save(program, content, extra_files={KEY: describe_facts(facts, image.shape[1])})
    except RECORDING_ERRORS as error:
        raise UserError(f"the network cannot be written by torch.export ({shorten(error)})") from error
    return content.getvalue()


def _require_free(program: ExportedProgram, axes: tuple[int, ...]) -> None:
    """Refuse a program that was specialised to one size.

    Raises:
        ValueError: it was.
    """
    (name,) = program.graph_signature.user_inputs
    shape = next(node for node in program.graph.nodes if node.name == name).meta["val"].shape
    if any(isinstance(shape[axis], int) for axis in axes):
        raise ValueError(f"the program takes images of the shape {tuple(shape)} alone")


def _relax(program: ExportedProgram) -> None:
    """Let a program take what it can: most of the sizes that it would refuse only had other strides when it was recorded.

    Whether it then computes what the network does is found out by `compare`.
    """
    program._guards_code = []
    for symbol, found in program.range_constraints.items():
        program.range_constraints[symbol] = ValueRanges(1, found.upper)


def open_pt2(content: bytes) -> Run:
    """What runs a file of ``torch.export`` that this process has written; those of others may not be opened so."""
    with _be_quiet():
        program = torch.export.load(io.BytesIO(content)).module()

    @torch.no_grad()
    def run(images: Tensor) -> Tensor:
        try:
            return program(images)
        except Exception as error:
            raise UserError(f"PyTorch cannot run the program ({shorten(error)})") from error

    return run


@contextmanager
def _be_quiet() -> Iterator[None]:
    """Without the remarks of the exporter on its own work."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
