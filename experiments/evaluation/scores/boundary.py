"""How well contours agree: the overlap within the boundary regions (Cheng et al., CVPR 2021)."""

from experiments.evaluation.scores.base import ClassScores, MeanScore
from experiments.evaluation.scores.overlap import iou

SCORES = {
    "boundary_iou": MeanScore(("boundary",), lambda counts: iou(counts["boundary"])),
    "class_boundary_iou": ClassScores(("boundary",), lambda counts: iou(counts["boundary"])),
}
