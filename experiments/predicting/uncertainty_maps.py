"""Maps of a network's uncertainty, from 0 to 1."""

import math

from torch import Tensor, nn

from lightning_modules.metrics.uncertainty import compute_uncertainty
from lightning_modules.networks.ensembles.combination import find_combination
from lightning_modules.segmentation import SegmentationModule

SINGLE, COMBINED = ("entropy",), ("entropy", "mutual_information", "disagreement")


def name_maps(module: SegmentationModule) -> tuple[str, ...]:
    """The names of the maps that `compute_uncertainty_maps` gives."""
    return SINGLE if find_combination(module.network) is None else COMBINED


def compute_uncertainty_maps(network: nn.Module, logits: Tensor, image: Tensor) -> dict[str, Tensor]:
    """Uncertainty of a network for one image (1, C, H, W), from 0 to 1, (1, H, W) each by name.

    Entropy and mutual information are fractions of the entropy of the uniform distribution, log K. A network that does not
    combine several members has an entropy only.

    Args:
        network: whose members predict the image again, where it has several.
        logits: (1, K, H, W) of it.
        image: that it sees.
    """
    several = find_combination(network)
    found = compute_uncertainty([logits]) if several is None else several.compute_uncertainty(image)
    maps, guess = found._asdict(), math.log(logits.shape[1])
    scale = {"entropy": guess, "mutual_information": guess, "disagreement": 1.0}
    names = SINGLE if several is None else COMBINED
    return {name: (maps[name] / scale[name]).clamp(0, 1) for name in names}
