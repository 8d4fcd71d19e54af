import numpy as np
import pytest
from scipy.stats import bootstrap

from experiments.robustness import mean_iou
from experiments.statistics import intervals, resampled_miou

CONDITIONS = [("clean", 0), ("noise", 1)]


@pytest.fixture
def images() -> np.ndarray:
    random = np.random.default_rng(0)
    true = random.integers(20, 100, (40, 1, 3)).repeat(2, axis=1)
    hit = (true * random.uniform(0.2, 0.9, (40, 2, 3))).astype(int)
    return np.stack([hit, hit + random.integers(0, 20, hit.shape), true], axis=-1)


def test_interval_agrees_with_scipy(images: np.ndarray) -> None:
    low, high = intervals(images, CONDITIONS, resamples=4000)["clean_miou"]

    def score(index: np.ndarray, axis: int = -1) -> np.ndarray:
        return mean_iou(images[index.astype(int), 0].sum(axis if index.ndim == 1 else 1))

    found = bootstrap((np.arange(40),), score, n_resamples=4000, method="percentile", rng=1, vectorized=True)
    assert (low, high) == pytest.approx(tuple(found.confidence_interval), abs=0.004)


def test_seeded_and_around_the_score(images: np.ndarray) -> None:
    one, other = intervals(images, CONDITIONS), intervals(images, CONDITIONS)
    assert one == other
    low, high = one["clean_miou"]
    assert low < mean_iou(images[:, 0].sum(0)) < high


def test_images_are_resampled_whole(images: np.ndarray) -> None:
    """The same images under all conditions: with equal counts in both, every resample agrees."""
    images[:, 1] = images[:, 0]
    scores = resampled_miou(images, 200)
    np.testing.assert_array_equal(scores[:, 0], scores[:, 1])


def test_one_image_has_no_spread(images: np.ndarray) -> None:
    low, high = intervals(images[:1], CONDITIONS)["clean_miou"]
    assert low == high == pytest.approx(float(mean_iou(images[0, 0])))


def test_without_corruptions(images: np.ndarray) -> None:
    assert intervals(images[:, :1], [("clean", 0)])["retention"] == [None, None]
