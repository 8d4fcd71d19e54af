"""Any encoder-decoder of segmentation-models-pytorch."""

import difflib
import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import segmentation_models_pytorch as smp
import timm
from timm.layers import DropPath
from torch import Tensor, nn

from lightning_modules.networks.base import SegmentationNetwork
from lightning_modules.networks.pretrained import hub_encoder, load_local
from lightning_modules.networks.refined_encoder import RefinedEncoder
from user_error import UserError

ARCHITECTURES = tuple(sorted(model.__name__ for model in smp.MODEL_ARCHITECTURES_MAPPING.values()))


class SmpNetwork(SegmentationNetwork):
    """A network of segmentation-models-pytorch (https://github.com/qubvel-org/segmentation_models.pytorch).

    Args:
        num_classes: K; the command line takes it from the data.
        in_channels: C; the command line takes it from the data.
        architecture: the decoder: Unet, UnetPlusPlus, FPN, DeepLabV3Plus, Segformer, ...
        encoder: any encoder of smp, or ``tu-NAME`` for one of timm.
        encoder_depth: number of encoder stages; the architecture's own choice if null.
        decoder: further arguments of the smp class, such as ``{decoder_attention_type: scse}``.
        dropout: probability with which a channel before the last convolution is dropped in training.
        drop_path: largest probability with which a residual branch of the encoder is skipped in training
            (stochastic depth, Huang et al., ECCV 2016), growing linearly with depth.
        mean: see `SegmentationNetwork`.
        std: see `SegmentationNetwork`.

    Raises:
        UserError: unknown architecture, encoder or argument, or an encoder without residual branches to drop.
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
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        _check_names(architecture, encoder)
        model: Any = _build(architecture, encoder, encoder_depth, in_channels, num_classes, decoder or {})
        stride = max(model.encoder.output_stride, 2**model.encoder._depth)
        super().__init__(num_classes, in_channels, stride, mean, std)
        self.model: Any = model
        self.encoder_name = encoder
        if dropout:
            model.segmentation_head = nn.Sequential(nn.Dropout2d(dropout), model.segmentation_head)
        if drop_path:
            _set_drop_path(model.encoder, drop_path, encoder)

    @property
    def encoder(self) -> Any:
        """The encoder of smp, also where its feature maps are refined on their way to the decoder."""
        found = self.model.encoder
        return found.encoder if isinstance(found, RefinedEncoder) else found

    def refine_features(self, refine: nn.Module) -> None:
        """Change the encoder's feature maps before the decoder takes them; see `RefinedEncoder`."""
        self.model.encoder = RefinedEncoder(self.encoder, refine)

    def logits(self, x: Tensor) -> Tensor:
        """Normalised images (B, C, H, W) to logits (B, K, H, W)."""
        return self.model(x)

    def load_pretrained(self, weights: str) -> None:
        """Start the encoder from `weights`: "imagenet" or another name on the hub, or the path of a local file.

        Raises:
            UserError: they cannot be had, or belong to another encoder.
        """
        name, depth = self.encoder_name, self.encoder._depth
        if _is_path(weights):
            encoder = smp.encoders.get_encoder(name, in_channels=3, depth=depth, weights=None)
            load_local(encoder, Path(weights), name)
            if hasattr(encoder, "set_in_channels"):
                encoder.set_in_channels(self.in_channels, pretrained=True)
            else:  # an encoder of timm knows its channels from birth
                encoder = _with_channels(encoder, name, depth, self.in_channels)
        else:
            encoder = hub_encoder(name, weights, depth, self.in_channels)
        self.encoder.load_state_dict(encoder.state_dict())


def _with_channels(encoder: nn.Module, name: str, depth: int, in_channels: int) -> nn.Module:
    """An encoder of timm for `in_channels`, with the weights of one for three: those of its first convolution spread."""
    adapted = smp.encoders.get_encoder(name, in_channels=in_channels, depth=depth, weights=None)
    shapes = {key: value.shape for key, value in adapted.state_dict().items()}
    state = {
        key: value if value.shape == shapes[key] else timm.models.adapt_input_conv(in_channels, value)
        for key, value in encoder.state_dict().items()
    }
    adapted.load_state_dict(state)
    return adapted


def _is_path(weights: str) -> bool:
    return "/" in weights or Path(weights).suffix in {".safetensors", ".pt", ".pth", ".bin", ".ckpt"}


def _check_names(architecture: str, encoder: str) -> None:
    if architecture not in ARCHITECTURES:
        raise UserError(f"unknown architecture {architecture!r}: smp has {', '.join(ARCHITECTURES)}")
    timm_name = encoder.removeprefix("tu-")
    known = timm.list_models() if timm_name != encoder else list(smp.encoders.encoders)
    if timm_name.split(".")[0] not in known:
        close = difflib.get_close_matches(timm_name, known, n=3)
        hint = f"did you mean {' or '.join(map(repr, close))}?" if close else "see the encoder list of smp"
        raise UserError(f"unknown encoder {encoder!r}: {hint} (an encoder of timm is written 'tu-NAME')")


def _build(
    architecture: str, encoder: str, depth: int | None, in_channels: int, classes: int, decoder: dict
) -> nn.Module:
    accepted = inspect.signature(smp.MODEL_ARCHITECTURES_MAPPING[architecture.lower()]).parameters
    unknown = sorted(set(decoder) - set(accepted))
    if unknown:  # smp swallows them
        options = ", ".join(name for name in accepted if name.startswith("decoder"))
        raise UserError(f"{architecture} of smp has no argument {unknown[0]!r}: its decoder takes {options}")
    chosen = decoder if depth is None else {**decoder, "encoder_depth": depth}
    try:
        model = smp.create_model(architecture, encoder, None, in_channels, classes, **chosen)
    except (TypeError, ValueError, KeyError) as error:
        raise UserError(f"smp cannot build {architecture} on {encoder!r} with {decoder}: {error}") from error
    if getattr(model.encoder, "is_fixed_input_size", False) or not hasattr(model.encoder, "_depth"):
        raise UserError(
            f"{architecture} on {encoder!r} takes images of one size only: choose another architecture or encoder"
        )
    _remove_unused_attention(model.decoder)
    return model


def _remove_unused_attention(decoder: nn.Module) -> None:
    """Smp gives the last block of a U-Net an attention for a skip connection that does not exist.

    DistributedDataParallel would wait for the gradients of its parameters.
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
    """Smp passes no rate to its own encoders, so the branches are set where they stand, in order of depth."""
    places = [
        (block, attribute)
        for block in encoder.modules()
        for attribute in ("drop_path", "drop_path1", "drop_path2")
        if isinstance(getattr(block, attribute, None), nn.Identity | DropPath)
    ]
    if not places:
        raise UserError(f"encoder {name!r} has no stochastic depth: set drop_path to 0 or take e.g. 'mit_b0'")
    for step, (block, attribute) in enumerate(places):
        setattr(block, attribute, DropPath(rate * step / max(1, len(places) - 1)))
