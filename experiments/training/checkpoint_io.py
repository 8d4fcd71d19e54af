"""Lightning's checkpoints, written and read as all files here are."""

from pathlib import Path
from typing import Any

from lightning_fabric.utilities.cloud_io import _is_local_file_protocol
from pytorch_lightning.plugins.io import TorchCheckpointIO

from experiments.checkpoints.earlier_checkpoints import translate_checkpoint
from experiments.checkpoints.written_checkpoint import write_checkpoint


class WholeCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside the one that it replaces, and loads tensors and plain data alone.

    Lightning's own writes to the folder of temporary files. Where that lies on another file system the move into the run
    folder is a copy, and what is killed in the middle of it has lost the training.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write a checkpoint whole; what lies elsewhere than on a file system is left to Lightning.

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
        """Read a checkpoint, whatever is asked for without any code that it holds."""
        return translate_checkpoint(super().load_checkpoint(path, map_location, weights_only=True))
