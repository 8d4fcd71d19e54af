"""The plugins of a training: where its processes come from, and how its checkpoints are written."""

from typing import Any

from pytorch_lightning.plugins import CheckpointIO, ClusterEnvironment

from experiments.command_line.processes import choose_cluster_plugins
from experiments.training.checkpoint_io import WholeCheckpointIO


def training_plugins(settings: Any) -> list[Any]:
    """Those that the user chose, and ours where they, or their strategy, bring none of that kind.

    Args:
        settings: of the trainer, plugins and strategy instantiated.
    """
    given = settings.plugins or []
    chosen = list(given) if isinstance(given, list | tuple) else [given]
    strategy = settings.strategy
    own = [*chosen, getattr(strategy, "_checkpoint_io", None), getattr(strategy, "cluster_environment", None)]
    if not any(isinstance(one, CheckpointIO) for one in own) and settings.accelerator != "tpu":  # which has its own
        chosen.append(WholeCheckpointIO())
    if not any(isinstance(one, ClusterEnvironment) for one in own):
        chosen += choose_cluster_plugins(settings.num_nodes)
    return chosen
