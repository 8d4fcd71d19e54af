"""The loop of a sweep over batches and conditions, in two orders.

Conditions without a state are applied batch by batch: an image is decoded once. One with a state, which adapts to what it
is given, takes a pass over all batches in their order, on one process; several of them are distributed over the processes.
"""

from collections.abc import Callable, Sequence
from typing import Any

import pytorch_lightning as pl
from torch.utils.data import DataLoader

from datamodules.base import SegmentationDataModule
from experiments.sweeping.condition_loop import ConditionLoop
from experiments.sweeping.gathered import gather, select_images
from experiments.sweeping.journal import Journal
from experiments.sweeping.suite import Suite
from experiments.sweeping.swept import Swept, join, sort
from lightning_modules.inference.passes import EXACT, Passes
from lightning_modules.metrics.counters.base import Counter
from lightning_modules.segmentation import SegmentationModule
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
        if any(one.at_file_size for one in counters or ()):
            require_files(data, suite)

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
        loaders = [self._make_loader((rank, processes), self.journal.done)]
        self.loops = [([*self.suite.stateless_places], self._make_loop(self.suite.stateless_places))]
        left = [place for place in self.suite.stateful_places if place not in self.journal.finished]
        everything = frozenset(range(len(data.open_split(split))))
        for turn, place in enumerate(left):
            skip = frozenset() if turn % processes == rank else everything  # Lightning wants as many loaders everywhere
            loaders.append(self._make_loader((0, 1), skip))
            self.loops.append(([place], self._make_loop([place])))
        return loaders

    def _make_loader(self, place: tuple[int, int], skip: frozenset[int]) -> DataLoader:
        data, own_size = self.data, self.suite.corrupts_files(self.data.resizes)
        own_masks = self.suite.protocol.scored_at_file
        return data.make_evaluation_dataloader(
            data.test_split, place, skip, own_size, own_masks, by_size=True, needs=self.suite.needs
        )

    def _make_loop(self, places: Sequence[int]) -> ConditionLoop:
        return ConditionLoop(
            self.module, self.suite, places, self.counters, self.on_condition, self.data.batch_resize, self.passes
        )

    def on_after_batch_transfer(self, batch: list[Batch], dataloader_idx: int) -> list[Batch]:
        """As the data have it, for the images of each size."""
        return [self.data.on_after_batch_transfer(one, dataloader_idx) for one in batch]

    def test_step(self, batch: list[Batch], batch_idx: int, dataloader_idx: int = 0) -> None:
        """Count a batch, whose images of one size are predicted together, and keep what it counted."""
        places, loop = self.loops[dataloader_idx]
        swept = []
        for one in batch:
            real = [position for position, name in enumerate(one["id"]) if name]
            if dataloader_idx and real:  # what learns from a batch must not see its filling
                one, real = select_images(one, real), [*range(len(real))]
            counted = loop.count(one)
            swept += [gather(one, counted, loop, real)] if real else []
            loop.sums.reset()
        if swept and dataloader_idx:
            self._keep_stateful(places[0], loop, sort(join(swept)))
        elif swept:
            found = sort(join(swept))
            self.journal.write(int(found.index[0]) // self.data.eval_batch_size, found)

    def _keep_stateful(self, place: int, loop: ConditionLoop, swept: Swept) -> None:
        """Keep what was counted under a condition that learns, once it has met all images."""
        self._alone.append(swept)
        if int(swept.index[-1]) == len(self.data.open_split(self.data.test_split)) - 1:
            self.journal.write_condition(place, join(self._alone))
            self._alone.clear()
            loop.end()


def require_files(data: SegmentationDataModule, suite: Suite) -> None:
    """Refuse counts at the size of the files where these are not at hand, or not seen as a whole.

    Raises:
        UserError: images are corrupted after the resize, or cropped.
    """
    if not data.resizes:
        return
    if data.aspect == "crop":
        raise UserError("images with the aspect 'crop' are not seen as a whole: leave out --counters file_size")
    if not suite.corrupts_files(data.resizes):
        raise UserError(
            "images that are corrupted after the resize have no masks at the size of their files: leave out --order "
            "resize_then_corrupt, or --counters file_size"
        )
