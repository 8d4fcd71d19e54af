"""Images by which a network is quantised, and those on which what was quantised is compared with it."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from datamodules.base import SegmentationDataModule
from datamodules.dataset import EvaluationView
from experiments.exporting.exported_module import Size, compute_logits
from experiments.exporting.int8 import quantise
from experiments.exporting.onnx_file import open_graph
from lightning_modules.images import to_unit_range
from user_error import UserError

TRAIN, VAL = "train", "val"


class Quantised(NamedTuple):
    """The content of a quantised ONNX file, and what is known of it.

    Args:
        content: of the file.
        calibration: number of the images that it was calibrated on.
        agreement: share of the pixels to which it gives the class of the network.
        compared: number of the images whose pixels these are.
        split: of the data, which these images belong to.
    """

    content: bytes
    calibration: int
    agreement: float
    compared: int
    split: str

    def as_json(self) -> dict[str, Any]:
        """What the metadata of the file say of it."""
        return {"calibration": self.calibration, "agreement": round(self.agreement, 6), "split": self.split}

    def __str__(self) -> str:
        images = f"the pixels of {self.compared} images of the split {self.split!r}"
        return f"8 bits by {self.calibration} training images; the network's class in {self.agreement:.2%} of {images}"


def quantise_for(
    graph: bytes, network: nn.Module, data: SegmentationDataModule, number: int, seed: int, size: Size | None
) -> Quantised:
    """Quantise the graph of a network by training images, and compare it on images of the validation split.

    Neither are test images, on which the quantised network may then be scored.

    Args:
        graph: content of an ONNX file.
        network: from which it was made.
        data: of the network.
        number: of images for each.
        seed: by which they are drawn.
        size: (H, W) of all images; `None` for those of the data.

    Raises:
        UserError: the data have no training images.
    """
    training = _open(data, TRAIN)
    if training is None:
        raise UserError(
            f"the data {type(data).__name__} have no training images to calibrate 8 bits on: pass other --data"
        )
    drawn = draw_places(training, number, seed)
    content = quantise(graph, read_images(training, drawn, size))
    validation = _open(data, VAL)
    split, view = (TRAIN, training) if validation is None else (VAL, validation)
    compared = draw_places(view, number, seed)
    agreement = find_agreement(content, network, read_images(view, compared, size))
    return Quantised(content, len(drawn), agreement, len(compared), split)


def _open(data: SegmentationDataModule, split: str) -> EvaluationView | None:
    """The images of a split as they are evaluated; `None` where it has none."""
    dataset = data.open_split(split)  # type: ignore[arg-type]
    dataset.prepare()
    return data.make_evaluation_view(dataset) if len(dataset) else None


def draw_places(view: EvaluationView, number: int, seed: int) -> Sequence[int]:
    """Places of images that are drawn without replacement: all, where there are no more."""
    total = len(view.dataset)
    return sorted(np.random.default_rng(seed).permutation(total)[:number].tolist())


def read_images(view: EvaluationView, places: Sequence[int], size: Size | None) -> Iterator[Tensor]:
    """Float images (1, C, H, W) in [0, 1], one after the other, of a `size` if it is given."""
    for place in places:
        image = to_unit_range(view[place]["image"])[None]
        if size is not None and tuple(image.shape[2:]) != size:
            image = F.interpolate(image, size, mode="bilinear", antialias=True)
        yield image.contiguous()


@torch.inference_mode()
def find_agreement(graph: bytes, network: nn.Module, images: Iterator[Tensor]) -> float:
    """Share of the pixels to which a graph gives the same class as the network."""
    run = open_graph(graph)
    same, total = 0, 0
    for image in images:
        found, known = run(image).argmax(1), compute_logits(network, image).argmax(1)
        same, total = same + int((found == known).sum()), total + known.numel()
    return same / total
