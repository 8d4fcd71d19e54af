"""The segmentation networks of torchvision."""

from collections.abc import Sequence
from pathlib import Path

import timm
import torch
from torch import Tensor, nn
from torchvision.models import get_model, get_model_weights, list_models, segmentation

from lightning_modules.networks.adapters.base import Adapter, find_first_convolution, replace_first_convolution
from lightning_modules.networks.pretrained import read_weights, require_reachable
from user_error import UserError

PREFIXES = ("backbone.", "features.")
"""What stands before the backbone's own names: in a segmentation network, in torchvision's MobileNet."""

HEADS = ("fc.", "classifier.", "aux_classifier.")
"""What is no part of the backbone: the head of ResNet, of all others, and the auxiliary one."""


class TorchvisionNetwork(Adapter):
    """A network of torchvision.models.segmentation (https://pytorch.org/vision/stable/models.html).

    FCN (Long, Shelhamer & Darrell, CVPR 2015) and DeepLabV3 (Chen et al., "Rethinking Atrous Convolution for Semantic
    Image Segmentation", 2017) on a dilated ResNet or MobileNetV3, and LR-ASPP (Howard et al., "Searching for
    MobileNetV3", ICCV 2019); without the auxiliary head. It takes images of any size, so nothing is padded.

    Args:
        num_classes: K; the command line takes it from the data.
        in_channels: C; the command line takes it from the data. For other than three the first convolution is replaced.
        model: deeplabv3_mobilenet_v3_large, lraspp_mobilenet_v3_large, fcn_resnet50, ...
        mean: see `SegmentationNetwork`.
        std: see `SegmentationNetwork`.

    Raises:
        UserError: unknown model.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        model: str = "deeplabv3_mobilenet_v3_large",
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        known = list_models(module=segmentation)
        if model not in known:
            raise UserError(f"unknown model {model!r}: torchvision has {', '.join(known)}")
        built = get_model(model, weights=None, weights_backbone=None, num_classes=num_classes)
        replace_first_convolution(built, in_channels)
        super().__init__(num_classes, in_channels, built, "out", 1, mean, std)
        self.model_name = model

    def load_pretrained(self, weights: str) -> None:
        """Start the backbone from `weights`.

        Those of three channels are spread over any other number, as timm does it.

        Args:
            weights: "imagenet", torchvision's own (its IMAGENET1K_V1), or the path of a local file, of a classifier or of
                a segmentation network of torchvision.

        Raises:
            UserError: they cannot be had, or belong to another backbone.
        """
        state = _download(self.model_name) if weights == "imagenet" else read_weights(Path(weights))
        load_backbone(self.model.backbone, state, self.in_channels, weights)


def load_backbone(backbone: nn.Module, state: dict[str, Tensor], in_channels: int, weights: str) -> None:
    """Load `backbone` from the state of a classifier or of a whole segmentation network.

    Raises:
        UserError: it is no state dict, or belongs to another backbone.
    """
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise UserError(f"encoder weights: {weights!r} is not a plain state dict: save `network.state_dict()` alone")
    is_segmentation = any(name.startswith("backbone.") for name in state)
    own = {
        _strip_prefixes(name): value
        for name, value in state.items()
        if (name.startswith("backbone.") if is_segmentation else not name.startswith(HEADS))
    }
    first = f"{find_first_convolution(backbone)[0]}.weight"
    if first in own and own[first].shape[1] != in_channels:
        own[first] = timm.models.adapt_input_conv(in_channels, own[first])
    try:
        backbone.load_state_dict(own)
    except RuntimeError as error:
        raise UserError(
            f"encoder weights: {weights!r} does not fit the network's backbone; pass those of torchvision's classifier "
            "of the same name, or null"
        ) from error


def _strip_prefixes(name: str) -> str:
    for prefix in PREFIXES:
        name = name.removeprefix(prefix)
    return name


def _download(model: str) -> dict[str, Tensor]:
    """ImageNet's weights of a model's backbone, from the cache or from torchvision's server."""
    chosen = get_model_weights(model.split("_", 1)[1])["IMAGENET1K_V1"]
    if not (Path(torch.hub.get_dir()) / "checkpoints" / Path(chosen.url).name).is_file():
        require_reachable(f"encoder weights of {model!r}", chosen.url)
    return chosen.get_state_dict(progress=False, weights_only=True)
