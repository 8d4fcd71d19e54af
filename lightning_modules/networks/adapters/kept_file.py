"""What the networks share whose graph is one file that another runtime executes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lightning_modules.networks.base import SegmentationNetwork
from user_error import UserError


class KeptFile(SegmentationNetwork):
    """A network that is a file: it is read when it is first needed, and a state dict holds its bytes.

    A checkpoint thus rebuilds the network without the file. A network sets `file_kind`, a word for messages, and overrides
    `compute_logits`.

    Args:
        num_classes: K; the command line takes it from the data.
        in_channels: C; the command line takes it from the data.
        file: its path; null where a checkpoint brings it.
        stride: see `SegmentationNetwork`.
        mean: see `SegmentationNetwork`.
        std: see `SegmentationNetwork`.
    """

    file_kind = "ONNX"
    file_setting = "onnx_file"

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        file: str | None,
        stride: int,
        mean: Sequence[float] | None,
        std: Sequence[float] | None,
    ) -> None:
        super().__init__(num_classes, in_channels, stride, mean, std)
        self._path = file
        self._graph = b""
        self._session: Any = None
        self._session_device = ""

    def read_graph(self) -> bytes:
        """The content of the file.

        Raises:
            UserError: there is no such file.
        """
        if not self._graph:
            if self._path is None or not Path(self._path).is_file():
                raise UserError(f"no {self.file_kind} file {self._path!r}: set {self.file_setting} to an existing one")
            self._graph = Path(self._path).read_bytes()
        return self._graph

    def get_extra_state(self) -> Tensor:
        """The file's bytes (N,), for the state dict."""
        return torch.frombuffer(bytearray(self.read_graph()), dtype=torch.uint8)

    def set_extra_state(self, state: Tensor) -> None:
        """Take the graph from a state dict's bytes (N,)."""
        self._graph = state.cpu().numpy().tobytes()
        self._session = None

    def __getstate__(self) -> dict[str, Any]:
        """Without the running session, which cannot be copied."""
        return {**self.__dict__, "_session": None}
