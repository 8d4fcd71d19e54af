"""A loss that is 0 for batches without labelled pixels."""

from torch import Tensor, nn

from lightning_modules.labels import IGNORED


class Counted(nn.Module):
    """Another loss, and 0 where every pixel is ignored: smp's focal loss is NaN there and its Lovász loss empty.

    Args:
        loss: logits (B, K, H, W) and mask (B, H, W) to a scalar.
    """

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, logits: Tensor, mask: Tensor) -> Tensor:
        """Logits (B, K, H, W) and mask (B, H, W) to a scalar."""
        return self.loss(logits, mask) if (mask != IGNORED).any() else 0 * logits.sum()
