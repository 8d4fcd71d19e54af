"""Any encoder-decoder of segmentation-models-pytorch."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from types import NoneType
from typing import Any

import segmentation_models_pytorch as smp
import torch
from segmentation_models_pytorch.base import SegmentationHead
from segmentation_models_pytorch.encoders.timm_vit import TimmViTEncoder
from timm.layers import DropPath
from torch import Tensor, nn

from lightning_modules.networks.base import SegmentationNetwork, require_dropout, resize_to
from lightning_modules.networks.encoders import (
    TIMM_ERRORS,
    check_encoder,
    keeps_its_classifier,
    load_pretrained_encoder,
    make_for_any_size,
    remove_unused_parts,
)
from lightning_modules.networks.mended import explain_failure, find_sides, mend, require_side
from lightning_modules.networks.refined_encoder import RefinedEncoder, find_encoder_holder
from lightning_modules.networks.strided import subsample_first
from user_error import UserError

ARCHITECTURES = tuple(sorted(model.__name__ for model in smp.MODEL_ARCHITECTURES_MAPPING.values()))

NOT_OF_DECODERS = {
    "encoder_name",
    "encoder_depth",
    "encoder_weights",
    "in_channels",
    "classes",
    "activation",
    "aux_params",
}
"""Arguments of smp's classes that are separate settings here, or would change the output from logits."""

HALVED = {"PAN": 3}
"""How often a decoder halves the coarsest map, which must be large enough."""


class Part(ABC):
    """One of the `parts` of an `SmpNetwork`: it has the settings of an extension, and builds it into a network.

    Parts are built in order, each into the result of the previous ones.
    """

    of_encoder: bool = False
    """Whether it changes the encoder itself: where modalities have an encoder each, it is built into all of them."""

    @abstractmethod
    def build_into(self, network: "SmpNetwork") -> None:
        """Change a network that was just made, before its weights are loaded.

        Raises:
            UserError: the part does not fit the architecture.
        """


