from hashlib import blake2b

import numpy as np
import pytest
import torch

from datamodules.corruptions.base import Corruption
from datamodules.corruptions.conditions import Corrupted
from datamodules.corruptions.kernels.random import compute_normal_quantiles
from datamodules.corruptions.noise import GaussianNoise, ImpulseNoise, ShotNoise, SpeckleNoise, make_poisson_table


@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
def test_is_the_level_plus_rounded_down_noise(severity):
    images = torch.full((1, 1, 256, 256), 128, dtype=torch.uint8)
    sd = 255 * GaussianNoise.severities["standard_deviation"][severity - 1]
    residual = GaussianNoise()(images, severity, torch.tensor([11])).numpy().astype(float) - 128
    unclipped = np.clip(np.floor(np.random.default_rng(0).normal(0, sd, residual.size)), -128, 127)
    assert abs(residual.mean() - unclipped.mean()) < 5 * np.sqrt(2 * residual.var() / residual.size)
    assert residual.std() == pytest.approx(unclipped.std(), rel=0.015)


def test_quantiles_are_a_standard_normal():
    quantiles = compute_normal_quantiles()
    assert quantiles.mean().abs() < 1e-12
    assert quantiles.square().mean() == pytest.approx(1, abs=1e-12)
    assert quantiles.pow(4).mean() == pytest.approx(3, abs=5e-3)
    assert (quantiles.diff() > 0).all()


def test_draws_differ_between_seeds_ids_and_severities():
    images = torch.full((2, 3, 32, 32), 128, dtype=torch.uint8)
    masks = torch.zeros(2, 32, 32, dtype=torch.int64)

    def drawn(severity: int, seed: int = 0) -> torch.Tensor:
        return Corrupted(GaussianNoise(), severity)(images, masks, ["a", "b"], seed)[0]

    draws = drawn(3)
    assert not torch.equal(draws[0], draws[1])
    assert not torch.equal(draws, drawn(3, seed=1))
    residuals = [drawn(severity).double() - 128 for severity in (1, 2)]
    correlation = np.corrcoef(residuals[0].flatten(), residuals[1].flatten())[0, 1]
    assert abs(correlation) < 5 / np.sqrt(images.numel())
    assert torch.equal(draws, drawn(3))


GOLDEN = [
    (GaussianNoise(), "f156fd07a5017c02"),
    (ShotNoise(), "44a2333bca668f39"),
    (ImpulseNoise(), "cfc204f59ffdf70f"),
    (SpeckleNoise(), "a27426e86a43cfd0"),
]


@pytest.mark.parametrize(("corruption", "digest"), GOLDEN, ids=lambda value: getattr(value, "name", ""))
def test_golden_pixels(corruption, digest):
    images = torch.arange(3 * 40 * 50, dtype=torch.int32).remainder(251).to(torch.uint8).view(1, 3, 40, 50)
    corrupted = corruption(images, 3, torch.tensor([42]))
    assert blake2b(corrupted.numpy().tobytes(), digest_size=8).hexdigest() == digest


severities = pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])


@severities
def test_photons_are_poisson_distributed(severity):
    stats = pytest.importorskip("scipy.stats")
    photons = ShotNoise.severities["photons"][severity - 1]
    ratios = stats.poisson.pmf(np.arange(photons), np.arange(256)[:, None] * (photons / 255))
    ratios = np.append(ratios, 1 - ratios.sum(1, keepdims=True), 1)  # more photons than at white count as white
    levels = np.floor(np.arange(photons + 1) / photons * 255)
    mean = ratios @ levels
    deviation = np.sqrt(ratios @ levels**2 - mean**2)
    drawn = make_poisson_table(photons, torch.device("cpu")).view(256, -1).numpy().astype(float)
    assert set(np.unique(drawn)) == set(levels)
    assert np.abs(drawn.mean(1) - mean).max() < 0.03
    assert np.abs(drawn.std(1) - deviation).max() < 0.1


