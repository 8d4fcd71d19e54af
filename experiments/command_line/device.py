"""The device of a verb: its option, and the device itself."""

from typing import Any, TypeVar

import torch
from torch import nn

from user_error import UserError

Module = TypeVar("Module", bound=nn.Module)


def add_device_argument(parser: Any) -> None:
    """Add ``--device``: a GPU where there is one."""
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="cpu, cuda, ...")


def usable(name: str) -> torch.device:
    """The device of that name.

    Raises:
        UserError: there is none.
    """
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"there is no device {name!r} here: pass --device cpu") from error
    return device


def on_device(module: Module, name: str) -> Module:
    """The module on a device by its name.

    Raises:
        UserError: there is no such device.
    """
    return module.to(usable(name))
