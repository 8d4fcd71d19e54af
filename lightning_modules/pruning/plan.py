"""The plan of a pruned network: the sizes of its modules as plain numbers, from which it is rebuilt."""

from typing import Any

import torch
from torch import Tensor, nn

from user_error import UserError

Plan = dict[str, dict[str, Any]]
"""For each changed module by name: the new shapes of its tensors and the new values of its integers."""


def make_plan(original: nn.Module, pruned: nn.Module) -> Plan:
    """The differences in size between the modules of `pruned` and those of `original`, which have the same names."""
    others = dict(pruned.named_modules())
    changes = {name: _find_changes(module, others[name]) for name, module in original.named_modules()}
    return {name: changed for name, changed in changes.items() if changed}


def _find_changes(before: nn.Module, after: nn.Module) -> dict[str, Any]:
    old, new = _read_sizes(before), _read_sizes(after)
    return {name: new[name] for name, size in old.items() if new[name] != size}


def _read_sizes(module: nn.Module) -> dict[str, Any]:
    """Shapes of a module's own tensors, and its integers, as values for JSON."""
    found: dict[str, Any] = {}
    for name, value in (vars(module) | module._parameters | module._buffers).items():
        if isinstance(value, Tensor):
            found[name] = list(value.shape)
        elif type(value) is int:
            found[name] = value
        elif isinstance(value, tuple) and value and all(type(one) is int for one in value):
            found[name] = list(value)
    return found


def follow_plan(network: nn.Module, plan: Plan) -> None:
    """Resize the modules of `network` by `plan`; resized tensors are zero until weights are loaded.

    Raises:
        UserError: the plan belongs to another network, or would enlarge a module.
    """
    modules = dict(network.named_modules())
    for name, changed in plan.items():
        if name not in modules:
            raise UserError(f"the plan of a pruned network names {name!r}, which {type(network).__name__} has not")
        sizes = _read_sizes(modules[name])
        for attribute, size in changed.items():
            if not _fits(sizes.get(attribute), size):
                raise UserError(
                    f"the plan of a pruned network wants {name}.{attribute} to be {size}, but it is {sizes.get(attribute)}"
                )
            _resize(modules[name], attribute, size)


def _fits(before: Any, after: Any) -> bool:
    """Whether `after` has as many integers as `before`, each from 1 to the earlier one."""
    old, new = ([one] if type(one) is int else one for one in (before, after))
    if type(before) is not type(after) or not isinstance(old, list) or len(old) != len(new):
        return False
    return all(type(now) is int and 1 <= now <= then for then, now in zip(old, new, strict=True))


def _resize(module: nn.Module, name: str, size: Any) -> None:
    value = getattr(module, name)
    if isinstance(value, nn.Parameter):
        setattr(module, name, nn.Parameter(torch.zeros(size, dtype=value.dtype), requires_grad=value.requires_grad))
    elif isinstance(value, Tensor):
        setattr(module, name, torch.zeros(size, dtype=value.dtype))
    else:
        setattr(module, name, tuple(size) if isinstance(value, tuple) else size)
