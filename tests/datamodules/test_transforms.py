from pathlib import Path

import numpy as np
import pytest
import yaml
from command_line import ROOT

from datamodules import transforms
from datamodules.dataset import IGNORED, Sample
from datamodules.transforms import FlipScaleCrop, NoAugmentation, Resize
from user_error import UserError

AUGMENTATIONS = sorted((ROOT / "experiments/configs/augmentation").glob("*.yaml"))


def tied(size: tuple[int, int] = (60, 80), channels: int = 3) -> Sample:
    """A sample whose image shows its mask: 20 outside, 220 inside."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    mask = ((rows >= size[0] // 3) & (columns >= size[1] // 2)).astype(np.uint8)
    image = np.repeat((20 + 200 * mask)[..., None], channels, axis=2).astype(np.uint8)
    return Sample(image=image, mask=mask, depth=(1 - mask).astype(np.float32), label=3)


@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("size", [(48, 40), None])
def test_mask_and_depth_follow_the_image(channels: int, size: tuple[int, int] | None):
    transform = FlipScaleCrop(vertical_flip=0.5, brightness=0.0).bind(size)
    shown = set()
    for seed in range(25):
        sample = transform(tied(channels=channels), seed)
        height, width = size or (60, 80)
        assert sample["image"].shape == (height, width, channels)
        assert sample["mask"].shape == sample["depth"].shape == (height, width)
        assert sample["image"].dtype == sample["mask"].dtype == np.uint8
        assert sample["depth"].dtype == np.float32
        assert sample["label"] == 3
        inside = sample["mask"] != IGNORED
        agree = (sample["image"][..., 0] > 120) == (sample["mask"] == 1)
        assert agree[inside].mean() > 0.96
        assert ((sample["depth"] == 0) == (sample["mask"] == 1))[inside].all()
        assert (sample["image"][~inside] == 0).all()
        shown.add(sample["mask"].tobytes())
    assert len(shown) > (15 if size else 3)


def test_steps_draw_independently():
    transform = FlipScaleCrop(vertical_flip=0.5).bind(None)
    corners, brighter = [], []
    for seed in range(200):
        sample = transform(tied(), seed)
        corners.append((bool(sample["mask"][0].any()), bool(sample["mask"][:, 0].any())))  # flipped down, across
        brighter.append(not np.array_equal(np.unique(sample["image"]), [20, 220]))
    for pairs in (corners, list(zip([down for down, _ in corners], brighter, strict=True))):
        assert all(30 <= pairs.count((one, other)) <= 70 for one in (True, False) for other in (True, False))


def test_padding_is_ignored():
    masks = [FlipScaleCrop(scale=(0.5, 0.6)).bind((64, 64))(tied(), seed)["mask"] for seed in range(5)]
    assert all((mask == IGNORED).mean() > 0.5 for mask in masks)


def test_no_depth_is_known_where_the_image_was_padded():
    """And everywhere else it is: the constant that fills masks would be a depth like any other."""
    for seed in range(5):
        sample = FlipScaleCrop(scale=(0.5, 0.6)).bind((64, 64))(tied(), seed)
        assert sample["depth"].dtype == np.float32
        assert np.array_equal(np.isnan(sample["depth"]), sample["mask"] == IGNORED)
        assert set(sample) == {"image", "mask", "depth", "label"}
    ignored = tied()
    ignored["mask"][:10] = IGNORED  # by the data set: its depth is known all the same
    assert not np.isnan(Resize((30, 40))(ignored)["depth"]).any()


@pytest.mark.parametrize("channels", [1, 2, 4, 5, 13])
def test_brightness_works_on_any_number_of_channels(channels: int):
    plain = FlipScaleCrop(flip=0.0, scale=(1.0, 1.0), brightness=0.0).bind((60, 80))(tied(channels=channels), 0)
    jitter = FlipScaleCrop(flip=0.0, scale=(1.0, 1.0), brightness=0.4).bind((60, 80))
    results = [jitter(tied(channels=channels), seed) for seed in range(8)]
    assert any(not np.array_equal(result["image"], plain["image"]) for result in results)
    for result in results:
        assert result["image"].shape == (60, 80, channels)
        assert result["image"].dtype == np.uint8
        assert np.array_equal(result["mask"], plain["mask"])
        assert (result["image"] == result["image"][..., :1]).all(), "all channels change alike"


@pytest.mark.parametrize("path", AUGMENTATIONS, ids=lambda path: path.stem)
def test_ready_augmentations(path: Path):
    """Whatever is drawn, image, mask and size are those of a sample; the same seed draws the same."""
    content = yaml.safe_load(path.read_text())
    name = content["class_path"].rpartition(".")[2]
    transform = getattr(transforms, name)(**content.get("init_args", {})).bind((48, 40))
    seen = set()
    for seed in range(12):
        sample, again = transform(tied(), seed), transform(tied(), seed)
        assert sample["image"].shape == (48, 40, 3)
        assert sample["image"].dtype == np.uint8
        assert set(np.unique(sample["mask"])) <= {0, 1, IGNORED}
        assert np.array_equal(sample["image"], again["image"])
        seen.add(sample["image"].tobytes())
    assert (len(seen) > 1) == (name != "NoAugmentation")


def test_further_transforms_move_masks_along():
    """What comes in from outside is ignored."""
    turn = FlipScaleCrop(flip=0.0, scale=(1.0, 1.0), brightness=0.0, further=[{"Rotate": {"limit": [30, 30], "p": 1}}])
    sample = turn.bind((60, 80))(tied(), 0)
    inside = sample["mask"] != IGNORED
    assert 0.5 < inside.mean() < 0.95
    assert ((sample["image"][..., 0] > 120) == (sample["mask"] == 1))[inside].mean() > 0.97


@pytest.mark.parametrize(
    ("further", "named"),
    [
        ([{"NoSuchThing": {}}], "no transform 'NoSuchThing'"),
        ([{"GaussNoise": {"std": 1}}], "no argument 'std'"),
        ([{"GaussNoise": {"std_range": [2, 3]}}], "refuses"),
    ],
)
def test_wrong_further_transforms_are_refused(further: list, named: str):
    with pytest.raises(UserError, match=named):
        FlipScaleCrop(further=further)


def test_images_that_a_transform_cannot_take():
    with pytest.raises(UserError, match="images of 5 channels"):
        FlipScaleCrop(further=[{"ToGray": {"p": 1}}]).bind((60, 80))(tied(channels=5), 0)


@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("size", [(30, 40), (120, 160), (60, 81), (31, 37)])
def test_resize(size: tuple[int, int], channels: int):
    sample = Resize(size)(tied(channels=channels))
    assert sample["image"].shape == (*size, channels)
    assert sample["mask"].shape == size
    assert set(np.unique(sample["mask"])) == {0, 1}
    assert ((sample["image"][..., 0] > 120) == (sample["mask"] == 1)).mean() > 0.97


def test_images_of_more_rows_than_opencv_takes_for_masks_are_resized():
    mask = np.repeat(np.arange(40, dtype=np.uint8), 1000)[:, None].repeat(3, 1)
    found = Resize((40, 32))({"image": mask[..., None].repeat(3, 2), "mask": mask})
    assert np.array_equal(found["mask"], np.arange(40)[:, None].repeat(32, 1))
    assert np.array_equal(found["image"][..., 0], found["mask"])


def test_resize_leaves_alone_what_fits():
    sample = tied()
    assert Resize(None)(sample) is sample
    assert Resize((60, 80))(sample) is sample
    assert np.array_equal(NoAugmentation().bind((60, 80))(sample, 5)["image"], sample["image"])


def test_shrinking_averages():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (80, 80, 3), dtype=np.uint8)
    small = Resize((20, 20))(Sample(image=image, mask=np.zeros((80, 80), np.uint8)))["image"]
    expected = image.reshape(20, 4, 20, 4, 3).mean((1, 3))
    assert np.abs(small - expected).max() <= 0.51
    trained = FlipScaleCrop(scale=(1.0, 1.0), flip=0.0, brightness=0.0).bind((20, 20))
    assert np.array_equal(trained(Sample(image=image, mask=np.zeros((80, 80), np.uint8)), 0)["image"], small)
