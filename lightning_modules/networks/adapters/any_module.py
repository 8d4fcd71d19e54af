"""Any network by its import path."""

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from lightning_modules.networks.adapters.base import Adapter
from lightning_modules.networks.pretrained import load_local
from user_error import UserError, shorten


class AnyModule(Adapter):
    """A network of any installed package, or of a file beside the command, by its import path.

    It takes normalised images; `mean` and `std` of 0 and 1 leave them in [0, 1]. A checkpoint names the class that
    rebuilds it, which is code from elsewhere: the verbs that read checkpoints refuse it until its package stands in the
    environment variable ``ROBUST_SEGMENTATION_TRUST``, such as ``ROBUST_SEGMENTATION_TRUST=mypackage.``

    Args:
        num_classes: K; the command line takes it from the data.
        in_channels: C; the command line takes it from the data.
        target: import path of a class, or of a function, that makes an nn.Module, such as ``mypackage.nets.MyNet``. (It
            is no ``class_path``, which on the command line would exchange the adapter itself.)
        arguments: what it is made with.
        num_classes_argument: name of its argument for K; null if it has none.
        in_channels_argument: name of its argument for C; null if it has none.
        output: key or index of the logits in what the network gives; the tensor itself, or the first entry, if null.
        stride: the input is padded to a multiple of it; 1 for a network that takes any size.
        mean: see `SegmentationNetwork`.
        std: see `SegmentationNetwork`.

    Raises:
        UserError: no such class, it does not take these arguments, or it makes no nn.Module.
    """

    names_of_code = ("target",)
    """Settings that are import paths: a checkpoint may give them trusted names alone."""

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        target: str,
        arguments: dict[str, Any] | None = None,
        num_classes_argument: str | None = "num_classes",
        in_channels_argument: str | None = "in_channels",
        output: str | int | None = None,
        stride: int = 1,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        numbers = {num_classes_argument: num_classes, in_channels_argument: in_channels}
        given = {name: number for name, number in numbers.items() if name is not None}
        model = _make(target, {**(arguments or {}), **given})
        super().__init__(num_classes, in_channels, model, output, stride, mean, std)
        self.target = target

    def load_pretrained(self, weights: str) -> None:
        """Start the whole network from `weights`, the path of a file that holds its state dict.

        Raises:
            UserError: no such file, or it belongs to another network.
        """
        load_local(self.model, Path(weights), self.target)


def _make(target: str, settings: dict[str, Any]) -> nn.Module:
    maker = _find(target)
    if isinstance(maker, type) and not issubclass(maker, nn.Module):
        raise UserError(f"{target!r} is no nn.Module: give the import path of a network's class")
    try:
        model = maker(**settings)
    except UserError:
        raise
    except Exception as error:  # code from elsewhere may raise anything
        raise UserError(
            f"{target!r} cannot be made with the arguments {', '.join(settings)} ({type(error).__name__}: {shorten(error)}): "
            "change arguments, num_classes_argument or in_channels_argument"
        ) from error
    if not isinstance(model, nn.Module):
        raise UserError(f"{target!r} made a {type(model).__name__}, no nn.Module: give another import path")
    return model


def _find(target: str) -> Callable[..., Any]:
    module, _, name = target.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except Exception as error:  # code from elsewhere may raise anything
        raise UserError(
            f"nothing to import as {target!r} ({type(error).__name__}: {shorten(error)}): install its package, or run where its "
            "file lies"
        ) from error
    if not callable(found):
        raise UserError(f"{target!r} is no class: give the import path of a network's class")
    return found
