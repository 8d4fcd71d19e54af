from typing import Any

import numpy as np
import pytest
import torch

from datamodules.base import SegmentationDataModule, Split
from datamodules.dataset import IGNORED, EvaluationView, Sample, SegmentationDataset, TrainingView
from datamodules.targets import declare_targets
from datamodules.transforms import FlipScaleCrop, Resize
from user_error import UserError

SIZE = (30, 40)


class Typed(SegmentationDataset):
    """One image that shows its mask, and whatever else is given; named as pipelines name other things of theirs."""

    targets = declare_targets(masks="classes", image2="continuous", bboxes="continuous", matrix="whole")
    ids = ("a",)

    def __init__(self, **further: Any) -> None:
        rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
        mask = ((rows > 9) & (columns > 14)).astype(np.uint8)
        image = np.repeat(200 * mask[..., None], 3, 2)
        number = np.where(mask, np.float32(0.5), np.float32(300))
        self.sample = {"image": image, "mask": mask, "masks": 1 - mask, "image2": number, **further}
        self.sample |= {"bboxes": np.stack([number] * 6, 2), "matrix": np.eye(3), **further}

    def __getitem__(self, index: int) -> Sample:
        return self.sample  # type: ignore[return-value]


class Module(SegmentationDataModule):
    def make_dataset(self, split: Split) -> Typed:
        return Typed()


def test_every_dense_target_moves_with_its_image() -> None:
    """Flipped, turned, scaled, padded and cropped; unknown where the image came from outside."""
    steps = FlipScaleCrop(scale=(0.6, 1.4), vertical_flip=0.5, further=[{"Rotate": {"limit": [20, 20], "p": 0.5}}])
    data = Module(["a", "b"], size=(24, 28), batch_size=1, num_workers=0, augmentation=steps)
    view = data.train_dataloader().dataset
    seen = set()
    for epoch in range(12):
        found = view[epoch, 0]
        mask, number = found["mask"], found["image2"]
        outside = mask == IGNORED
        assert found["masks"].dtype == torch.uint8
        assert number.dtype == torch.float32
        assert torch.equal(found["masks"], torch.where(outside, mask, 1 - mask))
        assert torch.equal(number.isnan(), outside)
        assert torch.equal(number[~outside] == 0.5, (mask == 1)[~outside])
        assert torch.equal(found["bboxes"].isnan(), outside[..., None].expand(-1, -1, 6))
        assert torch.equal(found["matrix"], torch.eye(3, dtype=torch.float64))
        seen.add(mask.numpy().tobytes())
    assert len(seen) > 8
    evaluated = next(iter(data.val_dataloader()))
    assert evaluated["kinds"] == {name: Typed.targets[name] for name in ("masks", "image2", "bboxes", "matrix")}
    assert evaluated["masks"].shape == evaluated["image2"].shape == (1, 24, 28)
    assert torch.equal(evaluated["masks"], 1 - evaluated["mask"])


@pytest.mark.parametrize(
    ("further", "says"),
    [
        ({"vessels": np.zeros(SIZE)}, "'vessels' of 'a' has no type.*declare it in the `targets`"),
        ({"flow": torch.zeros(2, *SIZE)}, "'flow' of 'a' has no type"),
        ({"age": 61.0}, "'age' of 'a' has no type"),
        ({"masks": np.zeros(SIZE, np.int64)}, r"'masks' of 'a' is int64 .* as 'classes' .* uint8 \(H, W\)"),
        ({"masks": np.zeros((40, 30), np.uint8)}, r"\(40, 30\) beside an image of 30 x 40"),
        ({"depth": np.zeros((1, *SIZE), np.float32)}, "'depth' of 'a' is float32"),
        ({"image2": [0.0]}, "'image2' of 'a' is list"),
    ],
)
def test_a_target_that_would_stay_behind_is_refused(further: dict[str, Any], says: str) -> None:
    dataset = Typed(**further)
    for ask in (
        lambda: TrainingView(dataset, FlipScaleCrop().bind(None, dataset.targets), 0)[0, 0],
        lambda: EvaluationView(dataset, Resize(None, dataset.targets))[0],
    ):
        with pytest.raises(UserError, match=says):
            ask()
