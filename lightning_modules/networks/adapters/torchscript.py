"""A trained network from a TorchScript file, to be swept and compared; it cannot be trained."""

import io
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from lightning_modules.networks.adapters.base import check_classes, choose_output, resize_to
from lightning_modules.networks.adapters.kept_file import KeptFile
from user_error import UserError, shorten


class TorchScriptNetwork(KeptFile):
    """A program that ``torch.jit.save`` wrote (https://pytorch.org/docs/stable/jit.html), run by PyTorch itself.

    The file is read when it is first needed. A state dict holds its content, so that a checkpoint rebuilds the network
    without the file. Gradients reach the images, so attacks work; weights are not trained.

    It is code: its operators may read and write files. A checkpoint that holds one is refused unless ``torchscript`` stands
    in the environment variable ``ROBUST_SEGMENTATION_TRUST``.

    Args:
        num_classes: K; the command line takes it from the data.
        in_channels: C; the command line takes it from the data.
        torchscript_file: path of the program; null where a checkpoint brings it.
        output: key or index of the logits in what it gives; the tensor itself, or the first entry, if null.
        image_size: the one size (H, W) that it takes, to which images are resized bilinearly, and the logits back; null for
            any.
        stride: for a program of any size, the input is padded to a multiple of it.
        mean: see `SegmentationNetwork`; (0, 0, 0) with a `std` of (1, 1, 1) for one that takes images in [0, 1].
        std: see `SegmentationNetwork`.
    """

    file_kind = "TorchScript"
    file_setting = "torchscript_file"
    needs_trust = "torchscript"
    """What ``ROBUST_SEGMENTATION_TRUST`` must name before a checkpoint may build this class."""

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        torchscript_file: str | None = None,
        output: str | int | None = None,
        image_size: Sequence[int] | None = None,
        stride: int = 1,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        super().__init__(num_classes, in_channels, torchscript_file, stride, mean, std)
        self.output = output
        self.image_size = None if image_size is None else (int(image_size[0]), int(image_size[1]))

    def find_fixed_size(self, x: Tensor) -> tuple[int, int] | None:
        """See `SegmentationNetwork`."""
        return self.image_size

    def pad(self, x: Tensor) -> Tensor:
        """`x` (B, C, H, W) padded for a program of any size; as it is for one of one size, for which it is resized."""
        return super().pad(x) if self.image_size is None else x

    def compute_logits(self, x: Tensor) -> Tensor:
        """Normalised images (B, C, H, W) to logits (B, K, H, W).

        Raises:
            UserError: the file is no such program, does not fit, or is to be trained.
        """
        if self.training and torch.is_grad_enabled():
            raise UserError("a network from a TorchScript file cannot be trained here: it can be swept and attacked")
        size = self.image_size
        seen = x if size in (None, tuple(x.shape[2:])) else F.interpolate(x, size, mode="bilinear")
        program = self._open(x)
        try:
            found = program(seen.contiguous())
        except Exception as error:  # what the program raises is its own affair
            height, width = seen.shape[2:]
            last = str(error).strip().splitlines()[-1:] or [type(error).__name__]
            raise UserError(
                f"the TorchScript program cannot take images (B, {x.shape[1]}, {height}, {width}) ({last[0][:200]}): say by "
                "image_size (--size) which size it was traced for"
            ) from error
        return resize_to(x, check_classes(choose_output(found, self.output), self.num_classes))

    def _open(self, x: Tensor) -> Any:
        """The program on the device of `x`."""
        if self._session is None or self._session_device != str(x.device):
            try:
                program = torch.jit.load(io.BytesIO(self.read_graph()), map_location=x.device).eval()
            except Exception as error:  # a damaged archive raises many kinds of errors
                raise UserError(
                    f"the file is no TorchScript program of this PyTorch ({shorten(error)}): write it by torch.jit.save"
                ) from error
            self._session = (program,)  # in a tuple, since its weights are no further ones of this module
            self._session_device = str(x.device)
        return self._session[0]
