"""Atomic writing and safe reading of Lightning's checkpoints."""

from pathlib import Path
from typing import Any

from lightning_fabric.utilities.cloud_io import _is_local_file_protocol
from pytorch_lightning.plugins.io import TorchCheckpointIO

from experiments.checkpoints.earlier_checkpoints import translate_checkpoint
from experiments.checkpoints.written_checkpoint import write_checkpoint


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint atomically, and loads tensors and plain data alone.

    Lightning's own writes to the system's folder of temporary files. On another file system the move into the run folder is
    a copy, and a training that is killed in the middle of it has lost its checkpoint.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write a checkpoint atomically; paths outside of a local file system are left to Lightning.

        Raises:
            OSError: see `write_checkpoint`.
        """
        if storage_options is None and _is_local_file_protocol(path):
            write_checkpoint(checkpoint, Path(path))
        else:
            super().save_checkpoint(checkpoint, path, storage_options)

    def load_checkpoint(
        self, path: str | Path, map_location: Any = "cpu", weights_only: bool | None = True
    ) -> dict[str, Any]:
        """Read a checkpoint, always with ``weights_only``, so that no code in it is run."""
        return translate_checkpoint(super().load_checkpoint(path, map_location, weights_only=True))
