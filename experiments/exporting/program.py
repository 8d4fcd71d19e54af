"""An exported network: the content of its file, and a function that runs it as its runtime does."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from torch import Tensor, nn

from experiments.exporting.exported_module import Shape, compute_logits, draw_images
from user_error import UserError

TOLERANCE = 1e-3
"""Largest difference of a logit between the file and the network, due to another order of float32 sums."""

USUAL = 100.0
"""Magnitude of logits up to which the tolerance is absolute; above, it is relative, as float32 rounding is."""

Run = Callable[[Tensor], Tensor]


class Parity(NamedTuple):
    """The largest difference of a logit between a program and its network, and the images on which they were compared."""

    difference: float
    shapes: Sequence[Shape]

    def __str__(self) -> str:
        return f"logits differ by at most {self.difference:.1g} on {', '.join(map(str, self.shapes))}"


def find_difference(found: Tensor, logits: Tensor) -> float:
    """The largest difference of a logit; where logits are larger than `USUAL`, relative to them; infinite for other shapes."""
    if found.shape != logits.shape:
        return float("inf")
    return float((found - logits).abs().max() / max(1.0, float(logits.abs().max()) / USUAL))


def compare(run: Run, network: nn.Module, channels: int, shapes: Sequence[Shape]) -> Parity:
    """Compare a program with its network, on other images than those that it was recorded with.

    Args:
        run: runs the program.
        network: that was exported.
        channels: C.
        shapes: of the images.

    Raises:
        UserError: one of their logits differs by more than the tolerance, or the program does not take the images.
    """
    largest = 0.0
    for seed, shape in enumerate(shapes, start=1):
        images = draw_images(shape.batch, channels, (shape.height, shape.width), seed)
        difference = find_difference(run(images), compute_logits(network, images))
        if not difference <= TOLERANCE:
            raise UserError(
                f"the file would say something else than the network (logits of {shape} differ by {difference:.2g})"
            )
        largest = max(largest, difference)
    return Parity(largest, shapes)
