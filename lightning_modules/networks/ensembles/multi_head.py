"""One encoder, several decoders."""

import copy
from collections.abc import Iterator
from typing import Any

from segmentation_models_pytorch.base import SegmentationHead
from segmentation_models_pytorch.base.initialization import initialize_decoder, initialize_head
from torch import Tensor, nn

from lightning_modules.networks.ensembles.combination import Combination
from lightning_modules.networks.smp import SmpNetwork, require_maps
from user_error import UserError


class MultiHead(Combination, SmpNetwork):
    """An encoder-decoder of smp with several decoders and heads, which start from different random weights.

    The encoder runs once, so that an answer costs far less than as many networks (TreeNets: Lee et al., "Why M Heads are
    Better than One", 2015). Each head has its own loss on all images.

    Args:
        num_classes: K; the command line takes it from the data.
        in_channels: C; the command line takes it from the data.
        heads: how many decoders there are.
        average: what the mean is of, "probabilities" or "logits".
        **settings: of `SmpNetwork`.

    Raises:
        UserError: no heads, no such average, or a wrong setting of `SmpNetwork`.
    """

    def __init__(
        self, num_classes: int, in_channels: int = 3, heads: int = 3, average: str = "probabilities", **settings: Any
    ) -> None:
        if heads < 1:
            raise UserError(f"heads is {heads}: give at least 1")
        super().__init__(num_classes, in_channels, **settings)
        require_maps(self)
        self.require_average(average)
        self.further = nn.ModuleList(_make_head(self.model) for _ in range(heads - 1))

    def compute_member_logits(self, image: Tensor) -> Iterator[Tensor]:
        """The logits (B, K, H, W) of each head."""
        height, width = image.shape[-2:]
        features = self.model.encoder(self.pad(self.normalise(image)))
        yield self.model.segmentation_head(self.model.decoder(features))[..., :height, :width]
        for other in self.further:
            assert isinstance(other, nn.ModuleDict)
            yield other["segmentation_head"](other["decoder"](features))[..., :height, :width]


def _make_head(model: Any) -> nn.ModuleDict:
    """A decoder and a head like those of `model`, with other random weights."""
    parts = {name: copy.deepcopy(getattr(model, name)) for name in ("decoder", "segmentation_head")}
    initialize_decoder(parts["decoder"])
    for part in parts["segmentation_head"].modules():
        if isinstance(part, SegmentationHead):  # what stands before it may begin with weights of its own, such as zero
            initialize_head(part)
    return nn.ModuleDict(parts)
