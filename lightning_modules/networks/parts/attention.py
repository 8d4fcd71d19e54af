"""Attention between any encoder and any decoder."""

from collections.abc import Callable
from typing import Literal, get_args

from torch import nn

from lightning_modules.networks.parts.attention_modules import CBAM, ECA, CrissCross, NonLocal, SqueezeExcitation
from lightning_modules.networks.parts.decoder_inputs import find_decoder_inputs
from lightning_modules.networks.refined_encoder import StageModules
from lightning_modules.networks.smp import Part, SmpNetwork
from user_error import UserError

Kind = Literal["se", "eca", "cbam", "non_local", "criss_cross"]
EVERY_STAGE: dict[str, Callable[[int], nn.Module]] = {"se": SqueezeExcitation, "eca": ECA, "cbam": CBAM}
BOTTLENECK: dict[str, Callable[[int], nn.Module]] = {"non_local": NonLocal, "criss_cross": CrissCross}


class Attention(Part):
    """The feature maps of an encoder are weighed by attention before the decoder takes them.

    - ``se``: squeeze-excitation (Hu et al., CVPR 2018), ``eca``: efficient channel attention (Wang et al., CVPR 2020),
      ``cbam``: channels and places (Woo et al., ECCV 2018); one module on every map that the decoder looks at.
    - ``non_local``: all pixels (Wang et al., CVPR 2018), ``criss_cross``: rows and columns (Huang et al., ICCV 2019);
      on the coarsest of these maps alone, and without effect until trained.

    Args:
        kind: which.

    Raises:
        UserError: unknown attention.
    """

    def __init__(self, kind: Kind = "cbam") -> None:
        if kind not in get_args(Kind):
            raise UserError(f"unknown attention {kind!r}: choose one of {', '.join(get_args(Kind))}")
        self.kind = kind

    def build_into(self, network: SmpNetwork) -> None:
        """Refine the maps that the decoder looks at."""
        channels = find_decoder_inputs(network)
        places = channels if self.kind in EVERY_STAGE else [max(channels)]
        make = (EVERY_STAGE | BOTTLENECK)[self.kind]
        network.refine_features(StageModules({index: make(channels[index]) for index in places}))
