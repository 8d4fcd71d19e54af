import math
from itertools import product

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_modules.metrics.boundary import compute_boundary_reach, count_boundary, find_boundary_region

CLASSES = 4
IGNORED = 255

SIZES = st.tuples(st.integers(1, 23), st.integers(1, 23))
SEEDS = st.integers(0, 10**6)
REACHES = st.integers(1, 6)


def draw(seed: int, size: tuple[int, int], images: int = 1) -> np.ndarray:
    """Label maps (images, H, W) of coarse blocks, with thin lines and single pixels across them."""
    random = np.random.default_rng(seed)
    height, width = size
    labels = random.integers(0, CLASSES, (images, -(-height // 7), -(-width // 9)))
    labels = labels.repeat(7, 1).repeat(9, 2)[:, :height, :width].astype(np.uint8)
    for image in labels:
        kind = random.integers(0, 4)
        if kind == 1:
            image[random.integers(0, height)] = random.integers(0, CLASSES)
        if kind == 2:
            image[:, random.integers(0, width)] = random.integers(0, CLASSES)
        if kind == 3:
            image[random.integers(0, height), random.integers(0, width)] = random.integers(0, CLASSES)
    return labels


def eroded_away(labels: np.ndarray, reach: int) -> np.ndarray:
    """What erosion takes from the mask of each class of (H, W), all classes together; outside the image is nothing."""
    region = np.zeros(labels.shape, bool)
    for label in np.unique(labels):
        own = (labels == label).astype(np.uint8)
        padded = cv2.copyMakeBorder(own, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
        inner = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=reach)[1:-1, 1:-1]
        region |= (own == 1) & (inner == 0)
    return region


def near_a_contour(labels: np.ndarray, reach: int) -> np.ndarray:
    """Pixels of (H, W) that have a counted pixel of another class, or the outside, within `reach` along both axes."""
    height, width = labels.shape
    region = np.zeros(labels.shape, bool)
    for y, x in product(range(height), range(width)):
        for dy, dx in product(range(-reach, reach + 1), repeat=2):
            inside = 0 <= y + dy < height and 0 <= x + dx < width
            other = labels[y + dy, x + dx] if inside else None
            region[y, x] |= other != IGNORED and other != labels[y, x]
    return region


def count_by_hand(predicted: np.ndarray, mask: np.ndarray, reach: int) -> np.ndarray:
    """Intersection, predicted and true pixels (K, 3) of one image, pixel by pixel."""
    guessed_region = near_a_contour(np.where(mask == IGNORED, IGNORED, predicted), reach)
    true_region = near_a_contour(mask, reach)
    counts = np.zeros((CLASSES, 3), int)
    for y, x in np.ndindex(mask.shape):
        if mask[y, x] == IGNORED:
            continue
        guessed, true = predicted[y, x], mask[y, x]
        counts[guessed, 1] += guessed_region[y, x]
        counts[true, 2] += true_region[y, x]
        counts[true, 0] += guessed == true and guessed_region[y, x] and true_region[y, x]
    return counts


def count(predicted: np.ndarray, mask: np.ndarray, reach: int) -> np.ndarray:
    """As the sweep does: what is predicted at ignored pixels takes no part in the contours."""
    guessed, labels = torch.from_numpy(predicted), torch.from_numpy(mask)
    region = find_boundary_region(guessed.masked_fill(labels == IGNORED, IGNORED), reach)
    return count_boundary(guessed, region, labels, find_boundary_region(labels, reach), CLASSES).numpy()


@settings(deadline=None)
@given(SEEDS, SIZES, REACHES, st.integers(1, 3))
def test_the_region_is_what_erosion_takes_away(seed: int, size: tuple[int, int], reach: int, images: int) -> None:
    labels = draw(seed, size, images)
    found = find_boundary_region(torch.from_numpy(labels), reach).numpy()
    np.testing.assert_array_equal(found, [eroded_away(image, reach) for image in labels])


@settings(deadline=None)
@given(SEEDS, SIZES, REACHES)
def test_the_region_of_noise(seed: int, size: tuple[int, int], reach: int) -> None:
    """Mostly of one class, so that pixels far from every contour occur."""
    labels = (np.random.default_rng(seed).random((1, *size)) < 0.03).astype(np.uint8)
    found = find_boundary_region(torch.from_numpy(labels), reach).numpy()
    np.testing.assert_array_equal(found[0], eroded_away(labels[0], reach))


@settings(deadline=None, max_examples=50)
@given(SEEDS, st.tuples(st.integers(1, 12), st.integers(1, 12)), st.integers(1, 3), st.sampled_from([0.1, 0.5, 1.0]))
def test_ignored_pixels_neither_make_nor_hide_a_contour(
    seed: int, size: tuple[int, int], reach: int, ignored: float
) -> None:
    labels = draw(seed, size)
    labels[np.random.default_rng(seed).random(labels.shape) < ignored] = IGNORED
    counted = labels[0] != IGNORED
    found = find_boundary_region(torch.from_numpy(labels), reach)[0].numpy()
    np.testing.assert_array_equal(found[counted], near_a_contour(labels[0], reach)[counted])


def test_a_contour_is_found_across_an_ignored_line() -> None:
    """The line of ignored pixels between sky and ground, 9 rows each, is 1 thick: 2 rows on either side are near."""
    labels = torch.zeros(1, 19, 19, dtype=torch.uint8)
    labels[:, 9] = IGNORED
    labels[:, 10:] = 3
    inner = find_boundary_region(labels, 3)[0, :, 9]
    assert torch.equal(inner, torch.tensor([row in (0, 1, 2, 7, 8, 9, 10, 11, 16, 17, 18) for row in range(19)]))


def test_a_square_within_the_image() -> None:
    """Its own ring and a ring around it, and the frame of the image."""
    labels = torch.zeros(1, 12, 12, dtype=torch.uint8)
    labels[:, 4:9, 4:9] = 1
    region = find_boundary_region(labels, 1)[0]
    assert not region[5:8, 5:8].any()
    assert region[3:10, 3:10].sum() == 49 - 9
    assert region.sum() == (49 - 9) + (144 - 100)


@pytest.mark.parametrize("size", [(5, 9), (9, 5), (5, 5), (4, 9), (1, 1)])
def test_windows_that_just_fit(size: tuple[int, int]) -> None:
    labels = torch.zeros(1, *size, dtype=torch.uint8)
    height, width = size
    assert (~find_boundary_region(labels, 2)).sum() == max(0, height - 4) * max(0, width - 4)


@pytest.mark.parametrize(
    ("size", "reach"), [((1, 1), 1), ((20, 30), 1), ((128, 128), 4), ((256, 256), 7), ((720, 960), 24)]
)
def test_reach_is_two_percent_of_the_diagonal(size: tuple[int, int], reach: int) -> None:
    assert compute_boundary_reach(*size) == reach == max(1, round(0.02 * math.sqrt(size[0] ** 2 + size[1] ** 2)))


@settings(deadline=None, max_examples=40)
@given(SEEDS, st.tuples(st.integers(1, 11), st.integers(1, 11)), st.integers(1, 3), st.sampled_from([0.0, 0.3, 1.0]))
def test_counts_by_hand(seed: int, size: tuple[int, int], reach: int, ignored: float) -> None:
    predicted, mask = draw(seed, size, 2), draw(seed + 1, size, 2)
    mask[np.random.default_rng(seed).random(mask.shape) < ignored] = IGNORED
    found = count(predicted, mask, reach)
    wanted = [count_by_hand(one, other, reach) for one, other in zip(predicted, mask, strict=True)]
    np.testing.assert_array_equal(found, wanted)


@given(SEEDS, st.integers(1, 3))
def test_boundary_iou_of_a_class_is_the_published_one(seed: int, reach: int) -> None:
    """Intersection and union of (boundary of the mask, within the mask) and the same of the prediction."""
    predicted, mask = draw(seed, (17, 20)), draw(seed + 1, (17, 20))
    hit, guessed, true = np.moveaxis(count(predicted, mask, reach)[0], -1, 0)
    for label in range(CLASSES):
        one, other = (eroded_away(labels[0], reach) & (labels[0] == label) for labels in (predicted, mask))
        assert hit[label] == (one & other).sum()
        assert guessed[label] + true[label] - hit[label] == (one | other).sum()


@given(SEEDS, REACHES)
def test_what_is_predicted_where_nothing_counts_changes_nothing(seed: int, reach: int) -> None:
    predicted, mask = draw(seed, (15, 18), 2), draw(seed + 1, (15, 18), 2)
    ignored = draw(seed + 2, (15, 18), 2) == 0
    mask[ignored] = IGNORED
    other = np.where(ignored, draw(seed + 3, (15, 18), 2), predicted)
    np.testing.assert_array_equal(count(predicted, mask, reach), count(other, mask, reach))


def test_a_perfect_prediction_agrees_on_every_pixel() -> None:
    labels = draw(0, (20, 30), 3)
    hit, guessed, true = np.moveaxis(count(labels, labels, 2), -1, 0)
    np.testing.assert_array_equal(hit, true)
    np.testing.assert_array_equal(guessed, true)
    assert hit.any()


def test_as_many_classes_as_eight_bits_hold() -> None:
    mask = torch.arange(255, dtype=torch.uint8).view(1, 15, 17)
    region = find_boundary_region(mask, 1)
    assert region.all()
    counts = count_boundary(mask, region, mask, region, 255)
    assert torch.equal(counts, torch.ones(1, 255, 3, dtype=torch.long))
