"""Which channels belong to a modality, and which modalities an image has."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from user_error import UserError


class Modalities(nn.Module):
    """Says for each image of a batch which modalities take part in its prediction.

    In training, modalities are dropped at random (Neverova et al., "ModDrop: Adaptive Multi-modal Gesture
    Recognition", TPAMI 2016), so that the network learns to do without them.

    Args:
        groups: channels of each modality, in the order of the image's channels; one channel each if null.
        in_channels: C, the channels of the image.
        dropout: probability with which each modality of each image is dropped in training, independently of the others.
            An image that would lose all keeps one of them, each with the same probability.
        detect_missing: take a modality for missing where each of its channels is constant over the image, which is how
            the fills "zero" and "mean" of the suite `modality` leave it. Noise and copies of another modality are not
            recognised. An image of constant channels alone has all modalities.

    Raises:
        UserError: the groups do not make up the channels, or `dropout` is no probability below one.
    """

    def __init__(
        self, groups: Sequence[int] | None, in_channels: int, dropout: float = 0.0, detect_missing: bool = False
    ) -> None:
        super().__init__()
        self.groups = [1] * in_channels if groups is None else list(groups)
        self.dropout = dropout
        self.detect_missing = detect_missing
        if sum(self.groups) != in_channels or min(self.groups, default=0) < 1:
            raise UserError(
                f"the groups {self.groups} do not make up the {in_channels} channels of the images: give the number of "
                "channels of each modality in order, or null for one channel each"
            )
        if not 0 <= dropout < 1:
            raise UserError(f"modality_dropout is {dropout}: give a probability from 0 to below 1")

    def split(self, x: Tensor) -> tuple[Tensor, ...]:
        """Images (B, C, H, W) to those of each modality, (B, groups[m], H, W)."""
        return x.split(self.groups, dim=1)

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) to presence (B, M), bool; at least one modality of each image is present."""
        present = self._observed(x) if self.detect_missing else _all(x, len(self.groups))
        if not self.training or not self.dropout:
            return present
        draws = torch.rand(present.shape, device=x.device).masked_fill(~present, -1)
        kept = draws >= self.dropout
        # where none is kept all draws are below the threshold, and any of them is as likely to be the largest
        rescued = torch.zeros_like(kept).scatter(1, draws.argmax(1, keepdim=True), True)
        return torch.where(kept.any(1, keepdim=True), kept, rescued)

    def _observed(self, x: Tensor) -> Tensor:
        varies = x.amax((2, 3)) > x.amin((2, 3))  # (B, C)
        seen = torch.stack([group.any(1) for group in varies.split(self.groups, dim=1)], 1)
        return seen | ~seen.any(1, keepdim=True)


def _all(x: Tensor, number: int) -> Tensor:
    return torch.ones(len(x), number, dtype=torch.bool, device=x.device)
