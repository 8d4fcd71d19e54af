"""What Lightning must know of the cluster that starts its processes."""

from typing import Any

from pytorch_lightning.plugins.environments import SLURMEnvironment


def cluster_plugins() -> list[Any]:
    """Under SLURM, its environment without Lightning's own requeue.

    That saves in the middle of an epoch and would go on with the first batches of it again. Here a training goes on from its
    last whole epoch, a sweep from its last batch, and both end as if they had never stopped; `launch/slurm.sh` requeues.
    """
    return [SLURMEnvironment(auto_requeue=False)] if SLURMEnvironment.detect() else []
