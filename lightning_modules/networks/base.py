"""The base of the networks: they normalise their input, take any input size, and load pretrained weights for training."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lightning_modules.networks.network import Network
from user_error import UserError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class SegmentationNetwork(Network, ABC):
    """Base of the networks; a network overrides `compute_logits`.

    Networks normalise images themselves, so that corruption severities and attack budgets are the same for all of them.

    Args:
        num_classes: K, the channels of the logits.
        in_channels: C, the channels of the image.
        stride: the input is padded to a multiple of it, by repeating its edge, and the logits are cropped accordingly; a
            network may set `least_side`, a multiple to which smaller inputs are padded, and `only_side`, that of the only
            images that it takes.
        mean: mean per channel of images in [0, 1]; ImageNet's for three channels, else 0.5.
        std: standard deviation per channel; ImageNet's for three channels, else 0.25.

    Raises:
        UserError: means or deviations for another number of channels, or a deviation that is not positive.
    """

    mean: Tensor
    std: Tensor
    memory_format = torch.channels_last  # convolutions on a CPU are up to 1.4x faster so

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        stride: int = 32,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.in_channels = in_channels
        self.stride = stride
        self.least_side = stride
        self.only_side: int | None = None
        self.frozen: list[nn.Module] = []
        self.mixing: list[str] = []
        """Names of its parts in which an image gets something of another one of its batch, in training."""
        colour = in_channels == 3
        mean = mean or (IMAGENET_MEAN if colour else (0.5,) * in_channels)
        std = std or (IMAGENET_STD if colour else (0.25,) * in_channels)
        require_for_each("mean", mean, in_channels)
        require_for_each("std", std, in_channels)
        if not all(0 < value < math.inf for value in std):
            raise UserError(f"std is {list(std)}: give numbers above 0, in shares of the range of the image")
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1))

    @abstractmethod
    def compute_logits(self, x: Tensor) -> Tensor:
        """Normalised images (B, C, H, W), H and W multiples of `stride`, to logits (B, K, H, W)."""

    def load_pretrained(self, weights: str) -> None:
        """Load `weights`, a name on the hub or the path of a local file; called once, when training begins.

        The constructor must access neither files nor the hub, so that a checkpoint can be rebuilt anywhere.

        Raises:
            UserError: the weights cannot be loaded, or this network takes none.
        """
        raise UserError(
            f"{type(self).__name__} has no pretrained weights to load ({weights!r}): set encoder_weights to null"
        )

    def normalise(self, image: Tensor) -> Tensor:
        """uint8, or float in [0, 1], to zero mean and unit variance.

        Raises:
            UserError: the number of channels differs; broadcasting would otherwise hide this.
        """
        if image.shape[1] != self.mean.shape[1]:
            raise UserError(
                f"{type(self).__name__} takes images of {self.mean.shape[1]} channels and was given {image.shape[1]}: pass the "
                "data that it was made for"
            )
        x = image.to(self.mean.dtype)
        if not image.is_floating_point():
            x = x / 255
        return (x - self.mean) / self.std

    def forward(self, image: Tensor) -> Tensor:
        """Images (B, C, H, W), uint8 or float in [0, 1], to logits (B, K, H, W)."""
        height, width = image.shape[-2:]
        return self.compute_logits(self.pad(self.normalise(image)))[..., :height, :width]

    def freeze(self, part: nn.Module) -> None:
        """Keep the weights of a part, and the part in evaluation mode, while the rest is trained."""
        part.requires_grad_(False).eval()
        self.frozen.append(part)

    def train(self, mode: bool = True) -> Self:
        """Set the mode of all parts but the frozen ones, whose running statistics and dropout stay as in evaluation."""
        super().train(mode)
        for part in self.frozen:
            part.eval()
        return self

    def find_fixed_size(self, x: Tensor) -> tuple[int, int] | None:
        """The one size (H, W) to which it resizes images `x` (B, C, H, W) before it sees them; `None` where it sees any."""
        return None

    def pad(self, x: Tensor) -> Tensor:
        """Pad `x` (B, C, H, W) to multiples of `stride`, in the memory format of convolutions.

        Raises:
            UserError: the network takes images of one size only, and this one is larger.
        """
        height, width = x.shape[-2:]
        if self.only_side is not None and max(height, width) > self.only_side:
            raise UserError(
                f"{type(self).__name__} was made for images of {self.only_side} x {self.only_side} and was given {height} x "
                f"{width}: train at that size (--data.init_args.size), and predict larger images by sliding windows of it"
            )
        below, beside = (self._find_padding(side) for side in (height, width))
        if is_recorded() or below or beside:
            x = F.pad(x, (0, beside, 0, below), mode="replicate")
        if torch.compiler.is_exporting():  # strides of channels last would tie the program to the sizes it is made with
            return x.contiguous()
        return x.contiguous(memory_format=self.memory_format)

    def _find_padding(self, side: int) -> int:
        """Pixels that a side lacks; the arithmetic holds for the sizes of a recorded graph, too, which are symbols."""
        if self.stride == self.only_side:
            return self.stride - side
        padding = (side + self.stride - 1) // self.stride * self.stride - side  # no negative dividend: ONNX truncates
        if self.least_side == self.stride:
            return padding
        further = self.least_side - side - padding
        return padding + (further + abs(further)) // 2


def is_recorded() -> bool:
    """Whether this pass is recorded as a graph, perhaps for images of several sizes: no size may decide between branches."""
    return torch.jit.is_tracing() or torch.compiler.is_exporting()


def resize_to(x: Tensor, logits: Tensor) -> Tensor:
    """Logits (B, K, h, w) at the size of images `x` (B, C, H, W)."""
    if not is_recorded() and logits.shape[2:] == x.shape[2:]:
        return logits
    return F.interpolate(logits, x.shape[2:], mode="bilinear")


def require_for_each(name: str, values: Sequence[float] | None, channels: int) -> None:
    """Refuse a setting of channels that has not one value for each; null stands for the default.

    Raises:
        UserError: the number of values differs from the number of channels.
    """
    if values and len(values) != channels:
        raise UserError(f"{name} has {len(values)} numbers for {channels} channels: give one for each, or null")


def require_dropout(name: str, value: float) -> None:
    """Refuse a dropout probability outside [0, 1).

    Raises:
        UserError: the probability is out of range.
    """
    if not 0 <= value < 1:
        raise UserError(f"{name} is {value}: give a probability from 0 to below 1")
