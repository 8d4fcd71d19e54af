"""Devices by their names."""

from typing import TypeVar

import torch
from torch import nn

from user_error import UserError

Module = TypeVar("Module", bound=nn.Module)


AUTO = "auto"
"""The name that stands for a GPU where there is one, and for the processor otherwise."""


def find_device(name: str) -> torch.device:
    """The device of that name, or of `AUTO`.

    Raises:
        UserError: there is none.
    """
    if name == AUTO:
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).tolist()  # "meta" holds no numbers
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UserError(f"there is no device {name!r} here: pass --device cpu") from error
    return device


def move_to_device(module: Module, name: str) -> Module:
    """The module on a device by its name.

    Raises:
        UserError: there is no such device.
    """
    return module.to(find_device(name))
