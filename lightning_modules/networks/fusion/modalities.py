"""Which channels belong to a modality, and which modalities an image has."""

from collections.abc import Mapping, Sequence
from itertools import accumulate, chain

import torch
from torch import Tensor, nn

from lightning_modules.networks.base import require_dropout
from user_error import UserError

Groups = Mapping[str, Sequence[int]] | Sequence[int] | None
"""How channels make up modalities: names with the places of their channels, numbers of channels in order, or one each."""


class Modalities(nn.Module):
    """Says for each image of a batch which modalities take part in its prediction.

    In training, modalities are dropped at random (Neverova et al., "ModDrop: Adaptive Multi-modal Gesture
    Recognition", TPAMI 2016), so that the network learns to do without them.

    Args:
        groups: the channels of each modality: by name their places in the image, from 0, as ``{T1: [0, 2], FLAIR: [1]}``; or
            their numbers, in the order of the image's channels; one channel each if null.
        in_channels: C, the channels of the image.
        dropout: probability with which each modality of each image is dropped in training, independently of the others.
            An image that would lose all keeps one of them, each with the same probability.
        detect_missing: take a modality for missing where each of its channels is constant over the image, which is how
            the fills "zero" and "mean" of the suite `modality` leave it. Noise and copies of another modality are not
            recognised. An image of constant channels alone has all modalities.

    Raises:
        UserError: the groups do not make up the channels, or `dropout` is no probability below one.
    """

    def __init__(self, groups: Groups, in_channels: int, dropout: float = 0.0, detect_missing: bool = False) -> None:
        super().__init__()
        self.places = _find_places(groups, in_channels)
        self.groups = [len(places) for places in self.places]
        """Number of channels of each modality."""
        self.in_order = [*chain(*self.places)] == list(range(in_channels))
        self.dropout = dropout
        self.detect_missing = detect_missing
        require_dropout("modality_dropout", dropout)

    def split(self, x: Tensor) -> tuple[Tensor, ...]:
        """Images (B, C, H, W) to those of each modality, (B, groups[m], H, W)."""
        if self.in_order:
            return x.split(self.groups, dim=1)
        return tuple(x[:, places] for places in self.places)

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) to presence (B, M), bool; at least one modality of each image is present."""
        present = self._detect_present(x) if self.detect_missing else _mark_all_present(x, len(self.groups))
        if not self.training or not self.dropout:
            return present
        draws = torch.rand(present.shape, device=x.device).masked_fill(~present, -1)
        retained = draws >= self.dropout
        # where none is kept all draws are below the threshold, and any of them is as likely to be the largest
        rescued = torch.zeros_like(retained).scatter(1, draws.argmax(1, keepdim=True), True)
        return torch.where(retained.any(1, keepdim=True), retained, rescued)

    def _detect_present(self, x: Tensor) -> Tensor:
        varies = x.amax((2, 3)) > x.amin((2, 3))  # (B, C)
        seen = torch.stack([varies[:, places].any(1) for places in self.places], 1)
        return seen | ~seen.any(1, keepdim=True)


def _find_places(groups: Groups, in_channels: int) -> list[list[int]]:
    """The places of the channels of each modality.

    Raises:
        UserError: they do not make up the channels.
    """
    if isinstance(groups, Mapping):
        places = [list(group) for group in groups.values()]
    else:
        numbers = [1] * in_channels if groups is None else list(groups)
        ends = list(accumulate(numbers))
        places = [list(range(end - number, end)) for number, end in zip(numbers, ends, strict=True)]
    if sorted(chain(*places)) != list(range(in_channels)) or not all(places):
        description = dict(groups) if isinstance(groups, Mapping) else groups
        raise UserError(
            f"the groups {description} do not make up the {in_channels} channels of the images: give each modality the places of "
            "its channels by name, as {T1: [0, 2], FLAIR: [1]}, or the number of them in order, or null for one channel each"
        )
    return places


def _mark_all_present(x: Tensor, number: int) -> Tensor:
    return torch.ones(x.shape[0], number, dtype=torch.bool, device=x.device)
