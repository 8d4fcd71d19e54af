"""The class of a pixel is that of the largest logit, the first of equals, in every layout of memory."""

import pytest
import torch

from lightning_modules.labels import find_classes


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("classes", [1, 2, 19])
def test_classes_of_logits(classes: int, dtype: torch.dtype) -> None:
    """As NumPy finds them, among ties, excluded classes and overflows."""
    draw = torch.Generator().manual_seed(0)
    logits = torch.randint(-2, 3, (2, classes, 13, 7), generator=draw).to(dtype)
    logits[torch.rand(logits.shape, generator=draw) < 0.2] = -torch.inf
    logits[torch.rand(logits.shape, generator=draw) < 0.05] = torch.inf
    expected = torch.from_numpy(logits.double().numpy().argmax(1))
    for layout in (logits, logits.contiguous(memory_format=torch.channels_last)):
        found = find_classes(layout)
        assert found.dtype == torch.int64
        assert torch.equal(found, expected)
