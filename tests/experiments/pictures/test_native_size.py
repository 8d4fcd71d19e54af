import numpy as np
import pytest
import torch
from torch.nn import functional as F

from experiments.pictures.native_size import interpolate_levels

SIZES = [((7, 9), (131, 97)), ((32, 24), (33, 211)), ((20, 30), (61, 140)), ((64, 48), (96, 72))]


@pytest.mark.parametrize(("seen", "own"), SIZES)
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_strips_are_the_whole(
    seen: tuple[int, int], own: tuple[int, int], memory_format, monkeypatch: pytest.MonkeyPatch
) -> None:
    logits = torch.randn(1, 5, *seen, generator=torch.Generator().manual_seed(0)).contiguous(
        memory_format=memory_format
    )
    whole = F.interpolate(logits, own, mode="bilinear").argmax(1)[0]
    for numbers in (1, 5 * own[0] * 7, 2**26):  # one column, seven of them, all
        monkeypatch.setattr("experiments.pictures.native_size.NUMBERS", numbers)
        np.testing.assert_array_equal(interpolate_levels(own, logits, lambda part: part.argmax(1)[0]), whole)


@pytest.mark.parametrize(("seen", "own"), [((7, 9), (131, 197)), ((40, 20), (257, 301)), ((64, 48), (133, 129))])
def test_every_number_is_the_same(seen: tuple[int, int], own: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """To the last bit, where the answer lies in memory row by row, and height and width exceed 128 together.

    Below, and for channels that lie side by side, torch adds the four products in another order.
    """
    values = torch.rand(1, 1, *seen, generator=torch.Generator().manual_seed(0))
    parts: list[torch.Tensor] = []

    def kept(part: torch.Tensor) -> torch.Tensor:
        parts.append(part[0, 0])
        return part[0, 0]

    monkeypatch.setattr("experiments.pictures.native_size.NUMBERS", own[0] * 7)
    interpolate_levels(own, values, kept)
    assert len(parts) > 1
    assert torch.equal(torch.cat(parts, 1), F.interpolate(values, own, mode="bilinear")[0, 0])


def test_at_its_own_size_nothing_is_interpolated(monkeypatch: pytest.MonkeyPatch) -> None:
    logits = torch.randn(1, 3, 11, 13, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr("experiments.pictures.native_size.NUMBERS", 3 * 13 * 4)
    found = interpolate_levels((11, 13), logits, lambda part: part.argmax(1)[0])
    np.testing.assert_array_equal(found, logits.argmax(1)[0])
