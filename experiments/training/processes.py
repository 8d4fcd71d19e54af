"""Which process this is, also before a trainer exists."""

from lightning_utilities.core.rank_zero import rank_zero_only


def first_process() -> bool:
    """Whether this process speaks and writes for all; launchers tell the others their rank in the environment."""
    return getattr(rank_zero_only, "rank", 0) == 0
