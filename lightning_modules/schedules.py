"""Learning-rate schedules over the whole training, stepped once per optimiser step."""

from abc import ABC, abstractmethod

from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, PolynomialLR, SequentialLR


class Schedule(ABC):
    """Makes PyTorch's scheduler once the number of steps is known."""

    @abstractmethod
    def __call__(self, optimizer: Optimizer, total_steps: int) -> LRScheduler:
        """The scheduler that spends `total_steps` steps."""


class Polynomial(Schedule):
    """(1 - step / total) ** power, the schedule of the DeepLab papers (Chen et al., 2016)."""

    def __init__(self, power: float = 0.9) -> None:
        self.power = power

    def __call__(self, optimizer: Optimizer, total_steps: int) -> LRScheduler:
        """The scheduler that spends `total_steps` steps."""
        return PolynomialLR(optimizer, total_iters=total_steps, power=self.power)


class CosineWithWarmup(Schedule):
    """Linear warm-up, then a half cosine to `floor` (Loshchilov & Hutter, ICLR 2017).

    Args:
        warmup: share of the steps that warm up.
        floor: learning rate at the end.
    """

    def __init__(self, warmup: float = 0.05, floor: float = 0.0) -> None:
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
