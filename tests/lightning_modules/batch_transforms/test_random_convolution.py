"""Random convolutions against a convolution by SciPy, and what the paper says of their draws."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import correlate2d
from torch import Tensor

from lightning_modules.batch_transforms.random_convolution import RandomConvolution, convolve
from lightning_modules.training_batch import TrainingBatch, WeightedTargets, read_training_batch
from user_error import UserError


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(number: int = 3, channels: int = 3, height: int = 13, width: int = 18) -> Tensor:
    """With channels of different means and deviations."""
    one = torch.rand(number, channels, height, width, generator=draw())
    return one * torch.linspace(0.2, 0.6, channels).view(-1, 1, 1) + torch.linspace(0.1, 0.3, channels).view(-1, 1, 1)


def batch_of(image: Tensor) -> TrainingBatch:
    return read_training_batch({"image": image, "mask": torch.zeros(len(image), *image.shape[2:], dtype=torch.long)})


def convolve_by_hand(image: Tensor, weight: Tensor, ratio: float) -> np.ndarray:
    x, w = image.double().numpy(), weight.double().numpy()
    mean, deviation = x.mean((0, 2, 3), keepdims=True), x.std((0, 2, 3), keepdims=True)
    white = (x - mean) / deviation
    found = np.zeros_like(white)
    for index, one in enumerate(white):
        for out, kernels in enumerate(w):
            for channel, kernel in zip(one, kernels, strict=True):
                found[index, out] += correlate2d(channel, kernel, mode="same", boundary="fill")
    return np.clip((ratio * found + (1 - ratio) * white) * deviation + mean, 0, 1)


@pytest.mark.parametrize("size", [1, 3, 7])
@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("ratio", [0.3, 1.0])
def test_it_is_the_blend_of_standardised_images_and_their_convolution(size: int, channels: int, ratio: float) -> None:
    image, weight = images(channels=channels), RandomConvolution((size,)).draw_weight(channels, draw(1))
    expected = convolve_by_hand(image, weight, ratio)
    assert ((expected > 0) & (expected < 1)).mean() > 0.3
    np.testing.assert_allclose(convolve(image, weight, ratio).numpy(), expected, rtol=0, atol=1e-5)


def test_a_ratio_of_0_is_the_image() -> None:
    torch.testing.assert_close(convolve(images(), torch.randn(3, 3, 5, 5, generator=draw()), 0.0), images())


@pytest.mark.parametrize(("size", "channels"), [(1, 3), (3, 4), (7, 1)])
def test_weights_have_the_deviation_of_the_paper(size: int, channels: int) -> None:
    drawn = torch.stack([RandomConvolution((size,)).draw_weight(channels, draw(seed)) for seed in range(4000)])
    expected = 1 / (size**2 * channels) ** 0.5
    assert drawn.std().item() == pytest.approx(expected, rel=5 / (2 * drawn.numel()) ** 0.5)
    assert drawn.mean().item() == pytest.approx(0, abs=5 * expected / drawn.numel() ** 0.5)


def test_every_size_is_drawn_as_often() -> None:
    transform = RandomConvolution((1, 3, 5, 7))
    sizes = torch.tensor([transform.draw_weight(1, draw(seed)).shape[-1] for seed in range(2000)])
    for size in (1, 3, 5, 7):
        assert (sizes == size).double().mean().item() == pytest.approx(0.25, abs=5 * (0.25 * 0.75 / 2000) ** 0.5)


def test_what_a_batch_gets_is_its_draws() -> None:
    """A kernel and a ratio for all of its images: in another order they are the same images."""
    image = images(4)
    order = torch.tensor([2, 0, 3, 1])
    for seed in range(5):
        found = RandomConvolution()(batch_of(image), draw(seed)).image
        torch.testing.assert_close(RandomConvolution()(batch_of(image[order]), draw(seed)).image, found[order])
        generator = draw(seed)
        ratio = torch.rand(2, generator=generator)[1].item()
        weight = RandomConvolution().draw_weight(3, generator)
        assert torch.equal(found, convolve(image, weight, ratio))
        unmixed = RandomConvolution(mixed=False)(batch_of(image), draw(seed)).image
        assert torch.equal(unmixed, convolve(image, weight, 1.0))


@pytest.mark.parametrize("probability", [0.0, 0.4, 1.0])
def test_only_some_batches_are_convolved(probability: float) -> None:
    given_batch = batch_of(images(2, 1, 2, 2))
    kept_as_it_is = sum(
        RandomConvolution(probability=probability)(given_batch, draw(seed)) is given_batch for seed in range(500)
    )
    share = 1 - kept_as_it_is / 500
    assert share == pytest.approx(probability, abs=5 * (probability * (1 - probability) / 500) ** 0.5)


@settings(max_examples=30, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 9), st.integers(1, 9)),
    as_bytes=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_images_stay_in_range_and_targets_as_they_are(shape: tuple[int, ...], as_bytes: bool, seed: int) -> None:
    image = torch.randint(0, 256, shape, dtype=torch.uint8, generator=draw(seed))
    batch = batch_of(image if as_bytes else image / 255)
    found = RandomConvolution(mixed=False)(batch, draw(seed))
    assert found.targets is batch.targets
    assert found.image.dtype == torch.float32
    assert found.image.shape == shape
    assert ((found.image >= 0) & (found.image <= 1)).all()
    torch.testing.assert_close(RandomConvolution(mixed=False)(batch_of(image / 255), draw(seed)).image, found.image)


def test_a_channel_that_is_missing_stays_so() -> None:
    image = images()
    image[:, 1] = 0.0
    found = convolve(image, torch.randn(3, 3, 3, 3, generator=draw()), 1.0)
    assert not found[:, 1].any()
    assert found[:, 0].std() > 0.05
    assert found.isfinite().all()


def test_in_16_bits_it_is_the_same() -> None:
    weight = torch.randn(3, 3, 3, 3, generator=draw()) / 5
    with torch.autocast("cpu", torch.bfloat16):
        found = convolve(images(), weight, 0.7)
    assert torch.equal(found, convolve(images(), weight, 0.7))


def find_blurring(kernels: Tensor) -> Tensor:
    """Which kernels (N, k, k) lower the power of the fine detail to less than a tenth of that of the coarse, bool (N,)."""
    power = torch.fft.fft2(kernels, s=(32, 32)).abs().square()
    return power[:, 8:25, 8:25].mean((1, 2)) < 0.1 * power[:, :2, :2].mean((1, 2))


def test_its_kernels_do_not_blur() -> None:
    """Why no blur counts as met (`experiments.evaluation.seen`): a random kernel raises fine detail as often as coarse."""
    drawn = [RandomConvolution((size,)).draw_weight(3, draw(seed)).sum(1) for size in (3, 5, 7) for seed in range(300)]
    assert torch.cat([find_blurring(one) for one in drawn]).double().mean() < 0.02
    binomial = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0])
    assert find_blurring((binomial[:, None] * binomial)[None]).all()


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"sizes": ()}, r"sizes of RandomConvolution are \[\]"),
        ({"sizes": (1, 4)}, r"\[1, 4\]: give odd numbers"),
        ({"sizes": (-1,)}, r"\[-1\]"),
        ({"probability": 1.1}, "probability of RandomConvolution is 1.1"),
    ],
)
def test_refused_settings(wrong: dict, named: str) -> None:
    with pytest.raises(UserError, match=named):
        RandomConvolution(**wrong)


def test_blended_sets_of_targets_stay_too() -> None:
    mask = torch.zeros(3, 13, 18, dtype=torch.long)
    sets = [WeightedTargets(0.3, {"mask": mask}), WeightedTargets(0.7, {"mask": mask + 1})]
    batch = TrainingBatch(images(), sets, {"mask": "classes"})
    assert RandomConvolution()(batch, draw()).targets is sets
