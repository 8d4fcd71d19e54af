"""The loop itself: all batches of a loader under all conditions of a suite."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from experiments.library.loader_batches import Batch, LoaderBatches, require_known_classes
from experiments.library.prepared import hold_still
from experiments.sweeping.condition_loop import ConditionLoop
from experiments.sweeping.gathered import gather, select_images
from experiments.sweeping.suite import Suite
from experiments.sweeping.swept import Swept, insert, join
from lightning_modules.metrics.counters.base import Counter
from lightning_modules.segmentation import SegmentationModule
from user_error import UserError

Meta = Mapping[str, Mapping[str, str]]

RED_GREEN_BLUE = ("red", "green", "blue")


class Loop:
    """A model under the conditions of a suite, over the batches of a loader.

    Args:
        batches: that it is shown.
        suite: its conditions, which the first batch adapts to the data.
        counters: what is counted.
        channels: names of the images' channels; colours, or numbers, if `None`.
        meta: what is known of the images.
        progress: whether a bar is shown.
    """

    def __init__(
        self,
        batches: LoaderBatches,
        suite: Suite,
        counters: Sequence[Counter],
        channels: Sequence[str] | None,
        meta: Meta | None,
        progress: bool,
    ) -> None:
        self.batches = batches
        self.suite = suite
        self.counters = counters
        self.channels = channels
        self.meta = meta or {}
        self.progress = progress
        self.ids: list[str] = []

    def run(self, model: nn.Module, prepare: Callable[[torch.Tensor], SegmentationModule]) -> Swept:
        """The counts of all images, in the order of the loader, under all conditions.

        Args:
            model: whose weights stay as they are.
            prepare: makes the module that predicts, from the images of the first batch.

        Raises:
            UserError: a batch, the output of the model or a condition does not fit; or a later pass has other images.
        """
        with hold_still(model), compute_exactly(self.suite):
            batches = iter(self.batches)
            first = next(batches)
            self.suite = self.suite.adapt_to_data(self._name_channels(first["image"].shape[1]), self.meta)
            with torch.inference_mode(False), torch.no_grad():  # weights that are moved stay ordinary ones
                self.module = prepare(first["image"])
            self.module.requires_grad_(False)
            everything = chain([first], batches)
            with tqdm(desc="sweep", unit="img", disable=not self.progress) as shown:
                if len(self.batches):
                    shown.reset(len(self.batches) * self.batches.batch_size * len(self.suite.conditions))
                together = self._count(everything, self.suite.stateless_places, shown)
                self.ids = [*self.batches.ids]
                alone = {place: self._count_alone(place, together, shown) for place in self.suite.stateful_places}
                shown.total = shown.n  # the last batch was filled up, or the loader did not know its length
            with TemporaryDirectory() as folder:
                return insert(together, alone, Path(folder))

    def _count(self, batches: Iterable[Batch], places: Sequence[int], shown: Any, fill: bool = True) -> Swept:
        loop = ConditionLoop(self.module, self.suite, places, self.counters, shown.update, self.batches.resize)
        counted = []
        for batch in batches:
            require_known_classes(batch, self.module.num_classes)
            real = [place for place, name in enumerate(batch["id"]) if name]
            batch = batch if fill else select_images(batch, real)
            counted.append(gather(batch, loop.count(batch), loop, real))
            loop.sums.reset()
        loop.end()
        return join(counted)

    def _count_alone(self, place: int, together: Swept, shown: Any) -> Swept:
        """Under a condition that learns from the images: in their order, without filling."""
        found = self._count(self.batches, [place], shown, fill=False)
        if (self.batches.ids, found.digests) != (self.ids, together.digests):
            raise UserError(
                f"the loader gives other images, or another order, in each pass, and {self.suite.conditions[place]} takes one of "
                "its own: leave out shuffle=True"
            )
        return found

    def _name_channels(self, number: int) -> Sequence[str]:
        if self.channels is None:
            return RED_GREEN_BLUE if number == len(RED_GREEN_BLUE) else [f"channel {place}" for place in range(number)]
        if len(self.channels) != number:
            raise UserError(
                f"images of {number} channels met {len(self.channels)} names of channels: give one for each"
            )
        return self.channels


@contextmanager
def compute_exactly(suite: Suite) -> Iterator[None]:
    """No gradients but those that conditions ask for, and no rounding that is coarser than ties between devices."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        with torch.no_grad() if suite.needs_gradients else torch.inference_mode():
            yield
    finally:
        torch.backends.cudnn.allow_tf32 = before
