"""What a training draws at a step: the same numbers whether it ran through or was resumed."""

import os
from hashlib import blake2b

import pytorch_lightning as pl
import torch


def compute_step_seed(trainer: pl.Trainer) -> int:
    """A number of its own for each seed, step and process of a training."""
    seed = int(os.environ.get("PL_GLOBAL_SEED", 0))
    return (seed * 1_000_003 + trainer.fit_loop.total_batch_idx) * 4096 + trainer.global_rank


def make_step_generator(trainer: pl.Trainer | None, purpose: str) -> torch.Generator:
    """A generator on the CPU whose draws follow from seed, step, process and purpose alone.

    An optimiser that runs a step twice, as SAM does, gets the same draws both times.

    Args:
        trainer: of the training; outside of one, every step is the first.
        purpose: what is drawn, such as "batch_transforms.0", so that no two draws of a step are alike.
    """
    seed = int(os.environ.get("PL_GLOBAL_SEED", 0)) if trainer is None else compute_step_seed(trainer)
    digest = blake2b(f"{seed}/{purpose}".encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little"))
