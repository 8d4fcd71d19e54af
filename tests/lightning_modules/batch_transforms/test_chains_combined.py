"""Chains of operations with transforms that mix images, in either order."""

import itertools
from collections.abc import Mapping
from typing import Any

import pytest
import torch

from lightning_modules.batch_transforms.augmix import AugMix
from lightning_modules.batch_transforms.base import BatchTransform
from lightning_modules.batch_transforms.cutmix import CutMix
from lightning_modules.batch_transforms.mixup import Mixup
from lightning_modules.batch_transforms.pixmix import PixMix
from lightning_modules.batch_transforms.randaugment import RandAugment
from lightning_modules.batch_transforms.trivial_augment import TrivialAugment
from lightning_modules.training_batch import TrainingBatch, read_training_batch

B, H, W = 6, 12, 16
CHAINS: Mapping[str, BatchTransform] = {
    "augmix": AugMix(),
    "pixmix": PixMix(pictures=2),
    "randaugment": RandAugment(3, 25.0),
    "trivial_augment": TrivialAugment(),
}
MIXING: Mapping[str, BatchTransform] = {"cutmix": CutMix(1.0, (0.2, 0.6)), "mixup": Mixup(1.0)}
ORDERS = [order for chain in CHAINS for mixing in MIXING for order in itertools.permutations((chain, mixing))]


def batch() -> dict[str, Any]:
    """With targets of pixels that say the same, and some of whole images."""
    draw = torch.Generator().manual_seed(0)
    image = torch.randint(0, 200, (B, 3, H, W), dtype=torch.uint8, generator=draw)
    return {
        "image": image,
        "mask": image[:, 0].long(),
        "vessels": image[:, 1].clone(),
        "pixels": image.movedim(1, 3).float(),
        "label": torch.arange(B),
        "id": list("abcdef"),
        "kinds": {"vessels": "classes", "pixels": "continuous", "label": "whole"},
    }


def apply(names: tuple[str, ...]) -> TrainingBatch:
    found = read_training_batch(batch())
    for place, name in enumerate(names):
        found = {**CHAINS, **MIXING}[name](found, torch.Generator().manual_seed(place))
    return found


@pytest.mark.parametrize("names", ORDERS, ids="+".join)
def test_targets_of_a_set_agree(names: tuple[str, ...]) -> None:
    found = apply(names)
    assert found.image.isfinite().all()
    assert ((found.image >= 0) & (found.image <= 1)).all()
    assert len(found.targets) == 1 + ("mixup" in names)
    assert sum(weight for weight, _ in found.targets) == pytest.approx(1)
    for _, targets in found.targets:
        known = targets["mask"] != 255
        assert torch.equal(known, targets["vessels"] != 255)
        assert torch.equal(known[..., None].expand(-1, -1, -1, 3), ~targets["pixels"].isnan())
        assert torch.equal(targets["pixels"][known][:, 0].long(), targets["mask"][known])
        assert torch.equal(targets["pixels"][known][:, 1].long(), targets["vessels"][known].long())
        keeps = all(CHAINS[name].keeps_targets for name in names if name in CHAINS)
        assert known.all() == keeps


@pytest.mark.parametrize("chain", ["augmix", "pixmix"])
@pytest.mark.parametrize("mixing", MIXING)
def test_what_keeps_targets_leaves_those_of_the_mix(chain: str, mixing: str) -> None:
    alone, after = apply((mixing,)), apply((mixing, chain))
    for (weight, targets), (same, others) in zip(alone.targets, after.targets, strict=True):
        assert weight == same
        assert all(torch.equal(value, others[name]) for name, value in targets.items() if name != "label")
    assert not torch.equal(alone.image, after.image)


@pytest.mark.parametrize("name", CHAINS)
def test_precision_changes_nothing(name: str) -> None:
    """Under autocast of a training in 16 bits, and for images whose channels lie last in memory."""
    given = read_training_batch(batch())
    expected = CHAINS[name](given, torch.Generator().manual_seed(5)).image
    last = TrainingBatch(given.image.contiguous(memory_format=torch.channels_last), given.targets, given.kinds)
    with torch.autocast("cpu", torch.bfloat16):
        found = CHAINS[name](given, torch.Generator().manual_seed(5)).image
        moved = CHAINS[name](last, torch.Generator().manual_seed(5)).image
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)
    torch.testing.assert_close(moved, expected, atol=1e-6, rtol=1e-5)
