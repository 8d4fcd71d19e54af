"""What runs on a device has the bits of OpenCV, which resizes the clean images."""

import cv2
import numpy as np
import pytest
import torch

from datamodules.opencv_resize import choose_interpolation, compute_resized, resize_images, resize_mask, resize_masks

SIZES = [
    ((352, 352), (128, 128)), ((352, 352), (176, 176)), ((360, 480), (120, 160)), ((288, 64), (72, 32)),
    ((720, 960), (360, 480)), ((333, 500), (128, 160)), ((40, 300), (64, 64)), ((300, 40), (64, 64)),
    ((64, 64), (128, 128)), ((64, 48), (65, 49)), ((64, 48), (64, 47)), ((64, 48), (63, 48)), ((64, 48), (64, 51)),
    ((33, 57), (200, 32)), ((1080, 1440), (256, 256)),
]  # fmt: skip
RANDOM = [((int(a), int(b)), (int(c), int(d))) for a, b, c, d in np.random.default_rng(7).integers(32, 260, (120, 4))]


@pytest.mark.parametrize(("size", "target"), [*SIZES, *RANDOM], ids=str)
def test_images_are_those_of_opencv(size: tuple[int, int], target: tuple[int, int]) -> None:
    rng = np.random.default_rng([*size, *target])
    image = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    image[: size[0] // 3] = np.where(image[: size[0] // 3] < 128, 0, 255)  # black and white, where rounding shows
    shrinks = target[0] < size[0] or target[1] < size[1]
    wanted = cv2.resize(image, target[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    assert choose_interpolation(size, target) == (cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    batch = torch.from_numpy(image).permute(2, 0, 1)[None]
    for found in (compute_resized(batch, target), resize_images(batch, target)):
        assert np.array_equal(found[0].permute(1, 2, 0).numpy(), wanted)


@pytest.mark.parametrize(("size", "target"), [*SIZES, *RANDOM[:40]], ids=str)
def test_images_may_shrink_without_averages(size: tuple[int, int], target: tuple[int, int]) -> None:
    """As mmsegmentation resizes them; OpenCV averages halves all the same."""
    image = np.random.default_rng([*size, *target]).integers(0, 256, (*size, 3), dtype=np.uint8)
    wanted = cv2.resize(image, target[::-1], interpolation=cv2.INTER_LINEAR)
    batch = torch.from_numpy(image).permute(2, 0, 1)[None]
    for found in (compute_resized(batch, target, "linear"), resize_images(batch, target, "linear")):
        assert np.array_equal(found[0].permute(1, 2, 0).numpy(), wanted)


@pytest.mark.parametrize(("size", "target"), [*SIZES, *RANDOM], ids=str)
def test_masks_are_those_of_opencv(size: tuple[int, int], target: tuple[int, int]) -> None:
    mask = np.random.default_rng([*size, *target]).integers(0, 256, size, dtype=np.uint8)
    wanted = cv2.resize(mask, target[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    found = resize_masks(torch.from_numpy(mask)[None].long(), target)
    assert np.array_equal(found[0].numpy(), wanted)
    assert np.array_equal(resize_mask(mask, target), wanted)


def test_masks_may_have_more_rows_than_opencv_takes() -> None:
    """It ends the process above 32,767."""
    rows = np.arange(40_000, dtype=np.int32)
    numbers = np.stack([rows, -rows], 1)[:, None]
    found = resize_mask(numbers, (100, 2))
    assert found.shape == (100, 2, 2)
    assert np.array_equal(found[:, 1], numbers[200::400, 0])


def test_what_has_the_size_is_left() -> None:
    images, masks = torch.zeros(2, 3, 40, 50, dtype=torch.uint8), torch.zeros(2, 40, 50, dtype=torch.int64)
    assert resize_images(images, (40, 50)) is images
    assert resize_masks(masks, (40, 50)) is masks


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize(("size", "target"), SIZES, ids=str)
def test_a_gpu_has_the_bits_of_the_cpu(size: tuple[int, int], target: tuple[int, int]) -> None:
    images = torch.randint(0, 256, (3, 3, *size), dtype=torch.uint8)
    assert torch.equal(resize_images(images.cuda(), target).cpu(), resize_images(images, target))
