"""Several networks in one."""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state

from lightning_modules.networks.base import SegmentationNetwork
from lightning_modules.networks.ensembles.cached import Cached
from lightning_modules.networks.ensembles.combination import Combination
from lightning_modules.networks.network import SEGMENTATION, as_network
from lightning_modules.tasks.base import Task
from user_error import UserError


class Ensemble(Combination):
    """Networks of one or of several architectures, trained apart or side by side; the answer is their mean.

    Lakshminarayanan et al., "Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles", NeurIPS 2017:
    members differ by the random weights that they start from. The verb `ensemble` makes one of trained checkpoints;
    trained by its YAML, each member has its own loss on the same batches.

    Args:
        num_classes: K; the command line takes it from the data.
        in_channels: C; the command line takes it from the data.
        members: makes each network from (num_classes, in_channels).
        copies: so many networks of each, which differ by what they start from.
        average: what the mean is of, "probabilities" or "logits".
        batched: run the members at once in evaluation, stacked by `torch.func.vmap`: takes the memory of all of them, and is
            faster for small images on a GPU alone. They must be of one architecture.

    Raises:
        UserError: no members or copies, another average, or members to be stacked that differ.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        members: Sequence[Callable[[int, int], nn.Module]],
        copies: int = 1,
        average: str = "probabilities",
        batched: bool = False,
    ) -> None:
        super().__init__()
        if not members:
            raise UserError("an ensemble needs members: list at least one network in 'members'")
        if copies < 1:
            raise UserError(f"copies is {copies}: an ensemble needs at least 1 of each member")
        self.require_average(average)
        self.members = nn.ModuleList(member(num_classes, in_channels) for _ in range(copies) for member in members)
        self.batched = batched
        self._stack = Cached()
        if batched:
            _require_alike(self.members)

    def compute_member_logits(self, image: Tensor) -> Iterator[Tensor]:
        """The logits (B, K, H, W) of each member."""
        if self.batched and not self.training:  # statistics of a batch cannot be gathered under vmap
            yield from self._run_batched(image)
            return
        for member in self.members:
            yield member(image)

    @property
    def tasks(self) -> Mapping[str, Task]:
        """Those of its members, where all have the same."""
        first, *others = (as_network(member).tasks for member in self.members)
        return first if all(other == first for other in others) else {}

    def compute_training_outputs(self, image: Tensor) -> dict[str, list[Tensor]]:
        """Those of every member."""
        found = [as_network(member).compute_training_outputs(image) for member in self.members]
        return {name: [one for outputs in found for one in outputs[name]] for name in (SEGMENTATION, *self.tasks)}

    def compute_member_outputs(self, image: Tensor) -> Iterator[dict[str, Tensor]]:
        """What each member predicts."""
        yield from (as_network(member).compute_outputs(image) for member in self.members)

    def _run_batched(self, image: Tensor) -> Tensor:
        skeleton, state = self._get_stack()

        def run_member(own: tuple[dict[str, Tensor], dict[str, Tensor]]) -> Tensor:
            return functional_call(skeleton, own, (image,))

        try:
            return torch.vmap(run_member)(state)
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise UserError(
                f"{type(skeleton).__name__} cannot run as one batch of members ({reason}): leave 'batched' out"
            ) from error

    def _get_stack(self) -> Any:
        """A member without weights, and the weights of all; stacked anew where any of them has changed."""
        tensors = [*self.members.parameters(), *self.members.buffers()]
        return self._stack.get(tensors, self._make_stack)

    @torch.no_grad()
    def _make_stack(self) -> Any:
        state = stack_module_state(list(self.members))
        return _make_skeleton(self.members[0]), tuple(
            {name: one.detach() for name, one in part.items()} for part in state
        )

    def load_pretrained(self, weights: str) -> None:
        """Start every member from `weights`."""
        for member in self.members:
            member.load_pretrained(weights)  # type: ignore[operator]


def _make_skeleton(member: nn.Module) -> nn.Module:
    """A network without weights, which are given to it in each call."""
    skeleton = copy.deepcopy(member).to("meta").eval()
    for part in skeleton.modules():
        if isinstance(part, SegmentationNetwork):
            part.memory_format = torch.contiguous_format  # vmap knows no other
    return skeleton


def _require_alike(members: nn.ModuleList) -> None:
    first = {name: one.shape for name, one in members[0].state_dict().items()}
    for place, member in enumerate(members):
        found = {name: one.shape for name, one in member.state_dict().items()}
        if type(member) is not type(members[0]) or found != first:
            raise UserError(
                f"member {place} of the ensemble has another architecture than member 0, so they cannot run as one batch: "
                "leave 'batched' out"
            )
