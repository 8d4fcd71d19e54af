"""A model of any library as a network of a sweep, and its weights as they were."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor, nn

from lightning_modules.networks.adapters.base import choose_output, resize_to
from lightning_modules.networks.base import IMAGENET_MEAN, IMAGENET_STD
from lightning_modules.networks.network import Network
from lightning_modules.segmentation import SegmentationModule
from user_error import UserError

Preprocess = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Normalise:
    """Images (B, C, H, W), 8-bit or float in [0, 1], to zero mean and unit variance; ImageNet's numbers by default.

    Args:
        mean: of each channel of images in [0, 1]; 0 for all, with a `std` of 1, leaves them in [0, 1].
        std: of each channel.
    """

    mean: Sequence[float] = IMAGENET_MEAN
    std: Sequence[float] = IMAGENET_STD

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std) or not all(value > 0 for value in self.std):
            raise UserError(
                f"images cannot be normalised by the means {list(self.mean)} and the deviations {list(self.std)}: give a mean "
                "and a positive deviation for each channel"
            )

    def __call__(self, image: Tensor) -> Tensor:
        """The normalised images, float32."""
        if image.shape[1] != len(self.mean):
            raise UserError(
                f"images of {image.shape[1]} channels met {len(self.mean)} means: give Normalise one for each"
            )
        x = image.float()
        if not image.is_floating_point():
            x = x / 255
        mean, std = (torch.tensor(values, device=x.device).view(1, -1, 1, 1) for values in (self.mean, self.std))
        return (x - mean) / std


class PreparedNetwork(Network):
    """A model behind the contract of networks: images as they are go in, logits at their size come out.

    Args:
        model: prepared images to logits, or to what holds them.
        preprocess: images (B, C, H, W), uint8, or float in [0, 1] under attacks, to what the model takes.
        output: key or index of the logits in what the model gives; the tensor itself, or the first entry, if `None`.
    """

    def __init__(self, model: nn.Module, preprocess: Preprocess, output: str | int | None) -> None:
        super().__init__()
        self.model = model
        self.preprocess = preprocess
        self.output = output

    def forward(self, image: Tensor) -> Tensor:
        """Images (B, C, H, W) to logits (B, K, H, W).

        Raises:
            UserError: the model gives no logits.
        """
        logits = choose_output(self.model(self.preprocess(image)), self.output)
        if logits.ndim != 4 or len(logits) != len(image):
            raise UserError(
                f"the model gives {tuple(logits.shape)} for images of {tuple(image.shape)}, where logits (B, K, h, w) were "
                "sought: name them by output="
            )
        return resize_to(image, logits)


def prepare_model(
    model: nn.Module, preprocess: Preprocess | None, output: str | int | None, images: Tensor, num_classes: int | None
) -> SegmentationModule:
    """The module that a sweep takes: a model of this project as it is, another one with its preprocessing.

    Args:
        model: in evaluation mode, on the device of `images`.
        preprocess: see `PreparedNetwork`; a model of this project does its own.
        output: see `PreparedNetwork`.
        images: uint8 (B, C, H, W), of which the first tells how many classes the model has.
        num_classes: how many the user names; `None` where that is not said.

    Raises:
        UserError: a model of this project is given a preprocessing, or another has none; or it has other classes.
    """
    own = isinstance(model, SegmentationModule | Network)
    if own and (preprocess is not None or output is not None):
        raise UserError(f"{type(model).__name__} prepares its images itself: leave out preprocess and output")
    if not own and preprocess is None:
        raise UserError(
            f"nothing says how images are prepared for {type(model).__name__}: pass preprocess=Normalise() for the means of "
            "ImageNet, or a function of 8-bit images (B, C, H, W)"
        )
    network = model if preprocess is None else PreparedNetwork(model, preprocess, output)
    with torch.no_grad():
        found = network(images[:1]).shape[1]
    if num_classes is not None and found != num_classes:
        raise UserError(
            f"{type(model).__name__} tells {found} classes apart, and {num_classes} are named: name its own"
        )
    module = model if isinstance(model, SegmentationModule) else wrap(network, found, images.shape[1])
    if own:
        module.setup("test")  # the memory format of sweeps
    return module.eval()


def wrap(network: nn.Module, num_classes: int, in_channels: int) -> SegmentationModule:
    """A module around a network."""
    module = SegmentationModule(lambda *_: network, num_classes, in_channels)
    return module.to(next(chain(network.parameters(), network.buffers()), torch.empty(0)).device)


@contextmanager
def hold_still(model: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients of the weights; afterwards the model is as it was."""
    modes = [(part, part.training) for part in model.modules()]
    learning = [(weight, weight.requires_grad) for weight in model.parameters()]
    try:
        model.eval().requires_grad_(False)
        yield
    finally:
        for part, training in modes:
            part.training = training
        for weight, needed in learning:
            weight.requires_grad_(needed)


def hash_weights(model: nn.Module) -> str:
    """SHA-256 of a model's parameters and buffers, by name, type and shape."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        if isinstance(tensor, Tensor):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
