"""Data without images, as a checkpoint describes those of its training: images of elsewhere are brought to the same form."""

from collections.abc import Mapping
from typing import Any

from typing_extensions import override

from datamodules.base import SegmentationDataModule, Split
from datamodules.dataset import Sample, SegmentationDataset
from datamodules.reading.image_reading import ImageReading
from experiments.predicting.level_rules import make_reading
from lightning_modules.segmentation import SegmentationModule


class NoImages(SegmentationDataset):
    """A split without images."""

    ids = ()

    @override
    def __getitem__(self, index: int) -> Sample:
        raise IndexError(index)


class DescribedData(SegmentationDataModule):
    """The classes, channels, reading, size and aspect of a checkpoint's data, without their images.

    Args:
        described: see `experiments.checkpoints.checkpoint.describe_data`; early checkpoints describe nothing.
        module: of the checkpoint.
    """

    def __init__(self, described: Mapping[str, Any], module: SegmentationModule) -> None:
        reading = make_reading(described, module.hparams["in_channels"])
        super().__init__(
            described.get("classes") or [f"class {number}" for number in range(module.num_classes)],
            described.get("channels") or reading.channels,
            described.get("palette"),
            described.get("size"),
            batch_size=1,
            num_workers=0,
            aspect=described.get("aspect"),
        )
        self.multiple = described.get("multiple", self.multiple)
        self.interpolation = described.get("interpolation", self.interpolation)
        self.percentiles = described.get("percentiles")
        self._reading = reading

    @property
    @override
    def reading(self) -> ImageReading:
        return self._reading

    @override
    def make_dataset(self, split: Split) -> SegmentationDataset:
        return NoImages()