class SmpNetwork(SegmentationNetwork):
    """A network of segmentation-models-pytorch (https://github.com/qubvel-org/segmentation_models.pytorch).

    Args:
        num_classes: K; the command line takes it from the data.
        in_channels: C; the command line takes it from the data.
        architecture: the decoder: Unet, UnetPlusPlus, FPN, DeepLabV3Plus, Segformer, ...
        encoder: any encoder of smp, or ``tu-NAME`` for one of timm.
        encoder_depth: number of encoder stages; the architecture's default if null.
        decoder: further arguments of the smp class, such as ``{decoder_attention_type: scse}``.
        dropout: probability with which a channel before the last convolution is dropped in training.
        drop_path: largest probability with which a residual branch of the encoder is skipped in training
            (stochastic depth, Huang et al., ECCV 2016), growing linearly with depth.
        parts: extensions that are built in, in order: attention, recurrence, DropBlock, ...
        image_size: side of the only images that the encoder is made for, where it needs one: smaller images are padded to
            it, larger ones refused. Any size if null.
        mean: see `SegmentationNetwork`.
        std: see `SegmentationNetwork`.

    Raises:
        UserError: unknown architecture, encoder or argument, an encoder without residual branches to drop, or a part
            that does not fit.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        architecture: str = "Unet",
        encoder: str = "resnet18",
        encoder_depth: int | None = None,
        decoder: dict[str, Any] | None = None,
        dropout: float = 0.0,
        drop_path: float = 0.0,
        parts: Sequence[Part] = (),
        image_size: int | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        _check_names(architecture, encoder)
        require_dropout("dropout", dropout)
        require_dropout("drop_path", drop_path)
        model, stride = _build(
            architecture, encoder, encoder_depth, in_channels, num_classes, decoder or {}, image_size
        )
        if image_size is None:
            least = stride * -(-model.encoder.output_stride * 2 ** HALVED.get(architecture, 0) // stride)
            stride, least = find_sides(model, in_channels, stride, least, f"{architecture} and {encoder!r}")
        else:
            least = require_side(model, in_channels, image_size, f"{architecture} and {encoder!r}")
        super().__init__(num_classes, in_channels, stride, mean, std)
        self.least_side = least
        self.only_side = image_size
        self.model: Any = model
        self.encoder_name = encoder
        if dropout:
            model.segmentation_head = nn.Sequential(nn.Dropout2d(dropout), model.segmentation_head)
        _set_drop_path(model.encoder, drop_path, encoder)
        for part in parts:
            part.build_into(self)

    @property
    def encoder(self) -> Any:
        """The encoder of smp, also where its feature maps are refined on their way to the decoder."""
        return find_encoder_holder(self.model).encoder

    def refine_features(self, refine: nn.Module) -> None:
        """Refine the feature maps before the decoder; see `RefinedEncoder`.

        Raises:
            UserError: the encoder returns tokens beside maps.
        """
        require_maps(self)
        self.model.encoder = RefinedEncoder(self.model.encoder, refine)

    def compute_logits(self, x: Tensor) -> Tensor:
        """Normalised images (B, C, H, W) to logits (B, K, H, W)."""
        return resize_to(x, self.model(x))

    def load_pretrained(self, weights: str) -> None:
        """Start the encoder from `weights`: "imagenet" or another name on the hub, or the path of a local file.

        Raises:
            UserError: they cannot be had, or belong to another encoder.
        """
        encoder = load_pretrained_encoder(self.encoder, self.encoder_name, weights, self.in_channels)
        own = self.encoder.state_dict()
        found = {key: value for key, value in encoder.state_dict().items() if key in own}
        self.encoder.load_state_dict(own | found)  # a subclass may have given its layers more than weights


def _check_names(architecture: str, encoder: str) -> None:
    if architecture not in ARCHITECTURES:
        raise UserError(f"unknown architecture {architecture!r}: smp has {', '.join(ARCHITECTURES)}")
    check_encoder(encoder)


@torch.inference_mode(False)
@torch.enable_grad()
def _build(
    architecture: str,
    encoder: str,
    depth: int | None,
    in_channels: int,
    classes: int,
    decoder: dict,
    image_size: int | None,
) -> tuple[Any, int]:
    """The model of smp, and the multiple to which its images are padded."""
    accepted = inspect.signature(smp.MODEL_ARCHITECTURES_MAPPING[architecture.lower()]).parameters
    unknown = sorted(set(decoder) - (set(accepted) - NOT_OF_DECODERS))
    if unknown:  # smp swallows them
        options = ", ".join(name for name in accepted if name.startswith("decoder"))
        raise UserError(f"{architecture} of smp has no argument {unknown[0]!r}: its decoder takes {options}")
    chosen = decoder if depth is None else {**decoder, "encoder_depth": depth}
    make = partial(smp.create_model, architecture, encoder, None, in_channels, classes, **chosen)
    try:
        model, multiple = make_for_any_size(make, lambda one: one.encoder, encoder, in_channels, image_size)
        mend(model)
        subsample_first(model)
        _remove_unused_attention(model.decoder)
        if _get_depth(model.encoder) < 5 or keeps_its_classifier(encoder):
            side = image_size or max(multiple, 4 * _get_stride(model.encoder))
            remove_unused_parts(model.encoder, model, torch.zeros(1, in_channels, side, side))
    except TIMM_ERRORS as error:
        raise explain_failure(architecture, encoder, decoder, error) from error
    return model, max(multiple, _get_stride(model.encoder))


def _get_depth(encoder: Any) -> int:
    return len(encoder.out_channels) if isinstance(encoder, TimmViTEncoder) else encoder._depth


def _get_stride(encoder: Any) -> int:
    return (
        encoder.output_stride if isinstance(encoder, TimmViTEncoder) else max(encoder.output_stride, 2**encoder._depth)
    )


def require_maps(network: SmpNetwork) -> None:
    """Refuse an encoder that returns tokens beside feature maps, where only maps are supported.

    Raises:
        UserError: it is the vision transformer of a DPT.
    """
    if isinstance(network.encoder, TimmViTEncoder):
        raise UserError(
            "DPT reads tokens beside feature maps, which parts, fusion and further heads do not know: choose another "
            "architecture, such as UPerNet on 'tu-swin_tiny_patch4_window7_224'"
        )


def _remove_unused_attention(decoder: nn.Module) -> None:
    """Remove the attention of a U-Net's last block, for whose missing skip connection smp creates parameters.

    DistributedDataParallel would wait for the gradients of these.
    """
    blocks = getattr(decoder, "blocks", None)
    if isinstance(blocks, nn.ModuleDict):  # U-Net++
        last = blocks[f"x_0_{decoder.depth}"]
    elif isinstance(blocks, nn.ModuleList):
        last = blocks[-1]
    else:
        return
    if hasattr(last, "attention1"):
        last.attention1 = nn.Identity()


def _set_drop_path(encoder: nn.Module, rate: float, name: str) -> None:
    """Set the rate of stochastic depth of each residual branch, in order of depth, since smp passes no rate to its encoders.

    Default rates of some encoders are overwritten; timm's ResNets have no such layers unless a rate is given.
    """
    places = [
        (block, attribute)
        for block in encoder.modules()
        for attribute in ("drop_path", "drop_path1", "drop_path2")
        if isinstance(getattr(block, attribute, ...), nn.Identity | DropPath | NoneType)
    ]
    if rate and not places:
        raise UserError(
            f"encoder {name!r} has no stochastic depth: set drop_path to 0, or take one such as 'mit_b0', or timm's form of a "
            "network, such as 'tu-resnet18'"
        )
    for step, (block, attribute) in enumerate(places):
        setattr(block, attribute, DropPath(rate * step / max(1, len(places) - 1)))


def get_only_head(model: nn.Module, architecture: str) -> SegmentationHead:
    """The segmentation head of a model of smp, whose first part is its convolution.

    Raises:
        UserError: the head is made of several.
    """
    heads = [module for module in model.segmentation_head.modules() if isinstance(module, SegmentationHead)]  # type: ignore[union-attr]
    if len(heads) != 1:
        raise UserError(f"the head of {architecture!r} is not one convolution: choose another architecture")
    return heads[0]
