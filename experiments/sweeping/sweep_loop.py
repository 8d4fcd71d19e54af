"""The loop of a sweep over batches and conditions, in two orders.

Conditions without a state are applied batch by batch: an image is decoded once. One with a state, which adapts to what it
is given, takes a pass over all batches in their order, on one process; several of them are distributed over the processes.
"""

from collections.abc import Callable, Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from datamodules.base import SegmentationDataModule
from experiments.evaluation.scores.base import Counts
from experiments.sweeping.condition_loop import BatchCounts, ConditionLoop
from experiments.sweeping.journal import Journal
from experiments.sweeping.suite import Suite
from experiments.sweeping.swept import Swept, join
from lightning_modules.inference.passes import EXACT, Passes
from lightning_modules.metrics.counters.base import Counter
from lightning_modules.segmentation import SegmentationModule
from lightning_modules.training_batch import select
from user_error import UserError

Batch = dict[str, Any]


class SweepLoop(pl.LightningModule):
    """Counts a split under the conditions of a suite, as far as the journal lacks it; for a Trainer that only tests.

    Args:
        module: of the network.
        data: with the split of the sweep.
        suite: its conditions.
        journal: takes what is counted; opened on the first process.
        counters: what is counted; the usual ones if `None`.
        checkpoint: SHA-256 of the module's file, the same on all processes; `None` where there is none.
        on_condition: called with the number of counted images after each condition.
        passes: how the network is computed, see `ConditionLoop`.
    """

    def __init__(
        self,
        module: SegmentationModule,
        data: SegmentationDataModule,
        suite: Suite,
        journal: Journal,
        counters: Sequence[Counter] | None = None,
        checkpoint: str | None = None,
        on_condition: Callable[[int], None] = lambda images: None,
        passes: Passes = EXACT,
    ) -> None:
        super().__init__()
        self.allow_zero_length_dataloader_with_multiple_devices = True
        self.module = module
        self.data = data
        self.suite = suite
        self.journal = journal
        self.counters = counters
        self.checkpoint = checkpoint
        self.on_condition = on_condition
        self.passes: Passes = passes
        self.loops: list[tuple[list[int], ConditionLoop]] = []  # for each loader, the places of its conditions
        self._alone: list[Swept] = []  # batches of the current condition with a state

    def setup(self, stage: str) -> None:
        """Agree with the first process: on what is done, and by which key it is sealed (machines need not share a home).

        Raises:
            UserError: a training replaced the checkpoint while the processes started.
        """
        strategy = self.trainer.strategy
        self.module.setup(stage)
        same = strategy.broadcast(self.checkpoint) == self.checkpoint
        if not strategy.reduce_boolean_decision(same):
            raise UserError("the checkpoint was replaced while the processes of this sweep started: call again")
        self.journal.take_over(*strategy.broadcast(self.journal.shared_state))
        self.module.requires_grad_(False)  # an attack differentiates by the images

    def test_dataloader(self) -> list[DataLoader]:
        """The batches of this process that are left: those that meet conditions together, then a loader for each other."""
        rank, processes = self.trainer.global_rank, self.trainer.world_size
        split, data = self.data.test_split, self.data
        own_size = self.suite.corrupts_files(data.resizes)
        loaders = [data.make_evaluation_dataloader(split, (rank, processes), self.journal.done, own_size)]
        self.loops = [([*self.suite.stateless_places], self._make_loop(self.suite.stateless_places))]
        left = [place for place in self.suite.stateful_places if place not in self.journal.finished]
        everything = frozenset(range(len(data.open_split(split))))
        for turn, place in enumerate(left):
            skip = frozenset() if turn % processes == rank else everything  # Lightning wants as many loaders everywhere
            loaders.append(data.make_evaluation_dataloader(split, (0, 1), skip, own_size))
            self.loops.append(([place], self._make_loop([place])))
        return loaders

    def _make_loop(self, places: Sequence[int]) -> ConditionLoop:
        return ConditionLoop(
            self.module, self.suite, places, self.counters, self.on_condition, self.data.batch_resize, self.passes
        )

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """As the data have it."""
        return self.data.on_after_batch_transfer(batch, dataloader_idx)

    def test_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Count a batch, and keep what it counted."""
        places, loop = self.loops[dataloader_idx]
        real = [position for position, name in enumerate(batch["id"]) if name]
        if dataloader_idx:
            self._count_stateful(places[0], loop, _select_images(batch, real))
            return
        counted = loop.count(batch)
        if real:
            swept = _gather(batch, counted, loop, real)
            self.journal.write(int(swept.index[0]) // len(batch["id"]), swept)
        loop.sums.reset()

    def _count_stateful(self, place: int, loop: ConditionLoop, batch: Batch) -> None:
        """Count a batch, less its filling, under a condition that learns from it."""
        counted = loop.count(batch)
        self._alone.append(_gather(batch, counted, loop, range(len(batch["id"]))))
        loop.sums.reset()
        if int(self._alone[-1].index[-1]) == len(self.data.open_split(self.data.test_split)) - 1:
            self.journal.write_condition(place, join(self._alone))
            self._alone.clear()
            loop.end()


def _select_images(batch: Batch, positions: Sequence[int]) -> Batch:
    """Some images of a batch."""
    at = torch.tensor(list(positions))
    return {key: value if key == "kinds" else select(value, at) for key, value in batch.items()}


def _gather(batch: Batch, counted: BatchCounts, loop: ConditionLoop, real: Sequence[int]) -> Swept:
    """What a batch counted, less its filling, in the memory of numpy."""
    at = torch.tensor(list(real), device=counted.changed.device)
    counts: Counts = {name: part[:, at].cpu().numpy().swapaxes(0, 1) for name, part in counted.counts.items()}
    return Swept(
        index=batch["index"][at].cpu().numpy(),
        digests=[batch["digest"][position] for position in real],
        sums={name: getattr(loop.sums, name).cpu().numpy() for name in loop.sums.sums},  # of this process alone
        changed=counted.changed[:, at].sum(1).cpu().numpy(),
        counts=counts,
    )
