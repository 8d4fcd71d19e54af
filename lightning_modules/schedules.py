"""Learning-rate schedules over the complete training, stepped once per optimiser step."""

from abc import ABC, abstractmethod

import pytorch_lightning as pl
from torch.optim import Optimizer
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    LinearLR,
    LRScheduler,
    PolynomialLR,
    SequentialLR,
)

from lightning_modules.settings import require_amount
from user_error import UserError


def count_training_steps(trainer: pl.Trainer) -> int:
    """Total number of optimiser steps of a training.

    Raises:
        UserError: the number is not known beforehand.
    """
    steps = trainer.estimated_stepping_batches
    if steps == float("inf"):
        raise UserError(
            "the training has no end from which its schedule could be made: set --trainer.max_epochs or --trainer.max_steps"
        )
    return int(steps)


class Schedule(ABC):
    """Makes PyTorch's scheduler once the number of steps is known."""

    @abstractmethod
    def __call__(self, optimizer: Optimizer, total_steps: int) -> LRScheduler:
        """The scheduler that spends `total_steps` steps."""


class Polynomial(Schedule):
    """(1 - step / total) ** power, the schedule of the DeepLab papers (Chen et al., 2016).

    Raises:
        UserError: the power is negative.
    """

    def __init__(self, power: float = 0.9) -> None:
        require_amount("power of the polynomial schedule", power, "such as 0.9")
        self.power = power

    def __call__(self, optimizer: Optimizer, total_steps: int) -> LRScheduler:
        """The scheduler that spends `total_steps` steps."""
        return PolynomialLR(optimizer, total_iters=total_steps, power=self.power)


class CosineWithWarmup(Schedule):
    """Linear warm-up, then a half cosine to `floor` (Loshchilov & Hutter, ICLR 2017).

    Args:
        warmup: fraction of the steps for the warm-up.
        floor: learning rate at the end.

    Raises:
        UserError: the warm-up is not in [0, 1), or the floor is negative.
    """

    def __init__(self, warmup: float = 0.05, floor: float = 0.0) -> None:
        if not 0 <= warmup < 1:
            raise UserError(f"the warmup is {warmup}: give a share of the steps, from 0 to below 1, such as 0.05")
        require_amount("floor of the learning rate", floor)
        self.warmup = warmup
        self.floor = floor

    def __call__(self, optimizer: Optimizer, total_steps: int) -> LRScheduler:
        """The scheduler that spends `total_steps` steps."""
        rising = round(self.warmup * total_steps)
        cosine = CosineAnnealingLR(optimizer, T_max=max(1, total_steps - rising), eta_min=self.floor)
        if not rising:
            return cosine
        warmup = LinearLR(optimizer, start_factor=1 / (rising + 1), total_iters=rising)
        return SequentialLR(optimizer, [warmup, cosine], milestones=[rising])


class CosineRestarts(Schedule):
    """Repeated half cosines to `floor` (SGDR; Loshchilov & Hutter, ICLR 2017).

    At the end of each cycle the network is in another local minimum, where `callbacks.snapshots` saves it.

    Args:
        cycles: number of half cosines in the training, equally long but for the last, which may be cut short.
        floor: learning rate at the end of each.

    Raises:
        UserError: there are no cycles, or the floor is negative.
    """

    def __init__(self, cycles: int = 5, floor: float = 0.0) -> None:
        if cycles < 1:
            raise UserError(f"{cycles} cycles of the learning rate: give 1 or more")
        require_amount("floor of the learning rate", floor)
        self.cycles = cycles
        self.floor = floor

    def count_cycle_steps(self, total_steps: int) -> int:
        """Number of steps of a cycle."""
        return max(1, -(-total_steps // self.cycles))

    def __call__(self, optimizer: Optimizer, total_steps: int) -> LRScheduler:
        """The scheduler that spends `total_steps` steps."""
        return CosineAnnealingWarmRestarts(optimizer, T_0=self.count_cycle_steps(total_steps), eta_min=self.floor)
