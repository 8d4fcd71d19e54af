"""Layer-wise learning-rate decay: the nearer a layer lies to the image, the less it moves from its pretrained weights."""

from typing import Any

import timm
import torch
from segmentation_models_pytorch.encoders.timm_universal import TimmUniversalEncoder
from segmentation_models_pytorch.encoders.timm_vit import TimmViTEncoder
from timm.models import group_parameters
from torch import nn

from lightning_modules.networks.foundation.tokens import TokenEncoder
from user_error import UserError

OF_TIMM = (TokenEncoder, TimmViTEncoder, TimmUniversalEncoder)


def compute_layer_scales(network: nn.Module, decay: float) -> dict[int, float]:
    """Factors of the learning rate by the id of each parameter of the encoders; all others have 1.

    The last layer of an encoder has `decay`, the one before it its square, and so on to the embedding of the patches (Bao et
    al., "BEiT: BERT Pre-Training of Image Transformers", ICLR 2022; Clark et al., "ELECTRA", ICLR 2020). Layers are those of
    timm: blocks of a transformer, or blocks and downsamplings of a convolutional network.

    Args:
        network: holds one or several encoders of timm.
        decay: factor between neighbouring layers.

    Raises:
        UserError: the factor is not in (0, 1], or the network has no encoder of timm.
    """
    if not 0 < decay <= 1:
        raise UserError(f"layer_decay is {decay}: give a factor above 0 and at most 1, such as 0.75, or null")
    encoders: list[Any] = [one for one in network.modules() if isinstance(one, OF_TIMM)]
    if not encoders:
        raise UserError(
            f"layer_decay needs an encoder of timm, whose layers have an order, and {type(network).__name__} has none: take "
            "FoundationNetwork, or an encoder 'tu-NAME'; or set layer_decay to null"
        )
    scales = {}
    for encoder in encoders:
        layers = find_layers(encoder)
        last = max(layers.values())
        for name, parameter in encoder.model.named_parameters():
            if name in layers:
                scales[id(parameter)] = decay ** (last + 1 - layers[name])
    return scales


def find_layers(encoder: Any) -> dict[str, int]:
    """The layers of an encoder's parameters by their names in its ``model``; 0 is the embedding of the image.

    Raises:
        UserError: timm does not say how the layers are ordered.
    """
    source = encoder.model
    if not hasattr(source, "group_matcher"):  # the model was taken apart, and its parts renamed
        with torch.device("meta"):
            source = timm.create_model(encoder.name)
    if not hasattr(source, "group_matcher"):
        raise UserError(f"timm does not say how the layers of {encoder.name!r} are ordered: set layer_decay to null")
    known = group_parameters(source, source.group_matcher(coarse=False), reverse=True)
    flat = {name.replace(".", "_"): layer for name, layer in known.items()}
    own = {name: name.removeprefix("model.").replace(".", "_") for name, _ in encoder.model.named_parameters()}
    return {name: flat[key] for name, key in own.items() if key in flat}
