"""The plugins of a training: its cluster environment, and how its checkpoints are written."""

from typing import Any

from pytorch_lightning.plugins import CheckpointIO, ClusterEnvironment

from experiments.command_line.processes import choose_cluster_plugins
from experiments.training.checkpoint_io import AtomicCheckpointIO


def choose_training_plugins(settings: Any) -> list[Any]:
    """The plugins that the user chose, and the project's where neither they nor the strategy provide one of that kind.

    Args:
        settings: of the trainer, with plugins and strategy instantiated.
    """
    given = settings.plugins or []
    chosen = list(given) if isinstance(given, list | tuple) else [given]
    strategy = settings.strategy
    own = [*chosen, getattr(strategy, "_checkpoint_io", None), getattr(strategy, "cluster_environment", None)]
    if (
        not any(isinstance(one, CheckpointIO) for one in own) and settings.accelerator != "tpu"
    ):  # the TPU strategy has its own
        chosen.append(AtomicCheckpointIO())
    if not any(isinstance(one, ClusterEnvironment) for one in own):
        chosen += choose_cluster_plugins(settings.num_nodes)
    return chosen
