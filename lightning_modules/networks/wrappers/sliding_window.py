"""A network that is shown an image window by window."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from lightning_modules.networks.base import SegmentationNetwork, is_recorded
from lightning_modules.networks.ensembles.combination import (
    AVERAGES,
    TINY,
    Average,
    Combination,
    find_combination,
    watch_members,
)
from lightning_modules.networks.network import SEGMENTATION, Wrapper, as_network
from user_error import UserError

Weights = Literal["uniform", "gaussian"]
WEIGHTS: tuple[Weights, ...] = get_args(Weights)

SPREAD = 1 / 8
"""Standard deviation of the weights of a window, as a fraction of its side."""

Outputs = dict[str, Tensor]


class SlidingWindow(Wrapper, Combination):
    """Any network, applied to overlapping windows of an image; where they overlap, the prediction is their weighted mean.

    The grid is that of `mmsegmentation <https://github.com/open-mmlab/mmsegmentation>`_ (``slide_inference``): windows
    follow each other by `stride`, and the last of a row or column is moved back to end with the image. Uniform weights
    and the mean of logits are its as well; Gaussian weights are those of nnU-Net (Isensee et al., Nature Methods 2021),
    whose grid divides the image evenly instead. Training and a network's own members see no windows but those that are
    asked for here: in training the wrapped network is given the image as it is.

    Args:
        num_classes: K; the command line takes it from the data.
        in_channels: C; the command line takes it from the data.
        network: makes the network from (num_classes, in_channels).
        window: (height, width) in pixels, multiples of the network's stride.
        stride: (height, width) from one window to the next; it follows from `overlap` if `None`.
        overlap: of neighbours, as a fraction of the window; a half if both are `None`.
        weights: "uniform", or "gaussian" with more weight in the middle of a window.
        average: what the mean is of, "logits" or "probabilities".
        pad: whether an image smaller than the window is padded to it by repeating its edge, as networks of one fixed size
            need it; otherwise the window shrinks to the image.
        at_once: windows in one pass of the network, which bounds the memory.

    Raises:
        UserError: windows that leave gaps, that the network would pad, or settings out of range.
    """

    average: Average = "logits"

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        network: Callable[[int, int], nn.Module],
        window: Sequence[int] = (512, 512),
        stride: Sequence[int] | None = None,
        overlap: float | None = None,
        weights: str = "uniform",
        average: str = "logits",
        pad: bool = False,
        at_once: int = 4,
    ) -> None:
        super().__init__()
        self.window = require_pixels("window", window)
        self.stride = find_stride(self.window, stride, overlap)
        require_choice("weights", weights, WEIGHTS)
        require_choice("average", average, AVERAGES)
        if weights == "gaussian" and self.stride == self.window:
            raise UserError(
                f"windows of {_show(self.window)} every {_show(self.stride)} pixels do not overlap, so that gaussian weights "
                "weigh nothing: give a smaller stride, or uniform weights"
            )
        if at_once < 1:
            raise UserError(f"at_once is {at_once}: give at least 1 window")
        self.weights, self.pad, self.at_once = weights, pad, at_once
        self.require_average(average)
        self.network = network(num_classes, in_channels)
        require_multiples(self.window, self.network)

    @property
    def combines(self) -> bool:
        """Whether the wrapped network has members."""
        return find_combination(self.network) is not None

    @property
    def settings(self) -> dict[str, object]:
        """What decides the predictions, in plain values."""
        return {
            "window": list(self.window),
            "stride": list(self.stride),
            "weights": self.weights,
            "average": self.average,
            "pad": self.pad,
        }

    def forward(self, image: Tensor) -> Tensor:
        """Images (B, C, H, W), uint8 or float in [0, 1], to logits (B, K, H, W)."""
        if self.training:
            return self.network(image)
        return self._slide(image, lambda crops: {SEGMENTATION: self.network(crops)})[SEGMENTATION]

    def compute_outputs(self, image: Tensor) -> Outputs:
        """See `Network`; for a further task the mean of the windows, of an image as a whole as of each of its pixels."""
        inner = as_network(self.network)
        return inner.compute_outputs(image) if self.training else self._slide(image, inner.compute_outputs)

    def compute_member_logits(self, image: Tensor) -> Iterator[Tensor]:
        """The logits (B, K, H, W) of each member of the wrapped network."""
        with watch_members(self, lambda logits: logits) as found:
            self(image)
        yield from found

    def load_pretrained(self, weights: str) -> None:
        """As the network itself does."""
        self.network.load_pretrained(weights)  # type: ignore[operator]

    def _slide(self, image: Tensor, predict: Callable[[Tensor], Outputs]) -> Outputs:
        """The outputs of `predict` for crops, averaged; those of members are shown to who watches this network."""
        if self._watched is None:
            return self._average_windows(image, predict)

        def predict_members(crops: Tensor) -> Outputs:
            with watch_members(self.network, lambda logits: logits) as members:
                outputs = predict(crops)
            return outputs | {f"{SEGMENTATION} {place}": logits for place, logits in enumerate(members)}

        found = self._average_windows(image, predict_members)
        members = [name for name in found if name.startswith(f"{SEGMENTATION} ")]
        self._watched[:] = [self._read(found.pop(name)) for name in members]
        return found

    def _average_windows(self, image: Tensor, predict: Callable[[Tensor], Outputs]) -> Outputs:
        height, width = image.shape[-2:]
        if self.pad:
            image = _pad_to(image, self.window)
        self._require_fixed_size(image)
        parts = [image] if is_recorded() else image.split(self.at_once)  # a graph is for any number of images
        found = [self._average_windows_at_once(part, predict) for part in parts]
        return {
            name: torch.cat([one[name] for one in found])[..., :height, :width]
            if first.ndim == 4
            else torch.cat([one[name] for one in found])
            for name, first in found[0].items()
        }

    def _require_fixed_size(self, image: Tensor) -> None:
        """Refuse windows that a network of one size would resize, each to another scale than the image has.

        Raises:
            UserError: the window, shrunk to the image, has another size.
        """
        seen = tuple(map(min, self.window, image.shape[-2:]))
        for one in self.network.modules():
            fixed = one.find_fixed_size(image) if isinstance(one, SegmentationNetwork) else None
            if fixed not in (None, seen):
                raise UserError(
                    f"the network sees images of {_show(fixed)} alone, to which windows of {seen[0]} x {seen[1]} would be "
                    f"resized: give windows of {_show(fixed)}, with pad where images are smaller"
                )

    def _average_windows_at_once(self, image: Tensor, predict: Callable[[Tensor], Outputs]) -> Outputs:
        """Outputs for images (B, C, H, W) of which one window each may be predicted at once."""
        window = tuple(map(min, self.window, image.shape[-2:]))
        corners = list_corners((image.shape[-2], image.shape[-1]), (window[0], window[1]), self.stride)
        if len(corners) == 1:
            return predict(image)
        weight = self._make_weight((window[0], window[1]), image.device)
        sums: Outputs = {}
        counted = torch.zeros(image.shape[-2:], device=image.device)
        together = self.at_once if is_recorded() else max(1, self.at_once // len(image))
        for start in range(0, len(corners), together):
            some = corners[start : start + together]
            places = [(slice(top, top + window[0]), slice(left, left + window[1])) for top, left in some]
            outputs = predict(torch.cat([image[..., rows, columns] for rows, columns in places]))
            for name, output in outputs.items():
                for one, (rows, columns) in zip(self._read_outputs(name, output, len(some)), places, strict=True):
                    if one.ndim != 4:
                        sums[name] = sums[name] + one if name in sums else one
                        continue
                    if name not in sums:
                        sums[name] = one.new_zeros(*one.shape[:2], *image.shape[-2:])
                    sums[name][..., rows, columns] += one * weight
            for rows, columns in places:
                counted[rows, columns] += weight
        return {
            name: self._finish(name, total / (counted if total.ndim == 4 else len(corners)))
            for name, total in sums.items()
        }

    def _read_outputs(self, name: str, output: Tensor, windows: int) -> Tensor:
        """The outputs (windows, B, ...) of windows that were stacked, in the form in which they are averaged."""
        output = output.float()
        if name.startswith(SEGMENTATION) and self.average == "probabilities":
            output = output.softmax(1)
        return output.reshape(windows, -1, *output.shape[1:])

    def _finish(self, name: str, mean: Tensor) -> Tensor:
        mixed = name.startswith(SEGMENTATION) and self.average == "probabilities"
        return mean.clamp(min=TINY).log() if mixed else mean

    def _make_weight(self, window: tuple[int, int], device: torch.device) -> Tensor:
        if self.weights == "uniform":
            return torch.ones(window, device=device)
        return make_gaussian(window).to(device)


def list_corners(size: tuple[int, int], window: tuple[int, int], stride: tuple[int, int]) -> list[tuple[int, int]]:
    """Top and left of each window in an image of `size`, row by row; all lie within it.

    Args:
        size: (height, width) of the image.
        window: (height, width), at most that of the image.
        stride: from one to the next.
    """
    sides = []
    for side, part, step in zip(size, window, stride, strict=True):
        number = -(-max(side - part, 0) // step) + 1
        sides.append([min(place * step, side - part) for place in range(number)])
    rows, columns = sides
    return [(row, column) for row in rows for column in columns]


def make_gaussian(window: tuple[int, int]) -> Tensor:
    """Weights (h, w) that fall off from 1 in the middle as a Gaussian does, and are nowhere 0."""
    rows, columns = (
        torch.exp(-0.5 * ((torch.arange(side) - (side - 1) / 2) / (SPREAD * side)) ** 2) for side in window
    )
    weight = rows[:, None] * columns
    weight = weight / weight.max()
    return weight.clamp(min=float(weight[weight > 0].min()))


def require_pixels(name: str, sides: Sequence[int]) -> tuple[int, int]:
    """A height and a width of at least one pixel.

    Raises:
        UserError: they are others.
    """
    if len(sides) != 2 or min(sides) < 1:
        raise UserError(f"{name} is {list(sides)}: give a height and a width of at least 1 pixel")
    return int(sides[0]), int(sides[1])


def require_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Refuse a setting that is none of `choices`.

    Raises:
        UserError: it is another.
    """
    if value not in choices:
        raise UserError(f"{name} is {value!r}: give one of {', '.join(choices)}")


