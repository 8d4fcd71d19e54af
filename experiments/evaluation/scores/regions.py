"""How well classes are found inside and outside of the region that a local corruption changes.

Outside, the pixels are those of the clean image: what falls there falls because of a network's context (Marchiori Pietrosanti
et al., "Benchmarking the Spatial Robustness of DNNs via Natural and Adversarial Localized Corruptions", arXiv:2504.01632).
"""

from experiments.evaluation.scores.base import MeanScore
from experiments.evaluation.scores.overlap import iou

SCORES = {
    "miou_inside": MeanScore(("inside",), lambda counts: iou(counts["inside"])),
    "miou_outside": MeanScore(("outside",), lambda counts: iou(counts["outside"])),
}
