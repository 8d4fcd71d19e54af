"""An encoder whose feature maps are changed on their way to the decoder: how an idea joins any encoder-decoder."""

from typing import Any

from torch import Tensor, nn


class RefinedEncoder(nn.Module):
    """Stands where an encoder of smp stood; the decoder does not notice.

    Args:
        encoder: of smp: images to a list of feature maps (B, C_i, H_i, W_i), finest first, the image itself included.
        refine: that list to a list of the same shapes.
    """

    def __init__(self, encoder: nn.Module, refine: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.refine = refine
        self.out_channels = encoder.out_channels
        self.output_stride = encoder.output_stride

    def forward(self, x: Tensor) -> list[Tensor]:
        """Images (B, C, H, W) to refined feature maps, finest first."""
        return self.refine(self.encoder(x))


def find_encoder_holder(model: Any) -> Any:
    """What holds the encoder of smp itself: `model`, or the innermost of the encoders that refine its maps."""
    while isinstance(model.encoder, RefinedEncoder):
        model = model.encoder
    return model


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