def find_stride(window: tuple[int, int], stride: Sequence[int] | None, overlap: float | None) -> tuple[int, int]:
    """The (height, width) from one window to the next.

    Args:
        window: (height, width).
        stride: itself, if it is given.
        overlap: fraction of the window that it shares with the next.

    Raises:
        UserError: both are given, or windows would leave gaps or not advance.
    """
    if stride is not None and overlap is not None:
        raise UserError(
            f"stride {list(stride)} and overlap {overlap:g} both say how windows follow each other: give one"
        )
    if stride is None:
        fraction = 0.5 if overlap is None else overlap
        if not 0 <= fraction < 1:
            raise UserError(f"overlap is {fraction:g}: give a fraction of the window from 0 to below 1")
        rows, columns = (max(1, math.floor(side * (1 - fraction) + 0.5)) for side in window)
        return rows, columns
    found = require_pixels("stride", stride)
    if found[0] > window[0] or found[1] > window[1]:
        raise UserError(
            f"windows of {_show(window)} every {_show(found)} pixels leave gaps between them: give a stride of at most the "
            "window"
        )
    return found


def require_multiples(window: tuple[int, int], network: nn.Module) -> None:
    """Refuse windows that a network would pad to a multiple of its stride, each with a border that the image does not have.

    Raises:
        UserError: a side of the window is no multiple.
    """
    strides = [one.stride for one in network.modules() if isinstance(one, SegmentationNetwork)]
    wrong = next((stride for stride in strides if window[0] % stride or window[1] % stride), None)
    if wrong is not None:
        nearest = " x ".join(str(max(wrong, side // wrong * wrong)) for side in window)
        raise UserError(
            f"windows of {_show(window)} would be padded to multiples of {wrong}, the stride of the network: give such "
            f"multiples, as {nearest}"
        )


def _show(sides: tuple[int, int]) -> str:
    return f"{sides[0]} x {sides[1]}"


def _pad_to(image: Tensor, window: tuple[int, int]) -> Tensor:
    """Images (B, C, H, W) of any type, padded at the bottom and the right to at least a window."""
    for axis, side in ((-2, window[0]), (-1, window[1])):
        own = image.shape[axis]
        if own < side:
            image = image.index_select(axis, torch.arange(side, device=image.device).clamp(max=own - 1))
    return image
