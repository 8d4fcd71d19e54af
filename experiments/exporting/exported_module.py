"""The module that is exported, and the images that it is recorded with and compared on."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from lightning_modules.networks.adapters.kept_file import KeptFile
from lightning_modules.networks.base import SegmentationNetwork
from lightning_modules.networks.classical_features import ClassicalFeatureNetwork
from lightning_modules.networks.wrappers.sliding_window import SlidingWindow
from lightning_modules.networks.wrappers.test_time_augmentation import TestTimeAugmentation
from lightning_modules.segmentation import SegmentationModule
from user_error import UserError, shorten

INSTEAD = "sweep and deploy its checkpoint"

Size = tuple[int, int]


class Logits(nn.Module):
    """The exported module: float images (B, C, H, W) in [0, 1] to logits (B, K, H, W)."""

    def __init__(self, module: SegmentationModule) -> None:
        super().__init__()
        self.network = module.network
        self._module = (module,)  # no child: a trace reads all attributes of its modules, and one asks for a trainer
        self.requires_grad_(False)
        self.eval()

    def forward(self, image: Tensor) -> Tensor:
        """The logits that validation and sweep score."""
        return self._module[0].predict_logits(image)


class Shape(NamedTuple):
    """Number and size of images."""

    batch: int
    height: int
    width: int

    def __str__(self) -> str:
        return f"{self.batch} of {self.height} x {self.width}"


def draw_images(number: int, channels: int, size: Size, seed: int) -> Tensor:
    """Float images (number, channels, H, W) in [0, 1]."""
    return torch.rand(number, channels, *size, generator=torch.Generator().manual_seed(seed))


def require_recordable(network: nn.Module, size: Size | None) -> None:
    """Refuse a network whose graph cannot be written at all, or not for images of any size where none is given.

    Args:
        network: the network.
        size: (H, W) of all images; `None` for any.

    Raises:
        UserError: it is such a network.
    """
    for one in network.modules():
        if isinstance(one, KeptFile):
            raise UserError(f"the network is itself the file of another runtime ({one.file_kind}): deploy that file")
        if isinstance(one, ClassicalFeatureNetwork):
            raise UserError(
                f"{type(one).__name__} computes features outside of PyTorch, which no graph holds: {INSTEAD}"
            )
        if size is not None:
            continue
        if isinstance(one, SlidingWindow):
            height, width = one.window
            raise UserError(
                f"the network slides windows of {height} x {width}, and how many there are depends on the size of the image, "
                "which a graph cannot follow: pass --size HEIGHT WIDTH of the images"
            )
        if isinstance(one, TestTimeAugmentation) and set(one.scales) != {1.0}:
            raise UserError(
                "the network is shown each image at several scales, whose rounding a graph cannot follow: pass --size HEIGHT "
                "WIDTH of the images"
            )
        if isinstance(one, SegmentationNetwork) and one.only_side is not None:
            raise UserError(
                f"{type(one).__name__} was made for images of one size: pass --size {one.only_side} {one.only_side}"
            )


def choose_shapes(network: nn.Module, size: Size | None, own: Size | None) -> list[Shape]:
    """Shapes of images: the first is that with which the graph is recorded, on all of them it is compared.

    For any size they are of multiples of the network's stride, of none, smaller than one, and the size of the data.

    Args:
        network: the network.
        size: (H, W) of all images; `None` for any.
        own: size of the data that the network was trained on; `None` where it is not known.
    """
    if size is not None:
        return [Shape(2, *size), Shape(1, *size), Shape(3, *size)]
    bases = [one for one in network.modules() if isinstance(one, SegmentationNetwork)]
    unit = max([32, *(max(one.stride, one.least_side) for one in bases)])
    sides = ((2, 90, 125), (1, 64, 96), (3, 70, 101), (1, 128, 65), (1, 13, 30))
    shapes = [Shape(batch, height * unit // 32, width * unit // 32) for batch, height, width in sides]
    return shapes if own is None else [*shapes, Shape(1, *own)]


@torch.inference_mode()
def compute_logits(network: nn.Module, images: Tensor) -> Tensor:
    """The logits (B, K, H, W) of the network itself.

    Raises:
        UserError: it does not take such images.
    """
    try:
        return network(images)
    except UserError:
        raise
    except Exception as error:  # a network of another library may raise anything
        height, width = images.shape[2:]
        raise UserError(
            f"the network does not take images of {height} x {width} ({shorten(error)}): pass --size HEIGHT WIDTH of images "
            "that it takes"
        ) from error
