import numpy as np
import pytest

from datamodules.aspect import Aspect, describe_framing, place
from datamodules.base import SegmentationDataModule, Split
from datamodules.dataset import IGNORED, Sample, SegmentationDataset
from datamodules.transforms import FlipScaleCrop, Resize
from user_error import UserError


def disc(height: int, width: int) -> Sample:
    """A bright disc in the middle; its depth is 5, and 50 around it."""
    rows, columns = np.mgrid[:height, :width]
    mask = ((rows - height / 2 + 0.5) ** 2 + (columns - width / 2 + 0.5) ** 2 <= (min(height, width) / 3) ** 2).astype(
        np.uint8
    )
    image = np.repeat(40 + 200 * mask[..., None], 3, 2).astype(np.uint8)
    return Sample(image=image, mask=mask, depth=np.where(mask, np.float32(5), np.float32(50)))


class Discs(SegmentationDataset):
    ids = ("a", "b")

    def __getitem__(self, index: int) -> Sample:
        return disc(40, 90) if index else disc(70, 50)


class DiscData(SegmentationDataModule):
    def make_dataset(self, split: Split) -> Discs:
        return Discs()


def data(aspect: Aspect | None, size: tuple[int, int] | None = (32, 32)) -> DiscData:
    return DiscData(["a", "b"], size=size, aspect=aspect, num_workers=0, batch_size=2, augmentation=FlipScaleCrop())


@pytest.mark.parametrize(
    ("size", "aspect", "scaled", "inside"),
    [
        ((40, 80), "pad", (16, 32), (slice(8, 24), slice(0, 32))),
        ((3000, 1), "pad", (32, 1), (slice(0, 32), slice(16, 17))),
        ((40, 80), "crop", (32, 64), (slice(0, 32), slice(0, 32))),
        ((7, 3), "squash", (32, 32), (slice(0, 32), slice(0, 32))),
        ((5, 5), "crop", (32, 32), (slice(0, 32), slice(0, 32))),
    ],
)
def test_placement(size: tuple[int, int], aspect: Aspect, scaled: tuple[int, int], inside: tuple[slice, slice]) -> None:
    found = place(size, (32, 32), aspect)
    assert found.scaled == scaled
    assert found.inside == inside


@pytest.mark.parametrize("aspect", ["pad", "crop"])
@pytest.mark.parametrize("size", [(40, 90), (70, 50)])
def test_a_disc_stays_round(aspect: Aspect, size: tuple[int, int]) -> None:
    """And what is left over is ignored by every target."""
    found = Resize((32, 36), aspect=aspect)(disc(*size))
    mask, outside = found["mask"] == 1, found["mask"] == IGNORED
    assert found["image"].shape == (32, 36, 3)
    assert abs(mask.any(0).sum() - mask.any(1).sum()) <= 1
    np.testing.assert_array_equal(np.isnan(found["depth"]), outside)
    np.testing.assert_array_equal(found["depth"] == 5, mask)
    assert ((found["image"][..., 0] > 140) == mask)[~outside].mean() > 0.96
    assert outside.any() == (aspect == "pad")
    assert len(np.unique(found["image"][outside])) <= 1


@pytest.mark.parametrize("aspect", ["pad", "crop"])
def test_training_and_evaluation_keep_the_aspect(aspect: Aspect) -> None:
    module = data(aspect)
    for loader in (module.train_dataloader(), module.val_dataloader(), module.test_dataloader()):
        batch = next(iter(loader))
        assert tuple(batch["image"].shape[2:]) == (32, 32)
        assert (batch["mask"] == IGNORED).any() or aspect == "crop"
    parts = {module.train_dataloader().dataset[epoch, 1]["mask"].numpy().tobytes() for epoch in range(4)}
    assert len(parts) == 4
    drawn = FlipScaleCrop((1.0, 1.0), flip=0.0, brightness=0.0).bind((32, 32), aspect="crop")
    assert len({drawn(disc(40, 90), seed)["image"].tobytes() for seed in range(6)}) > 3


def test_it_is_kept_where_it_is_not_the_default() -> None:
    plain = data(None)
    for same in (plain, data("squash")):
        assert "aspect" not in same.state_dict()
        assert same.compute_fingerprint("test") == plain.compute_fingerprint("test")
    assert data("pad").state_dict()["aspect"] == "pad"
    assert (
        data("pad").compute_fingerprint("test").find_difference_from(plain.compute_fingerprint("test"))
        == "the setting 'aspect' changed"
    )


@pytest.mark.parametrize(
    ("aspect", "size", "says"), [("stretch", (8, 8), "give one of squash, pad, crop"), ("pad", None, "give a `size`")]
)
def test_refusals(aspect: Aspect, size: tuple[int, int] | None, says: str) -> None:
    with pytest.raises(UserError, match=says):
        data(aspect, size)


@pytest.mark.parametrize(
    ("aspect", "says"),
    [
        ("squash", "2 of 3 images have another aspect than 30 x 30 and are squashed by up to 3.00 times"),
        ("pad", "padded: up to 67% of what is seen is ignored"),
        ("crop", "cropped: up to 67% of an image is neither seen nor scored"),
    ],
)
def test_what_becomes_of_another_aspect_is_said(aspect: Aspect, says: str) -> None:
    assert says in describe_framing([(20, 60), (60, 50), (300, 301)], (30, 30), aspect)
    assert describe_framing([(300, 301)], (30, 30), aspect) == describe_framing([(1, 9)], None, aspect) == ""
