"""Overlap at the size of the files, where a sweep counts at both sizes (``--counters file_size``)."""

from experiments.evaluation.scores.base import ClassScores, MeanScore
from experiments.evaluation.scores.overlap import iou

SCORES = {
    "file_miou": MeanScore(("file_classes",), lambda counts: iou(counts["file_classes"])),
    "class_file_iou": ClassScores(("file_classes",), lambda counts: iou(counts["file_classes"])),
}