@severities
def test_more_light_is_never_darker(severity):
    table = (
        make_poisson_table(ShotNoise.severities["photons"][severity - 1], torch.device("cpu"))
        .view(256, -1)
        .to(torch.int16)
    )
    assert (table.diff(dim=0) >= 0).all()
    assert (table.diff(dim=1) >= 0).all()
    assert not table[0].any()


@severities
def test_impulses_replace_a_share_by_black_and_white(severity):
    amount = ImpulseNoise.severities["amount"][severity - 1]
    images = torch.arange(3 * 256 * 256, dtype=torch.int32).remainder(254).add(1).to(torch.uint8).view(1, 3, 256, 256)
    corrupted = ImpulseNoise()(images, severity, torch.tensor([5]))
    changed = corrupted != images
    assert set(corrupted[changed].tolist()) == {0, 255}

    def within_noise(found: torch.Tensor, ratio: float) -> bool:
        return abs(found.double().mean().item() - ratio) < 5 * np.sqrt(ratio * (1 - ratio) / found.numel())

    assert within_noise(changed, amount)
    assert within_noise(corrupted == 0, amount / 2)
    assert within_noise(changed[:, 0] & changed[:, 1], amount**2)


@severities
@pytest.mark.parametrize("level", [1, 60, 128, 255])
def test_speckle_is_noise_in_proportion_to_the_level(severity, level):
    images = torch.full((1, 1, 256, 256), level, dtype=torch.uint8)
    corrupted = SpeckleNoise()(images, severity, torch.tensor([3])).numpy().astype(float)
    factors = 1 + SpeckleNoise.severities["standard_deviation"][severity - 1] * compute_normal_quantiles().numpy()
    expected = np.floor((level * factors).clip(0, 255))
    assert abs(corrupted.mean() - expected.mean()) < 5 * expected.std() / 256
    assert corrupted.std() == pytest.approx(expected.std(), rel=0.015)


def test_black_has_no_speckle():
    images = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    assert not SpeckleNoise()(images, 5, torch.tensor([3])).any()


@severities
def test_impulses_are_as_many_as_words_allow(severity: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over every word of 16 bits once: half of the share becomes black, half white."""
    words = torch.arange(1 << 16, dtype=torch.int32).view(1, 1, 256, 256)
    monkeypatch.setattr("datamodules.corruptions.noise.draw_bits", lambda *_: words)
    corrupted = ImpulseNoise()(torch.full_like(words, 99, dtype=torch.uint8), severity, torch.tensor([5]))
    half = round(ImpulseNoise.severities["amount"][severity - 1] * (1 << 15))
    assert torch.bincount(corrupted.flatten().int(), minlength=256)[[0, 99, 255]].tolist() == [
        half,
        (1 << 16) - 2 * half,
        half,
    ]


@severities
@pytest.mark.parametrize("corruption", [ShotNoise(), ImpulseNoise(), SpeckleNoise()], ids=lambda one: one.name)
def test_has_the_distribution_of_the_reference(corruption: Corruption, severity):
    reference = pytest.importorskip("imagecorruptions")
    image = pytest.importorskip("skimage.data").astronaut()[:160, 100:292]
    planes = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None]
    np.random.seed(severity)  # noqa: NPY002 (what the reference draws from)

    def statistics(corrupted: np.ndarray) -> tuple[float, float, float]:
        residual = corrupted.astype(float) - image
        psnr = 10 * np.log10(255**2 / np.mean(residual**2))
        return float(corrupted.mean()), float(residual.std()), float(psnr)

    own = corruption.name == "impulse_noise"  # it draws from a generator of its own
    options = [{"seed": draw} if own else {} for draw in range(8)]
    theirs = [statistics(reference.corrupt(image, severity, corruption.name, **option)) for option in options]
    drawn = [corruption(planes, severity, torch.tensor([key]))[0].permute(1, 2, 0).numpy() for key in range(8)]
    mine = np.array([statistics(one) for one in drawn])
    spread = np.sqrt((np.var(theirs, 0, ddof=1) + mine.var(0, ddof=1)) / 8)
    assert (np.abs(np.mean(theirs, 0) - mine.mean(0)) < 4.5 * spread).all()
