"""Which process this is, also before a trainer exists."""

import os
from typing import Any

from lightning_utilities.core.rank_zero import rank_zero_only
from pytorch_lightning.plugins.environments import SLURMEnvironment


def first_process() -> bool:
    """Whether this process speaks and writes for all; launchers tell the others their rank in the environment.

    Lightning's own launcher says on further machines no more than which one it is, until the processes have met.
    """
    machine = os.environ.get("NODE_RANK", os.environ.get("GROUP_RANK", "0"))
    return getattr(rank_zero_only, "rank", 0) == 0 and machine == "0"


def cluster_plugins() -> list[Any]:
    """Under SLURM, its environment without Lightning's own requeue.

    That saves in the middle of an epoch and would go on with the first batches of it again. Here a training goes on from its
    last whole epoch, a sweep from its last batch, and both end as if they had never stopped; `launch/slurm.sh` requeues.
    """
    return [SLURMEnvironment(auto_requeue=False)] if SLURMEnvironment.detect() else []
