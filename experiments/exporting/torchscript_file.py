"""TorchScript files of networks: traces, with their facts among the extra files of the archive."""

import io
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from experiments.checkpoints.graph_facts import KEY, describe_facts
from experiments.exporting.onnx_file import RECORDING_ERRORS
from experiments.exporting.program import Run
from user_error import UserError, shorten


def write_torchscript(network: nn.Module, image: Tensor, any_size: bool, facts: Mapping[str, Any]) -> bytes:
    """The content of a TorchScript file.

    Args:
        network: in evaluation mode, its parameters without gradients.
        image: (B, C, H, W) to trace it on.
        any_size: makes no difference; a trace follows the size as far as the network does.
        facts: see `describe_facts`.

    Raises:
        UserError: the network cannot be traced.
    """
    content = io.BytesIO()
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            program = torch.jit.trace(network, (image,), check_trace=False)  # `compare` checks it, on more images
            torch.jit.save(program, content, _extra_files={KEY: describe_facts(facts, image.shape[1])})
    except RECORDING_ERRORS as error:
        raise UserError(f"the network cannot be written as TorchScript ({shorten(error)})") from error
    return content.getvalue()


def open_torchscript(content: bytes) -> Run:
    """What runs a TorchScript file that this process has written; it is code, and those of others need trust."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.jit.load(io.BytesIO(content))

    @torch.no_grad()
    def run(images: Tensor) -> Tensor:
        try:
            return program(images)
        except Exception as error:  # what a program raises is its own affair
            last = str(error).strip().splitlines()[-1:] or [type(error).__name__]
            raise UserError(f"TorchScript cannot run the network ({last[0][:200]})") from error

    return run
