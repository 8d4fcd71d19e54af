"""The inner loop of a sweep: one batch under one condition after the other."""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from datamodules.batch_resize import BatchResize
from experiments.evaluation.scores.tasks import TASK
from experiments.sweeping.own_size import Drawn, draw_at_own_size, draw_part_of_region, draw_region_at_own_size
from experiments.sweeping.scored_parts import Part, ScoredParts
from experiments.sweeping.suite import Suite
from lightning_modules.finite import find_finite, require_finite
from lightning_modules.images import to_unit_range
from lightning_modules.inference.passes import EXACT, Passes, make_passes
from lightning_modules.labels import find_classes, ignore_unlabelled
from lightning_modules.metrics.counters.base import Counter, CountForm, Prediction
from lightning_modules.metrics.sweep import SweepCounts, make_default_counters
from lightning_modules.networks.ensembles.combination import watch_members
from lightning_modules.networks.network import SEGMENTATION
from lightning_modules.segmentation import SegmentationModule
from user_error import UserError


class BatchCounts(NamedTuple):
    """The counts of a batch under each condition."""

    counts: dict[str, Tensor]  # of each image by name, (conditions, B, ...) int64
    changed: Tensor  # (conditions, B), whether image, mask or network is not as it is clean


class ConditionLoop:
    """Corrupts, predicts and counts a batch under conditions of a suite, each drawn when its turn has come.

    Args:
        module: of the network, on the device of the batches, in evaluation mode.
        suite: whose conditions.
        places: of the conditions in the suite, in the order in which they are applied; all if `None`.
        counters: what is counted; the usual ones if `None`.
        on_condition: called with the number of counted images after each condition.
        resize: of images that are corrupted at the size of their file, for batches that have these; see `own_size`.
        passes: how the network is computed; conditions that change it or differentiate through it have exact passes.
    """

    def __init__(
        self,
        module: SegmentationModule,
        suite: Suite,
        places: Sequence[int] | None = None,
        counters: Sequence[Counter] | None = None,
        on_condition: Callable[[int], None] = lambda images: None,
        resize: BatchResize | None = None,
        passes: Passes = EXACT,
    ) -> None:
        self.resize = resize or BatchResize(None)
        self.module = module
        self.suite = suite
        self.conditions = [*suite.conditions] if places is None else [suite.conditions[place] for place in places]
        chosen = make_default_counters() if counters is None else counters
        usual = [one for one in chosen if not one.at_file_size]
        self.sums = SweepCounts(module.num_classes, len(self.conditions), usual).to(module.device)
        self.at_file_size = [one for one in chosen if one.at_file_size]
        self.on_condition = on_condition
        self.passes = passes
        self._made: nn.Module | None = None  # the network of these passes, from the first batch on
        self._networks: dict[int, nn.Module] = {}  # the network of each condition, from its first batch on

    def count(self, batch: dict[str, Any]) -> BatchCounts:
        """Add a batch to `sums`.

        A batch of padding alone runs the first condition only: it keeps its process in step and counts nothing.

        Args:
            batch: of the contract, on the module's device; images whose id is "" are padding, which is not counted.

        Raises:
            UserError: logits are no numbers; image and condition are named.
        """
        images, masks, ids = batch["image"], batch["mask"], batch["id"]
        protocol = self.suite.protocol
        scored = ScoredParts(batch, protocol, self.resize, self.module.num_classes)
        at_files = scored
        if self.at_file_size:
            at_files = ScoredParts(batch, replace(protocol, scored_at_file=True), self.resize, self.module.num_classes)
        number = sum(name != "" for name in ids)
        counted: list[dict[str, Tensor]] = []
        finite: list[Tensor] = []
        changed: list[Tensor] = []
        seen: Tensor | None = None
        for place, condition in enumerate(self.conditions if number else self.conditions[:1]):
            network = self._find_network(place)
            with _enable_gradients(condition.needs_gradients):
                drawn = draw_at_own_size(condition.pixels, batch, self.suite.seed, self.resize)
                moved_masks = drawn.masks
                labelled = (
                    ignore_unlabelled(moved_masks, self.module.num_classes) if condition.predicts else moved_masks
                )
                corrupted = condition.perturb(network, drawn.images, labelled, ids, self.suite.seed)
                if condition.predicts or corrupted is not seen:  # a condition may change the masks alone
                    logits, outputs, members = self._predict(place, network, corrupted, scored)
            seen = None if condition.predicts else corrupted
            finite.append(find_finite(logits))
            tasks = {
                f"{TASK}{name}": part for name, part in self.module.count_tasks(outputs, batch, moved_masks).items()
            }
            counted.append(self._count(scored, place, drawn, logits, members, batch) | tasks)
            counted[-1] |= self._count_at_file_size(at_files, drawn, logits)
            changed.append(
                _find_different(corrupted, images) | _find_different(moved_masks, masks) | condition.has_state
            )
            self.on_condition(number)
        require_finite(torch.stack(finite), ids, [str(one) for one in self.conditions])
        counts = {name: torch.stack([one[name] for one in counted]) for name in counted[0]}
        return BatchCounts(counts, torch.stack(changed))

    def _count(
        self,
        scored: ScoredParts,
        place: int,
        drawn: Drawn,
        logits: Tensor,
        members: Sequence[list[Tensor]],
        batch: dict[str, Any],
    ) -> dict[str, Tensor]:
        """Counts of each image by name, at the size where they are scored.

        Raises:
            UserError: the condition changes the masks at another size.
        """
        if scored.own is not None and drawn.own_masks is None and drawn.masks is not scored.clean:
            raise UserError(
                f"{self.conditions[place].name} changes the masks at the network's size, while scores are at that of the "
                "files: leave out --order resize_then_corrupt"
            )
        parts = scored.list_parts(drawn.masks, drawn.own_masks)
        found: list[dict[str, Tensor]] = []
        for number, (part, fitted) in enumerate(zip(parts, scored.fit(logits), strict=True)):
            seen = [member[number] for member in members]
            region = self._draw_region(place, batch, part, scored.own is not None)
            found.append(self.sums.count(fitted, find_classes(fitted), part.mask, place, seen, region))
        return self._join(parts, found, self.sums.forms)

    def _count_at_file_size(self, files: ScoredParts, drawn: Drawn, logits: Tensor) -> dict[str, Tensor]:
        """Counts of each image by name of the counters that are shown the size of the files, from the same logits."""
        if not self.at_file_size:
            return {}
        classes, parts = self.module.num_classes, files.list_parts(drawn.masks, drawn.own_masks)
        found: list[dict[str, Tensor]] = []
        for part, fitted in zip(parts, files.fit(logits), strict=True):
            seen = Prediction(fitted, find_classes(fitted), part.mask, classes)
            found.append({name: counts for one in self.at_file_size for name, counts in one.count(seen).items()})
        forms = {name: form for one in self.at_file_size for name, form in one.list_forms(classes).items()}
        return self._join(parts, found, forms)

    def _join(
        self, parts: Sequence[Part], found: Sequence[dict[str, Tensor]], forms: Mapping[str, CountForm]
    ) -> dict[str, Tensor]:
        """The counts of the images of all parts, in the order of the batch, without those of classes in no mean."""
        joined = {name: torch.cat([one[name] for one in found]) for name in found[0]}
        back = torch.tensor([place for part in parts for place in part.places]).argsort()
        unscored = [*self.suite.protocol.unscored]
        for name, counts in joined.items():
            joined[name] = counts[back.to(counts.device)] if len(parts) > 1 else counts
            if unscored and forms[name].by_class:
                joined[name][:, unscored] = 0
        return joined

    def _find_network(self, place: int) -> nn.Module:
        """The network of a condition, from its first batch on; one that has a state gets a copy."""
        if place not in self._networks:
            condition, own = self.conditions[place], self.module.network
            with torch.inference_mode(False):
                self._networks[place] = condition.begin(copy.deepcopy(own) if condition.has_state else own)
        return self._networks[place]

    def _draw_region(self, place: int, batch: dict[str, Any], part: Part, at_file_size: bool) -> Tensor | None:
        """The region that a condition changes, where a counter asks for it: of a part of the batch, where it is scored.

        Raises:
            UserError: images are corrupted after the resize, and scored at the size of the files.
        """
        pixels, seed = self.conditions[place].pixels, self.suite.seed
        if not self.sums.needs_region:
            return None
        if not at_file_size:
            return draw_region_at_own_size(pixels, batch, seed, self.resize)
        if "own_image" not in batch:
            raise UserError(
                "regions of images that are corrupted after the resize are not known at the size of the files: leave out "
                "--order resize_then_corrupt"
            )
        return draw_part_of_region(pixels, batch, part.places, seed)

    def end(self) -> None:
        """Release the networks of the conditions: each with a state is a complete copy."""
        self._networks.clear()

    @contextmanager
    def _pass_through(self, images: Tensor) -> Iterator[nn.Module]:
        """Let the module predict by the passes of this loop; yields the network that computes them."""
        exact = self.module.network
        if self._made is None:
            self._made = make_passes(exact, self.passes, images)
        self.module.network = self._made
        try:
            yield self._made
        finally:
            self.module.network = exact

    def _predict(
        self, place: int, network: nn.Module, images: Tensor, scored: ScoredParts
    ) -> tuple[Tensor, dict[str, Tensor], list[list[Tensor]]]:
        """Logits, the outputs of further tasks, and what members predict in each part where it is counted."""
        own = nullcontext(network) if self.conditions[place].predicts else self._pass_through(images)
        with own as seen:
            if not self.sums.needs_members:
                return *self._predict_outputs(place, network, images), []
            with watch_members(seen, scored.classify) as members:
                return *self._predict_outputs(place, network, images), members

    def _predict_outputs(self, place: int, network: nn.Module, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Logits and the outputs of further tasks, without the gradients that led to them."""
        condition = self.conditions[place]
        if not condition.predicts:
            return self.module.predict(images)
        with nullcontext() if condition.has_state else torch.no_grad():
            outputs = {name: output.detach() for name, output in condition.predict(network, images).items()}
        return outputs.pop(SEGMENTATION), outputs


def _enable_gradients(needed: bool) -> AbstractContextManager[Any]:
    return torch.enable_grad() if needed else nullcontext()


def _find_different(one: Tensor, other: Tensor) -> Tensor:
    """Which entries (B,) of two tensors (B, ...) are not bit-equal; floats in [0, 1] are compared with scaled levels."""
    if one is other:
        return torch.zeros(len(one), dtype=torch.bool, device=one.device)
    if one.is_floating_point():
        other = to_unit_range(other).to(one.dtype)
    return (one != other).flatten(1).any(1)
