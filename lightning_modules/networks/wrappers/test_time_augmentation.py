"""Test-time augmentation by flips and scales."""

import math
from collections.abc import Callable, Iterator, Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from lightning_modules.images import to_unit_range
from lightning_modules.networks.ensembles.combination import Combination
from lightning_modules.networks.network import SEGMENTATION, Wrapper, as_network
from user_error import UserError

FLIPS: dict[str, list[tuple[int, ...]]] = {
    "none": [()],
    "horizontal": [(), (-1,)],
    "vertical": [(), (-2,)],
    "both": [(), (-1,), (-2,), (-2, -1)],
}


class TestTimeAugmentation(Wrapper, Combination):
    """Any network, applied to several views of an image; the prediction is their mean in the coordinates of the image.

    As in Krizhevsky et al., NeurIPS 2012, for pixels: Chen et al., "DeepLab", TPAMI 2018. In training the network is used
    without augmentation. Further tasks are predicted from the original image.

    Args:
        num_classes: K; the command line takes it from the data.
        in_channels: C; the command line takes it from the data.
        network: makes the network from (num_classes, in_channels).
        flips: "none", "horizontal", "vertical" or "both", each with the image as it is.
        scales: of the image's sides, each with all flips; the image is resized before the network normalises it.
        average: what the mean is of, "probabilities" or "logits".

    Raises:
        UserError: no such flips or average, or scales that are not positive.
    """

    __test__ = False  # pytest would take it for a test by its name

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        network: Callable[[int, int], nn.Module],
        flips: str = "horizontal",
        scales: Sequence[float] = (1.0,),
        average: str = "probabilities",
    ) -> None:
        super().__init__()
        if flips not in FLIPS:
            raise UserError(f"flips is {flips!r}: give one of {', '.join(map(repr, FLIPS))}")
        if not scales or not all(0 < scale < math.inf for scale in scales):
            raise UserError(f"scales is {list(scales)}: give at least one number above 0")
        self.require_average(average)
        self.network = network(num_classes, in_channels)
        self.flips = flips
        self.scales = tuple(scales)

    def compute_member_logits(self, image: Tensor) -> Iterator[Tensor]:
        """The logits (B, K, H, W) of each view."""
        if self.training:
            yield from self.compute_training_outputs(image)[SEGMENTATION]
            return
        for scale in self.scales:
            seen = resize(image, scale)
            for axes in FLIPS[self.flips]:
                logits = self.network(seen.flip(axes)).flip(axes) if axes else self.network(seen)
                yield F.interpolate(logits, image.shape[-2:], mode="bilinear") if scale != 1 else logits

    def compute_outputs(self, image: Tensor) -> dict[str, Tensor]:
        """See `Network`."""
        further = as_network(self.network).compute_outputs(image) if self.tasks else {}
        return {**further, SEGMENTATION: self(image)}

    def load_pretrained(self, weights: str) -> None:
        """As the network itself does."""
        self.network.load_pretrained(weights)  # type: ignore[operator]


def resize(image: Tensor, scale: float) -> Tensor:
    """Images (B, C, H, W) with their sides times `scale`, as floats in [0, 1]; untouched at 1."""
    if scale == 1:
        return image
    height, width = (max(1, round(int(side) * scale)) for side in image.shape[-2:])  # in a trace they are tensors
    return F.interpolate(to_unit_range(image), (height, width), mode="bilinear", antialias=True)
