"""What the adapters of other libraries' networks share: an output of any form becomes logits at the input's size."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from lightning_modules.networks.base import SegmentationNetwork, resize_to
from user_error import UserError


class Adapter(SegmentationNetwork):
    """A network of another library, which takes normalised images (B, C, H, W), behind this project's contract.

    What comes out may be a tensor, or a dictionary or sequence with the logits among its entries, and of any size: it is
    brought to the input's size bilinearly. A parameter that the logits do not depend on keeps no gradient; train such a
    network on several devices with ``--trainer.strategy ddp_find_unused_parameters_true``.

    Args:
        num_classes: K; the command line takes it from the data.
        in_channels: C; the command line takes it from the data.
        model: images to logits, or to something that holds them.
        output: key or index of the logits; the first entry if null.
        stride: see `SegmentationNetwork`.
        mean: see `SegmentationNetwork`.
        std: see `SegmentationNetwork`.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        model: nn.Module,
        output: str | int | None = None,
        stride: int = 1,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        if stride < 1:
            raise UserError(f"the stride of a network is {stride}: give 1 if it takes images of any size")
        super().__init__(num_classes, in_channels, stride, mean, std)
        self.model: Any = model
        self.output = output

    def compute_logits(self, x: Tensor) -> Tensor:
        """Normalised images (B, C, H, W) to logits (B, K, H, W).

        Raises:
            UserError: the model's output holds no logits of K classes.
        """
        return resize_to(x, check_classes(choose_output(self.model(x), self.output), self.num_classes))


def choose_output(found: Any, key: str | int | None) -> Tensor:
    """The tensor in what a network gave: itself, or the entry `key`, the first if null, of a dictionary or a sequence.

    Raises:
        UserError: there is no such entry, or it is no tensor.
    """
    if isinstance(found, Tensor) and key is None:
        return found
    entries: dict[Any, Any] = {}
    if isinstance(found, Mapping):
        entries = dict(found)
    elif isinstance(found, list | tuple):
        entries = dict(enumerate(found)) | dict(enumerate(found, -len(found)))  # counted from the end as well
    chosen = next(iter(entries), None) if key is None else key
    if isinstance(chosen, str) and chosen not in entries and chosen.removeprefix("-").isdigit():
        chosen = int(chosen)  # the command line makes words of all that a setting may be
    if not isinstance(entries.get(chosen), Tensor):
        tensors = ", ".join(repr(name) for name, value in entries.items() if isinstance(value, Tensor))
        raise UserError(
            f"the network gives a {type(found).__name__} ({tensors or 'no tensors in it'}) with no logits as {chosen!r}: "
            "set its argument output to the key or index of the logits, or to null"
        )
    return entries[chosen]


def check_classes(logits: Tensor, num_classes: int) -> Tensor:
    """`logits`, if they are (B, K, h, w).

    Raises:
        UserError: they have another shape.
    """
    if logits.ndim != 4 or logits.shape[1] != num_classes:
        raise UserError(
            f"the network gives {tuple(logits.shape)} where logits (B, {num_classes}, h, w) were sought: check its output "
            "and how it learns the number of classes"
        )
    return logits


def find_first_convolution(model: nn.Module) -> tuple[str, nn.Conv2d]:
    """The convolution that `model` lists first, with its dotted name: in all networks here the one that sees the image."""
    return next((name, one) for name, one in model.named_modules() if isinstance(one, nn.Conv2d))


def replace_first_convolution(model: nn.Module, in_channels: int) -> None:
    """Let `model`, made for images of three channels, take others: its first convolution is made anew."""
    name, first = find_first_convolution(model)
    if first.in_channels == in_channels:
        return
    wider = nn.Conv2d(
        in_channels,
        first.out_channels,
        first.kernel_size,  # type: ignore[arg-type]
        first.stride,  # type: ignore[arg-type]
        first.padding,  # type: ignore[arg-type]
        first.dilation,  # type: ignore[arg-type]
        bias=first.bias is not None,
    )
    nn.init.kaiming_normal_(wider.weight, mode="fan_out", nonlinearity="relu")
    owner, _, attribute = name.rpartition(".")
    setattr(model.get_submodule(owner), attribute, wider)
