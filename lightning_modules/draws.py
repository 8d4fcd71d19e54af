"""Seeds of the random draws of a training step, which are the same after a training is resumed."""

import os
from hashlib import blake2b

import pytorch_lightning as pl
import torch


def compute_step_seed(trainer: pl.Trainer) -> int:
    """A distinct number for each seed, step and process of a training."""
    seed = int(os.environ.get("PL_GLOBAL_SEED", 0))
    return (seed * 1_000_003 + trainer.fit_loop.total_batch_idx) * 4096 + trainer.global_rank


def make_step_generator(trainer: pl.Trainer | None, purpose: str) -> torch.Generator:
    """A generator on the CPU that is seeded by seed, step, process and purpose alone.

    An optimiser that runs a step twice, such as SAM, gets the same draws both times.

    Args:
        trainer: of the training; `None` outside of one, where every step counts as the first.
        purpose: name of the consumer, such as "batch_transforms.0", so that the draws of a step are independent.
    """
    seed = int(os.environ.get("PL_GLOBAL_SEED", 0)) if trainer is None else compute_step_seed(trainer)
    digest = blake2b(f"{seed}/{purpose}".encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little"))


def make_device_generator(generator: torch.Generator, device: torch.device) -> torch.Generator:
    """A generator on a device, seeded by a draw from that of a step: noise for whole images is drawn where it is added.

    It repeats its draws on a device of the same type; those of another type differ.

    Args:
        generator: of the step, on the CPU.
        device: of the images.
    """
    seed = int(torch.randint(2**62, (1,), generator=generator))
    return torch.Generator(device).manual_seed(seed)
