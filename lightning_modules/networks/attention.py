"""Attention between any encoder and any decoder."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

from torch import Tensor, nn

from lightning_modules.networks.attention_modules import CBAM, ECA, CrissCross, NonLocal, SqueezeExcitation
from lightning_modules.networks.decoder_inputs import decoder_inputs
from lightning_modules.networks.smp import SmpNetwork
from user_error import UserError

Attention = Literal["se", "eca", "cbam", "non_local", "criss_cross"]
EVERY_STAGE: dict[str, Callable[[int], nn.Module]] = {"se": SqueezeExcitation, "eca": ECA, "cbam": CBAM}
BOTTLENECK: dict[str, Callable[[int], nn.Module]] = {"non_local": NonLocal, "criss_cross": CrissCross}


class StageModules(nn.Module):
    """A module for some of an encoder's feature maps; the others pass.

    Args:
        modules: index in the encoder's list, finest first, to a module that keeps the shape.
    """

    def __init__(self, modules: dict[int, nn.Module]) -> None:
        super().__init__()
        self.stages = nn.ModuleDict({str(index): module for index, module in modules.items()})

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Feature maps (B, C_i, H_i, W_i) to as many of the same shapes."""
        refined = list(features)
        for index, module in self.stages.items():
            refined[int(index)] = module(refined[int(index)])
        return refined


class AttentionNetwork(SmpNetwork):
    """An encoder-decoder whose encoder's feature maps are weighed by attention before the decoder takes them.

    - ``se``: squeeze-excitation (Hu et al., CVPR 2018), ``eca``: efficient channel attention (Wang et al., CVPR 2020),
      ``cbam``: channels and places (Woo et al., ECCV 2018); one module on every map that the decoder looks at.
    - ``non_local``: all pixels (Wang et al., CVPR 2018), ``criss_cross``: rows and columns (Huang et al., ICCV 2019);
      on the coarsest of these maps alone, and without effect until trained.

    Args:
        num_classes: K; the command line takes it from the data.
        in_channels: C; the command line takes it from the data.
        attention: which; of several, those on one map follow one another in their order.
        **settings: of `SmpNetwork`.

    Raises:
        UserError: unknown attention, or a wrong setting of `SmpNetwork`.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        attention: Attention | Sequence[Attention] = "cbam",
        **settings: Any,
    ) -> None:
        chosen = [attention] if isinstance(attention, str) else list(attention)
        unknown = next((name for name in chosen if name not in get_args(Attention)), None)
        if unknown is not None or not chosen:
            raise UserError(f"unknown attention {unknown!r}: choose one of {', '.join(get_args(Attention))}")
        super().__init__(num_classes, in_channels, **settings)
        channels = decoder_inputs(self)
        modules: dict[int, list[nn.Module]] = {}
        for name in chosen:
            places = channels if name in EVERY_STAGE else [max(channels)]
            for index in places:
                modules.setdefault(index, []).append((EVERY_STAGE | BOTTLENECK)[name](channels[index]))
        self.refine_features(
            StageModules({index: one[0] if len(one) == 1 else nn.Sequential(*one) for index, one in modules.items()})
        )
