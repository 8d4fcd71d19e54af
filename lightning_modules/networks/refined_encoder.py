"""An encoder whose feature maps are refined before the decoder, by which parts are added to any encoder-decoder."""

from typing import Any

from torch import Tensor, nn


class RefinedEncoder(nn.Module):
    """Replaces an encoder of smp, with the same interface.

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
    """The module whose `encoder` is that of smp: `model`, or the innermost of its refined encoders."""
    while isinstance(model.encoder, RefinedEncoder):
        model = model.encoder
    return model


class StageModules(nn.Module):
    """Applies modules to some of an encoder's feature maps; the others are unchanged.

    Args:
        modules: index in the encoder's list, finest first, to a module that preserves the shape.
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
