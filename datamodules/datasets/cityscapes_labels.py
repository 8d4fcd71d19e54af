"""The 19 classes of Cityscapes, which most driving data sets share, and how masks store them.

Cordts et al., The Cityscapes Dataset for Semantic Urban Scene Understanding, CVPR 2016.
"""

from torchvision.datasets import Cityscapes

from datamodules.dataset import IGNORED
from datamodules.reading.mask_reading import MaskReading

EVALUATED = sorted((entry for entry in Cityscapes.classes if not entry.ignore_in_eval), key=lambda one: one.train_id)
"""The classes of the benchmark, in the order of their training ids."""

CLASSES = tuple(str(entry.name) for entry in EVALUATED)
PALETTE = tuple(entry.color for entry in EVALUATED)

LABEL_IDS = MaskReading(
    dict.fromkeys(range(256), IGNORED) | {entry.id: entry.train_id for entry in EVALUATED}, levels="stored"
)
"""Masks of the 34 ids in which images were labelled, ``*_labelIds.png``; what is not evaluated is ignored."""

TRAIN_IDS = MaskReading({entry.train_id: entry.train_id for entry in EVALUATED} | {IGNORED: IGNORED}, levels="stored")
"""Masks of training ids, ``*_labelTrainIds.png``: 0 to 18, and 255 for everything else."""
