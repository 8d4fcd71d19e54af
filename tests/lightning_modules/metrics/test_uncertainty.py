"""Uncertainty maps against scipy, and what must hold of them."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy as scipy_entropy
from scipy.stats import mode

from lightning_modules.metrics.uncertainty import compute_uncertainty, entropy


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 5), st.integers(2, 6), st.integers(0, 99))
def test_maps_are_those_of_scipy(members: int, classes: int, seed: int) -> None:
    logits = 3 * torch.randn(members, 2, classes, 4, 3, generator=torch.Generator().manual_seed(seed))
    found = compute_uncertainty(iter(logits))
    chances = logits.double().softmax(2).numpy()
    complete = scipy_entropy(chances.mean(0), axis=1)
    np.testing.assert_allclose(found.entropy.numpy(), complete, atol=1e-5)
    np.testing.assert_allclose(
        found.mutual_information.numpy(), complete - scipy_entropy(chances, axis=2).mean(0), atol=1e-5
    )
    votes = mode(chances.argmax(2), axis=0).count
    np.testing.assert_allclose(found.disagreement.numpy(), 1 - votes / members, atol=1e-6)
    assert (found.mutual_information >= 0).all()
    assert (found.mutual_information <= found.entropy + 1e-5).all()


def test_members_that_agree_share_their_doubt() -> None:
    logits = torch.randn(1, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    found = compute_uncertainty([logits, logits, logits])
    assert found.entropy.min() > 0
    assert found.mutual_information.max() < 1e-6
    assert not found.disagreement.any()


def test_members_that_are_sure_of_different_classes() -> None:
    """All of the uncertainty is between them: ln 2 nats."""
    sure = torch.eye(2).view(2, 1, 2, 1, 1) * 100
    found = compute_uncertainty(sure)
    for part in found[:2]:
        torch.testing.assert_close(part, torch.full((1, 1, 1), np.log(2), dtype=torch.float32))
    torch.testing.assert_close(found.disagreement, torch.full((1, 1, 1), 0.5))


def test_certainty_has_no_entropy() -> None:
    assert not entropy(torch.tensor([1.0, 0.0]).view(1, 2, 1, 1)).any()


def test_someone_must_have_an_opinion() -> None:
    with pytest.raises(ValueError, match="no members"):
        compute_uncertainty([])
