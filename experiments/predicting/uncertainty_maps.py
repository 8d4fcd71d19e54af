"""Maps of a network's uncertainty, from 0 to 1."""

import math

from torch import Tensor

from lightning_modules.metrics.uncertainty import compute_uncertainty
from lightning_modules.networks.ensembles.combination import find_combination
from lightning_modules.segmentation import SegmentationModule

SINGLE, COMBINED = ("entropy",), ("entropy", "mutual_information", "disagreement")


def name_maps(module: SegmentationModule) -> tuple[str, ...]:
    """The names of the maps that `compute_uncertainty_maps` gives."""
    return SINGLE if find_combination(module.network) is None else COMBINED


def compute_uncertainty_maps(module: SegmentationModule, image: Tensor) -> dict[str, Tensor]:
    """Uncertainty of a network for one image (1, C, H, W), from 0 to 1, (1, H, W) each by name.

    Entropy and mutual information are fractions of the entropy of the uniform distribution, log K. A network that does not
    combine several members has an entropy only.
    """
    several = find_combination(module.network)
    found = (
        compute_uncertainty([module.predict_logits(image)]) if several is None else several.compute_uncertainty(image)
    )
    maps = found._asdict()
    guess = math.log(module.num_classes)
    scale = {"entropy": guess, "mutual_information": guess, "disagreement": 1.0}
    return {name: (maps[name] / scale[name]).clamp(0, 1) for name in name_maps(module)}
