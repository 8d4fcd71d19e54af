"""The rank of this process before a trainer exists, and the plugins that tell a trainer its cluster."""

import os
from typing import Any

from lightning_utilities.core.rank_zero import rank_zero_only
from pytorch_lightning import Trainer
from pytorch_lightning.plugins.environments import (
    LSFEnvironment,
    SLURMEnvironment,
    TorchElasticEnvironment,
)

from experiments.command_line.one_machine import OneMachine


def is_first_process() -> bool:
    """Whether this process has rank 0, which prints and writes for all; launchers set the ranks in the environment.

    On further machines Lightning's own launcher sets the rank of the machine alone, until the processes are connected.
    """
    machine = os.environ.get("NODE_RANK", os.environ.get("GROUP_RANK", "0"))
    return getattr(rank_zero_only, "rank", 0) == 0 and machine == "0"


def choose_cluster_plugins(num_nodes: int) -> list[Any]:
    """The cluster environment of a trainer, unless the user chooses one.

    Under SLURM, its environment without Lightning's own requeue, which saves in the middle of an epoch and would repeat the
    first batches of it. Here a training resumes from its last complete epoch, a sweep from its last batch, and both end as
    if they had never stopped; `launch/slurm.sh` requeues. On one machine without a launcher, `OneMachine`.
    """
    if SLURMEnvironment.detect():
        return [SLURMEnvironment(auto_requeue=False)]
    launched = any(kind.detect() for kind in (TorchElasticEnvironment, LSFEnvironment))
    return [OneMachine()] if num_nodes == 1 and not launched and OneMachine.detect() else []


def disable_signal_handlers(trainer: Trainer) -> Trainer:
    """Keep a trainer from installing signal handlers; see `experiments.command_line.interrupts`.

    Lightning's handlers wait for the end of a batch and for a collective that other processes may not join. A user's plugin
    for SLURM that requeues needs them, and keeps them.
    """
    connector: Any = trainer._accelerator_connector
    if not getattr(connector.cluster_environment, "auto_requeue", False):
        trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
    return trainer
