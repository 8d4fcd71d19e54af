"""An encoder whose feature maps are changed on their way to the decoder: how an idea joins any encoder-decoder."""

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
