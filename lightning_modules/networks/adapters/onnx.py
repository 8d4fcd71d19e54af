"""A trained network from an ONNX file, to be swept and compared; it cannot be trained."""

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from lightning_modules.networks.adapters.base import check_classes, resize_to
from lightning_modules.networks.adapters.kept_file import KeptFile
from user_error import UserError, shorten

TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


class OnnxNetwork(KeptFile):
    """A graph in the Open Neural Network Exchange format (https://onnx.ai), run by ONNX Runtime.

    The file is read when it is first needed. A state dict holds its content, so that a checkpoint rebuilds the network
    without the file. Nothing is differentiable here: neither training nor attacks by gradients work.

    A graph for one size only sees images resized to it bilinearly, and one for a fixed batch sees that many at a time.

    Args:
        num_classes: K; the command line takes it from the data.
        in_channels: C; the command line takes it from the data.
        onnx_file: path of the graph, its weights within; null where a checkpoint brings it.
        input_name: the graph's input for images (B, C, H, W); its first if null.
        output_name: the graph's output with logits (B, K, h, w); its first if null.
        stride: for a graph of any size, the input is padded to a multiple of it.
        mean: see `SegmentationNetwork`; (0, 0, 0) with a `std` of (1, 1, 1) for a graph that takes images in [0, 1].
        std: see `SegmentationNetwork`.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        onnx_file: str | None = None,
        input_name: str | None = None,
        output_name: str | None = None,
        stride: int = 32,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        super().__init__(num_classes, in_channels, onnx_file, stride, mean, std)
        self.input_name = input_name
        self.output_name = output_name

    def pad(self, x: Tensor) -> Tensor:
        """`x` (B, C, H, W) padded for a graph of any size; as it is for a graph of one size, which resizes it."""
        return x if self.find_fixed_size(x) else super().pad(x)

    def compute_logits(self, x: Tensor) -> Tensor:
        """Normalised images (B, C, H, W) to logits (B, K, H, W).

        Raises:
            UserError: ONNX Runtime is missing, the graph does not fit, or gradients were asked for.
        """
        if torch.is_grad_enabled() and (self.training or x.requires_grad):
            raise UserError("a network from an ONNX file has no gradients: it can be swept, not trained or attacked")
        size = self.find_fixed_size(x)
        seen = x if size is None or size == tuple(x.shape[2:]) else F.interpolate(x, size, mode="bilinear")
        entry = self._get_input(x)
        if entry.type not in TYPES:
            raise UserError(f"the ONNX graph takes {entry.type}, not floats: export it with float images as its input")
        if isinstance(entry.shape[1], int) and entry.shape[1] != self.in_channels:
            raise UserError(f"the ONNX graph takes {entry.shape[1]} channels, but the images have {self.in_channels}")
        images = np.ascontiguousarray(seen.detach().cpu().numpy(), TYPES[entry.type])
        logits = torch.from_numpy(self._run(images, entry)).to(device=x.device, dtype=x.dtype)
        if logits.ndim == 4 and logits.shape[2:] == (1, 1) and min(x.shape[2:]) > 1:
            raise UserError("the ONNX graph classifies images as a whole: export a network that segments them")
        return resize_to(x, check_classes(logits, self.num_classes))

    def _run(self, images: np.ndarray, entry: Any) -> np.ndarray:
        count = len(images)
        step = entry.shape[0] if isinstance(entry.shape[0], int) else count
        filled = np.concatenate([images, np.repeat(images[-1:], -count % step, 0)])
        output = self.output_name or self._session.get_outputs()[0].name
        try:
            parts = [
                self._session.run([output], {entry.name: filled[at : at + step]})[0] for at in range(0, count, step)
            ]
        except Exception as error:  # its exceptions share no base of their own
            height, width = images.shape[2:]
            raise UserError(
                f"the ONNX graph cannot take images of {height} x {width} ({shorten(error)}): export it for any size, or set the "
                "data's size to its own"
            ) from error
        return np.concatenate(parts)[:count]

    def find_fixed_size(self, x: Tensor) -> tuple[int, int] | None:
        """The one size (H, W) that the graph takes, or none where it takes any."""
        height, width = self._get_input(x).shape[2:]
        return (height, width) if isinstance(height, int) and isinstance(width, int) else None

    def _get_input(self, x: Tensor) -> Any:
        """The graph's input for images, of a session on the device of `x`."""
        if self._session is None or self._session_device != x.device.type:
            self._session = _open(self.read_graph(), x.device.type)
            self._session_device = x.device.type
        entries = {entry.name: entry for entry in self._session.get_inputs()}
        name = self.input_name or next(iter(entries))
        if name not in entries or len(entries[name].shape) != 4:
            shapes = ", ".join(f"{entry.name} {entry.shape}" for entry in entries.values())
            raise UserError(f"the ONNX graph has no input {name!r} of shape (B, C, H, W), but {shapes}: set input_name")
        outputs = [entry.name for entry in self._session.get_outputs()]
        if self.output_name is not None and self.output_name not in outputs:
            raise UserError(
                f"the ONNX graph has no output {self.output_name!r}, but {', '.join(outputs)}: set output_name"
            )
        return entries[name]


def _open(graph: bytes, device: str) -> Any:
    """A session of ONNX Runtime, with as many threads as torch has."""
    try:
        runtime = importlib.import_module("onnxruntime")
    except ImportError as error:
        raise UserError(
            f"a network from an ONNX file needs ONNX Runtime ({error}): run pip install onnxruntime, or onnxruntime-gpu"
        ) from error
    wanted = ["CUDAExecutionProvider"] * (device == "cuda") + ["CPUExecutionProvider"]
    providers = [name for name in wanted if name in runtime.get_available_providers()]
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        return runtime.InferenceSession(graph, options, providers=providers)
    except Exception as error:  # its exceptions share no base of their own
        raise UserError(
            f"ONNX Runtime cannot open the graph ({shorten(error)}): export it as one file, with its weights within"
        ) from error
