import numpy as np
import pytest
import torch
from scenes import CORRUPTIONS, keys, regions, scene
from scipy import ndimage

from datamodules.corruptions.digital import ElasticTransform
from datamodules.corruptions.geometric import (
    ElasticMaskMoved,
    Geometric,
    MagnificationMaskMoved,
    MaskMoved,
    RotationMaskLeft,
    RotationMaskMoved,
    TranslationMaskMoved,
)

FAMILY = [one for one in CORRUPTIONS if isinstance(one, Geometric)]
every_one = pytest.mark.parametrize("corruption", FAMILY, ids=lambda one: one.name)
severities = pytest.mark.parametrize("severity", [1, 3, 5])


@every_one
def test_the_name_says_what_happens_to_the_mask(corruption):
    masks = regions(4, 64, 72)
    _, scored = corruption.apply(scene(4, 3, 64, 72), masks, 4, keys(4))
    moved = isinstance(corruption, MaskMoved)
    assert corruption.name.endswith("_mask_moved" if moved else "_mask_left")
    assert torch.equal(scored, masks) != moved


@pytest.mark.parametrize("corruption", [one for one in FAMILY if isinstance(one, MaskMoved)], ids=lambda one: one.name)
@severities
def test_image_and_mask_move_alike(corruption, severity):
    """The image of a mask, moved as an image, is the moved mask but for interpolated edges."""
    masks = (regions(6, 96, 112) == 1).long()
    image = (masks * 255).to(torch.uint8)[:, None]
    moved, scored = corruption.apply(image, masks, severity, keys(6, severity))
    inside = scored != 255
    sure = ((moved[:, 0] < 60) | (moved[:, 0] > 195)) & inside
    assert ((moved[:, 0] > 127).long() == scored)[sure].all()
    assert sure.sum() > 0.85 * inside.sum()
    assert (moved[:, 0][~inside] == 0).all()


@every_one
def test_both_conventions_move_the_image_alike(corruption):
    twin = next((one for one in FAMILY if one.name == corruption.name.replace("_mask_moved", "_mask_left")), None)
    if twin is not None:
        images = scene(2, 3, 64, 72)
        assert torch.equal(corruption(images, 3, keys(2)), twin(images, 3, keys(2)))
    else:
        assert corruption.name == "elastic_mask_moved"


def test_the_elastic_twin_is_imagenet_cs():
    images = scene(2, 3, 64, 72)
    assert torch.equal(ElasticMaskMoved()(images, 3, keys(2)), ElasticTransform()(images, 3, keys(2)))


def test_rotation_is_scipys():
    image = torch.from_numpy(ndimage.gaussian_filter(np.random.default_rng(1).random((65, 65)), 3))
    image = ((image - image.min()) / (image.max() - image.min()) * 255).to(torch.uint8)
    found = RotationMaskLeft()(image[None, None].expand(8, 1, -1, -1), 4, torch.arange(8)).double().numpy()[:, 0]
    wanted = [ndimage.rotate(image.double().numpy(), sign * 20, reshape=False, order=1) for sign in (1, -1)]
    middle = slice(15, 50)
    apart = [[np.abs(one - other)[middle, middle].max() for other in wanted] for one in found]
    assert (np.min(apart, 1) < 2).all()
    assert set(np.argmin(apart, 1)) == {0, 1}


def test_translation_by_hand():
    image = torch.zeros(1, 1, 101, 101, dtype=torch.uint8)
    image[..., 50, 50] = 255
    masks = (image[:, 0] > 0).long()
    moved, scored = TranslationMaskMoved().apply(image, masks, 4, torch.tensor([3]))
    (row, column) = (scored[0] == 1).nonzero()[0].tolist()
    far = ((row - 50) ** 2 + (column - 50) ** 2) ** 0.5
    assert far == pytest.approx(0.15 * 101, abs=1)
    assert moved[0, 0, row, column] >= 60


def test_magnification_keeps_the_middle():
    images, masks = scene(1, 3, 65, 65), regions(1, 65, 65)
    moved, scored = MagnificationMaskMoved().apply(images, masks, 5, keys(1))
    assert torch.equal(moved[..., 32, 32], images[..., 32, 32])
    assert not (scored == 255).all(1).any()
    assert (scored == 1).sum() > 3 * (masks == 1).sum()


def test_masks_are_not_mixed():
    masks = torch.randint(0, 7, (2, 48, 57), generator=torch.Generator().manual_seed(1))
    _, scored = RotationMaskMoved().apply(scene(2), masks, 3, keys(2))
    assert set(scored.unique().tolist()) <= {*range(7), 255}
