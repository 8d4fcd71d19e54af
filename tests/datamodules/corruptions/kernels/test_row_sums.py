import pytest
import torch

from datamodules.corruptions.kernels.row_sums import sum_rows

GENERATOR = torch.Generator().manual_seed(5)
PLACES = torch.randint(0, 40, (30, 7), dtype=torch.int32, generator=GENERATOR)
WEIGHTS = torch.randn(30, 7, generator=GENERATOR)

widths = pytest.mark.parametrize("width", [1, 3, 16, 24, 47, 200])


@widths
def test_is_a_weighted_sum(width):
    rows = torch.randn(40, width, generator=GENERATOR)
    expected = (rows.double()[PLACES.long()] * WEIGHTS.double()[..., None]).sum(1)
    assert torch.allclose(sum_rows(rows, PLACES, WEIGHTS).double(), expected, atol=1e-5)


@widths
def test_a_sum_depends_on_its_rows_alone(width):
    """Bit for bit: neither on how many sums there are, nor on what lies beside a number."""
    rows = torch.randn(40, width, generator=GENERATOR)
    together = sum_rows(rows, PLACES, WEIGHTS)
    for at in (0, 13, 29):
        assert torch.equal(sum_rows(rows, PLACES[at : at + 1], WEIGHTS[at : at + 1])[0], together[at])
    for column in (0, width // 2, width - 1):
        assert torch.equal(
            sum_rows(rows[:, column : column + 1].contiguous(), PLACES, WEIGHTS)[:, 0], together[:, column]
        )
