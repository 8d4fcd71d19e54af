"""Which process this is, also before a trainer exists."""

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


def first_process() -> bool:
    """Whether this process speaks and writes for all; launchers tell the others their rank in the environment.

    Lightning's own launcher says on further machines no more than which one it is, until the processes have met.
    """
    machine = os.environ.get("NODE_RANK", os.environ.get("GROUP_RANK", "0"))
    return getattr(rank_zero_only, "rank", 0) == 0 and machine == "0"


def cluster_plugins(num_nodes: int) -> list[Any]:
    """Where the processes of a trainer come from, if it is not told otherwise.

    Under SLURM, its environment without Lightning's own requeue. That saves in the middle of an epoch and would go on with the
    first batches of it again. Here a training goes on from its last whole epoch, a sweep from its last batch, and both end
    as if they had never stopped; `launch/slurm.sh` requeues. On one machine without a launcher, `OneMachine`.
    """
    if SLURMEnvironment.detect():
        return [SLURMEnvironment(auto_requeue=False)]
    launched = any(kind.detect() for kind in (TorchElasticEnvironment, LSFEnvironment))
    return [OneMachine()] if num_nodes == 1 and not launched and OneMachine.detect() else []


def leave_signals(trainer: Trainer) -> Trainer:
    """The trainer, which keeps its hands off signals: see `experiments.command_line.interrupts`.

    Lightning's own way waits for the end of a batch and for a collective, in which the other processes may not be. What
    a user's plugin for SLURM requeues needs it all the same.
    """
    connector: Any = trainer._accelerator_connector
    if not getattr(connector.cluster_environment, "auto_requeue", False):
        trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
    return trainer
