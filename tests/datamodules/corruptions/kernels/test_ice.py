import pytest
import torch
from threads import threads

from datamodules.corruptions.kernels.ice import DEVIATION, MEAN, PLATES, SIZE, TINT, _standardise, draw_plate


@pytest.mark.parametrize("number", range(len(PLATES)))
def test_statistics(number):
    """Cold, bright and rich in contrast like the photographs: means 91 to 207, standard deviations 23 to 44."""
    ice = draw_plate(number).double()
    assert ice.shape == (3, *SIZE)
    means = ice.mean((1, 2))
    assert (means - (MEAN + torch.tensor(TINT))).abs().max() < 0.5
    assert means[0] < means[1] < means[2]
    assert 91 < ice.mean() < 207
    assert abs(ice.mean(0).std() - DEVIATION) < 0.5
    assert 23 < DEVIATION < 44


def test_is_made_of_fine_bright_lines():
    """Bright within a pixel or two and dark beside: unlike fog, whose neighbours are alike."""
    for number in range(len(PLATES)):
        ice = draw_plate(number).double().mean(0)
        apart = [(ice[:, distance:] - ice[:, :-distance]).square().mean() for distance in (1, 6, 100)]
        assert apart[0] < apart[1] < 2 * DEVIATION**2
        assert apart[1] > 0.4 * apart[2]


def test_windows_differ():
    windows = torch.stack([draw_plate(number).double().mean(0).flatten() for number in range(len(PLATES))])
    correlations = torch.corrcoef(windows) - torch.eye(len(PLATES))
    assert correlations.abs().max() < 0.5


def test_standard_does_not_depend_on_the_number_of_threads():
    relief = torch.rand(600, 700, generator=torch.Generator().manual_seed(1)) ** 3
    results = []
    for number in (1, 2, 3):
        with threads(number):
            results.append(_standardise(relief))
    assert all(torch.equal(result, results[0]) for result in results)
    assert results[0].mean().abs() < 1e-3
    assert abs(results[0].std() - 1) < 1e-3
