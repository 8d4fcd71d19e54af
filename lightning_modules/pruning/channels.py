"""Structured pruning: channels are removed, so that a network becomes smaller and faster."""

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from torch import Tensor, nn

from lightning_modules.images import to_unit_range
from lightning_modules.pruning.tracing import Traced, find_last_layers, find_sealed_parts, silence_warnings
from lightning_modules.pruning.weights import LAYERS, require_ratio
from user_error import UserError

CRITERIA = ("magnitude", "taylor", "bn_scale")
STEPS = 20
"""Number of small pruning steps after a first one that is chosen too small to reach the target."""

MOST = 0.95
"""Largest ratio of a layer's channels that is removed."""

ATTEMPTS = 20


class Removed(NamedTuple):
    """A network with channels removed, and the names of the parts that could not be pruned."""

    network: nn.Module
    unpruned: list[str]


def remove_channels(
    network: nn.Module,
    image: Tensor,
    ratio: float,
    cost: Callable[[nn.Module], int],
    criterion: str = "magnitude",
    multiple: int = 8,
    feed: Callable[[nn.Module], None] | None = None,
    keep: Sequence[str] = (),
) -> Removed:
    """Remove the least important channels of every layer, with their dependencies, until the cost is low enough.

    Dependencies between layers are those of torch-pruning (Fang et al., "DepGraph", CVPR 2023). Importance is computed for
    a group of dependent channels: "magnitude", the norm of its weights (Li et al., ICLR 2017); "taylor", weights times
    gradients (Molchanov et al., CVPR 2019); "bn_scale", the factors of batch normalisation (Liu et al., ICCV 2017). The
    last layers keep their outputs. Parts whose dependencies cannot be traced are not pruned.

    Args:
        network: is not modified; a smaller copy is returned, in evaluation mode.
        image: a batch (1, C, H, W) for tracing.
        ratio: ratio of the cost to be removed, in (0, 1).
        cost: cost of a network, such as its multiply-adds.
        criterion: one of `CRITERIA`.
        multiple: numbers of channels are rounded to multiples of it, which hardware computes efficiently.
        feed: accumulates the gradients that "taylor" needs; called before each of the `STEPS` small steps.
        keep: names of parts that are not pruned, such as a pretrained encoder.

    Raises:
        UserError: a ratio outside (0, 1), or one that cannot be reached; no such criterion or part; a network that cannot be
            traced.
    """
    require_ratio(ratio)
    if network in find_sealed_parts(network):
        raise UserError(f"{type(network).__name__} cannot be pruned: {network.unprunable}")
    if criterion not in CRITERIA:
        raise UserError(f"no criterion {criterion!r}: take one of {', '.join(CRITERIA)}")
    image = to_unit_range(image)
    require_parts(network, keep)
    broken = [*keep]
    untraceable: list[str] | None = None  # the same in every copy
    for _ in range(ATTEMPTS):
        smaller = copy.deepcopy(network).eval().requires_grad_()
        try:
            if untraceable is None:
                untraceable = _find_untraceable(smaller, image, criterion)
            lost = _shrink(
                smaller, image, (1 - ratio) * cost(smaller), cost, criterion, multiple, feed, broken, untraceable
            )
        except _PartBroke as part:
            name = part.name
            while name in broken:  # it was protected, but lost channels through a part that contains it
                name = name.rpartition(".")[0]
            if not name:
                raise UserError(
                    f"{type(network).__name__} cannot be pruned: in {part.name or 'its forward pass'!r} {part}"
                ) from part
            broken.append(name)
            continue
        for now, before in zip(smaller.parameters(), network.parameters(), strict=True):
            now.requires_grad_(before.requires_grad)
            now.grad = None
        names = {module: name for name, module in network.named_modules()}
        return Removed(smaller, [*(names[part] for part in find_sealed_parts(network)), *broken, *lost])
    raise UserError(f"{type(network).__name__} cannot be pruned: {', '.join(broken)} and more would have to stay whole")


def require_parts(network: nn.Module, names: Sequence[str]) -> None:
    """Refuse names that are no parts of the network.

    Raises:
        UserError: a name is unknown; the message lists the parts.
    """
    parts = {name for name, _ in network.named_modules() if name}
    for name in names:
        if name not in parts:
            outer = sorted(part for part in parts if part.count(".") < 2)
            raise UserError(
                f"{type(network).__name__} has no part {name!r} to keep: name one of {', '.join(outer)}, or within"
            )


