"""One contract for every batch transform YAML, and what holds for all that blend or paste images."""

import copy
import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import ROOT
from jsonargparse import ArgumentParser

from lightning_modules.batch_transforms.base import BatchTransform
from lightning_modules.batch_transforms.cutmix import CutMix
from lightning_modules.batch_transforms.mixup import Mixup
from lightning_modules.images import to_unit_range
from lightning_modules.training_batch import TrainingBatch, read_training_batch

PATHS = sorted((ROOT / "experiments/configs/batch_transform").glob("*.yaml"))
B, H, W = 5, 36, 40  # corruptions are defined from 32 pixels on


def batch() -> dict[str, Any]:
    """With targets of every kind that say what the image says; the whole of one is unknown."""
    draw = torch.Generator().manual_seed(0)
    image = torch.randint(0, 200, (B, 3, H, W), dtype=torch.uint8, generator=draw)
    found = {
        "image": image,
        "mask": image[:, 0].long(),
        "vessels": image[:, 1].clone(),
        "pixels": (image.float() / 255).movedim(1, 3).contiguous(),
        "label": torch.arange(B),
        "age": torch.arange(B).float(),
        "place": [f"place {index}" for index in range(B)],
        "id": list("abcde"),
    }
    kinds = {"vessels": "classes", "pixels": "continuous", "label": "whole", "age": "whole", "place": "whole"}
    return {**found, "kinds": kinds}


def made(path: Path) -> BatchTransform:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(BatchTransform, "one")
    return parser.instantiate(parser.parse_args([f"--one={path}"])).one


def assert_same(one: TrainingBatch, other: TrainingBatch) -> None:
    torch.testing.assert_close(one.image, other.image, rtol=0, atol=0)
    for (weight, targets), (wanted, expected) in zip(one.targets, other.targets, strict=True):
        assert weight == wanted
        for name, value in targets.items():
            if isinstance(value, torch.Tensor):
                torch.testing.assert_close(value, expected[name], rtol=0, atol=0, equal_nan=True)
            else:
                assert value == expected[name]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_batch_transform(path: Path) -> None:
    """It draws from its generator alone, leaves its batch as it was, and keeps every target at its size."""
    transform, given = made(path), read_training_batch(batch())
    before = copy.deepcopy(given)
    state = torch.get_rng_state()
    found = transform(given, torch.Generator().manual_seed(3))
    assert torch.equal(state, torch.get_rng_state())
    assert_same(given, before)
    assert_same(found, transform(given, torch.Generator().manual_seed(3)))
    drawn = [transform(given, torch.Generator().manual_seed(seed)) for seed in range(4)]
    assert any(not torch.equal(to_unit_range(one.image), to_unit_range(drawn[0].image)) for one in drawn)
    assert found.kinds == given.kinds
    assert found.image.shape == given.image.shape
    assert sum(weight for weight, _ in found.targets) == pytest.approx(1)
    for _, targets in found.targets:
        assert targets.keys() == given.targets[0].targets.keys()
        for name, value in given.targets[0].targets.items():
            assert len(targets[name]) == B
            if isinstance(value, torch.Tensor):
                assert targets[name].shape == value.shape
                assert targets[name].dtype == value.dtype


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_precision_changes_nothing(path: Path) -> None:
    """Under autocast of a training in 16 bits, and for images whose channels lie last in memory."""
    transform, given = made(path), read_training_batch(batch())
    expected = transform(given, torch.Generator().manual_seed(5)).image
    last = replace(given, image=given.image.contiguous(memory_format=torch.channels_last))
    with torch.autocast("cpu", torch.bfloat16):
        found = transform(given, torch.Generator().manual_seed(5)).image
        moved = transform(last, torch.Generator().manual_seed(5)).image
    assert found.dtype == moved.dtype == expected.dtype
    assert torch.equal(found, expected)
    torch.testing.assert_close(to_unit_range(moved), to_unit_range(expected), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_one_image_stays_as_it_is_where_images_are_mixed(path: Path) -> None:
    transform = made(path)
    given = read_training_batch({name: value if name == "kinds" else value[:1] for name, value in batch().items()})
    alone = [transform(given, torch.Generator().manual_seed(seed)).image for seed in range(8)]
    kept = [torch.equal(to_unit_range(one), to_unit_range(given.image)) for one in alone]
    assert all(kept) == transform.mixes_images


METHODS = {"cutmix": CutMix(1.0, (0.2, 0.6)), "mixup": Mixup(1.0)}
LISTS = [names for number in (1, 2, 3) for names in itertools.product(METHODS, repeat=number)]


@pytest.mark.parametrize("names", LISTS, ids="+".join)
def test_every_target_moves_with_its_image(names: tuple[str, ...]) -> None:
    """In any order: the image is the blend of what its targets say, and the targets of a set agree."""
    found = read_training_batch(batch())
    for place, name in enumerate(names):
        found = METHODS[name](found, torch.Generator().manual_seed(place))
    assert len(found.targets) == 2 ** names.count("mixup")
    blend = torch.stack([weight * targets["pixels"] for weight, targets in found.targets]).sum(0)
    torch.testing.assert_close(to_unit_range(found.image), blend.movedim(3, 1))
    for _, targets in found.targets:
        levels = (targets["pixels"] * 255).round().long()
        assert torch.equal(levels[..., 0], targets["mask"])
        assert torch.equal(levels[..., 1], targets["vessels"].long())
        known = targets["label"] != 255
        assert torch.equal(targets["age"].isnan(), ~known)
        for index in known.nonzero().flatten().tolist():  # nothing was pasted into it since it was that image
            label = int(targets["label"][index])
            assert targets["age"][index] == label
            assert targets["place"][index] == f"place {label}"
            assert torch.equal(targets["mask"][index], batch()["mask"][label])


KEEPING = [path for path in PATHS if made(path).keeps_targets]


@pytest.mark.parametrize("first", [True, False], ids=["before", "behind"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", KEEPING, ids=lambda path: path.stem)
def test_what_keeps_targets_keeps_them(path: Path, method: str, first: bool) -> None:
    """In any order with what mixes: the targets are those of mixing alone; what blends images makes floats of them."""
    kept, mixing, given = made(path), METHODS[method], read_training_batch(batch())
    alone = mixing(given, torch.Generator().manual_seed(1))
    changed = []
    for seed in range(4):
        found = given
        for transform, draw in [(kept, seed), (mixing, 1)] if first else [(mixing, 1), (kept, seed)]:
            found = transform(found, torch.Generator().manual_seed(draw))
        assert_same(replace(found, image=alone.image), alone)
        assert found.image.dtype in (alone.image.dtype, torch.float32)
        assert 0 <= to_unit_range(found.image).min() <= to_unit_range(found.image).max() <= 1
        assert to_unit_range(found.image).min() >= 0
        assert to_unit_range(found.image).max() <= 1
        changed.append(not torch.equal(found.image, alone.image))
    assert any(changed)


def test_those_against_corruptions_keep_targets() -> None:
    """As the mixing ones do not; a cover may have them ignored."""
    kept = {path.stem for path in KEEPING}
    assert kept >= {"gaussian_noise", "speckle_noise", "patch_gaussian", "cutout", "corrupted"}
    assert not kept & {*METHODS}