class _PartBroke(Exception):
    """A part of the network fails with the remaining channels."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(why)
        self.name = name


def _shrink(
    network: nn.Module,
    image: Tensor,
    wanted: float,
    cost: Callable[[nn.Module], int],
    criterion: str,
    multiple: int,
    feed: Callable[[nn.Module], None] | None,
    broken: list[str],
    untraceable: list[str],
) -> list[str]:
    """Remove channels until the cost is at most `wanted`; returns the names of layers that cannot be pruned.

    Raises:
        _PartBroke: a part fails after pruning, and must be protected like those of `broken`.
        UserError: the cost cannot be reached.
    """
    modules = dict(network.named_modules())
    first = 0.75 * (
        1 - math.sqrt(wanted / cost(network))
    )  # the cost of a layer is proportional to its inputs times its outputs
    ratios = [first + (MOST - first) * step / STEPS for step in range(STEPS + 1)]
    with silence_warnings(), _name_broken_part(network):
        protected = {part for name in broken for part in modules[name].modules()}
        traced = Traced(network, image)
        lost = [name for name in untraceable if modules[name] not in protected]
        ignored = [*find_last_layers(traced, image), *protected, *(modules[name] for name in lost)]
        pruner = _make_pruner(traced, image, criterion, multiple, ignored, ratios)
    for _ in ratios:
        near = cost(network) < 1.25 * wanted
        if feed is not None:
            network.zero_grad()
            feed(network)
        with silence_warnings(), _name_broken_part(network):
            for group in pruner.step(interactive=True):
                if protected.isdisjoint(dependency.target.module for dependency, _ in group):
                    group.prune()
                    if near and cost(network) <= wanted:
                        return lost
            if cost(network) <= wanted:
                return lost
    unpruned = [*broken, *lost]
    why = f"; {', '.join(unpruned)} had to stay whole" if unpruned else ""
    if criterion == "bn_scale":
        why += (
            "; 'bn_scale' ranks no channel that batch normalisation does not scale, 'magnitude' and 'taylor' rank all"
        )
    raise UserError(
        f"without {MOST:.0%} of the channels of each layer the network still costs {cost(network) / wanted:.2f} times what the "
        f"ratio leaves: lower it{why}"
    )


def _make_importance(criterion: str) -> Any:
    from torch_pruning import importance  # a slow import, which only pruning needs

    return {
        "magnitude": importance.GroupMagnitudeImportance,
        "taylor": importance.GroupTaylorImportance,
        "bn_scale": importance.BNScaleImportance,
    }[criterion]()


def _find_untraceable(network: nn.Module, image: Tensor, criterion: str) -> list[str]:
    """Names of the layers whose channels cannot be traced through the network.

    Raises:
        _PartBroke: a part cannot be traced at all.
    """
    with silence_warnings(), _name_broken_part(network):
        return _trace_layers(Traced(network, image), image, criterion)


def _trace_layers(traced: Traced, image: Tensor, criterion: str) -> list[str]:
    import torch_pruning

    graph = torch_pruning.DependencyGraph().build_dependency(traced, image, forward_fn=Traced.compute_outputs)
    importance = _make_importance(
        "bn_scale" if criterion == "bn_scale" else "magnitude"
    )  # "taylor" has no gradients yet
    found = []
    for name, layer in traced.network.named_modules():
        pruner = graph.get_pruner_of_module(layer)
        if isinstance(layer, (*LAYERS, nn.LSTM)) and layer in graph.module2node and pruner is not None:
            try:
                everything = list(range(pruner.get_out_channels(layer)))
                group = graph.get_pruning_group(layer, pruner.prune_out_channels, everything)
                importance(group)
            except Exception:  # of any kind, deep inside
                found.append(name)
                continue
            if any(dependency.target.module in traced.fixed or _is_unclear(dependency) for dependency, _ in group):
                found.append(name)
    return found


def _is_unclear(dependency: Any) -> bool:
    """Whether the origin of a concatenation's channels is unknown."""
    return any(
        type(node.module).__name__ == "_ConcatOp" and node.module.offsets is None
        for node in (dependency.source, dependency.target)
    )


def _make_pruner(
    traced: Traced, image: Tensor, criterion: str, multiple: int, ignored: list[nn.Module], ratios: list[float]
) -> Any:
    import torch_pruning

    return torch_pruning.pruner.BasePruner(
        traced,
        image,
        _make_importance(criterion),
        pruning_ratio=MOST,
        iterative_steps=len(ratios),
        iterative_pruning_ratio_scheduler=lambda *_: [0.0, *ratios],
        ignored_layers=[*ignored, *traced.fixed],
        round_to=multiple,
        forward_fn=Traced.compute_outputs,
    )


@contextmanager
def _name_broken_part(network: nn.Module) -> Iterator[None]:
    """Attribute an error to the innermost part in which it happened that is no layer of torch."""
    inside: list[nn.Module] = []
    names = {module: name for name, module in network.named_modules()}

    def enter(module: nn.Module, _: Any) -> None:
        inside.append(module)

    def leave(module: nn.Module, *_: Any) -> None:
        inside.pop()

    handles = [module.register_forward_pre_hook(enter) for module in names]
    handles += [module.register_forward_hook(leave) for module in names]
    try:
        yield
    except (RuntimeError, ValueError, IndexError, TypeError, AttributeError, AssertionError, KeyError) as error:
        parts = [names[module] for module in inside if not type(module).__module__.startswith("torch.nn")]
        why = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise _PartBroke(parts[-1] if parts else "", why) from error
    finally:
        for handle in handles:
            handle.remove()
