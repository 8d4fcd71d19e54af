from typing import Any

import pytest
import torch
from torch import Tensor

from datamodules.corruptions.depth import Fog3D
from datamodules.corruptions.digital import JpegCompression
from datamodules.corruptions.geometric import RotationMaskMoved
from datamodules.corruptions.noise import GaussianNoise
from datamodules.corruptions.occlusion import BackgroundReplaced
from lightning_modules.batch_transforms.corrupted import Corrupted
from lightning_modules.training_batch import TrainingBatch, read_training_batch
from user_error import UserError

H, W = 40, 48


class Noting:
    """Fills images with one level, and notes what it is handed."""

    moves_masks = False
    reads_masks = False
    needs: tuple[str, ...] = ()

    def __init__(self, name: str, level: int) -> None:
        self.name = name
        self.level = level
        self.met: list[tuple[int, list[int]]] = []

    def apply(self, images: Tensor, masks: Tensor, severity: int, keys: Tensor) -> tuple[Tensor, Tensor]:
        assert images.dtype == torch.uint8
        assert keys.dtype == torch.int64
        assert len(images) == len(masks) == len(keys)
        self.met.append((severity, keys.tolist()))
        return torch.full_like(images, self.level + severity), masks


def batch(number: int, dtype: torch.dtype = torch.uint8) -> TrainingBatch:
    levels = torch.randint(100, 156, (number, 3, H, W), generator=torch.Generator().manual_seed(0))
    image = levels.to(dtype) if dtype == torch.uint8 else levels / 255 + 0.001
    return read_training_batch({"image": image, "mask": torch.zeros(number, H, W, dtype=torch.long)})


def corrupt(given: TrainingBatch, *corruptions: Any, seed: int = 0, **settings: Any) -> Tensor:
    found = Corrupted([*corruptions], **settings)(given, torch.Generator().manual_seed(seed))
    assert found.targets is given.targets
    assert found.image.dtype == given.image.dtype
    return found.image


def test_each_image_meets_its_own_corruption_and_severity_or_none() -> None:
    one, other, given = Noting("one", 10), Noting("other", 20), batch(800)
    found = corrupt(given, one, other, severity=(2, 4), probability=0.75)
    levels = found[:, 0, 0, 0]
    changed = (found != given.image).flatten(1).any(1)
    assert torch.equal(found[~changed], given.image[~changed])
    assert (found[changed].flatten(1) == levels[changed, None]).all()
    counts = {level: int((levels[changed] == level).sum()) for level in levels[changed].unique().tolist()}
    assert counts.keys() == {12, 13, 14, 22, 23, 24}
    assert changed.float().mean().item() == pytest.approx(0.75, abs=4 * (0.75 * 0.25 / 800) ** 0.5)
    for number in counts.values():
        assert number == pytest.approx(100, abs=40)
    keys = [key for noting in (one, other) for _, some in noting.met for key in some]
    assert len(set(keys)) == len(keys) == int(changed.sum())
    assert min(keys) < 0 < max(keys)
    assert len(one.met) + len(other.met) == 6  # calls


def test_an_image_is_what_a_sweep_shows() -> None:
    """Noise of the severity's strength, and compression without a draw, bit for bit; by the keys that were drawn."""
    given = batch(12)
    found = corrupt(given, GaussianNoise(), severity=(3, 3), probability=1.0)
    noise = found.double() - given.image.double() + 0.5  # the corruption rounds down
    assert noise.std().item() == pytest.approx(255 * 0.18, rel=0.02)
    compressed = corrupt(given, JpegCompression(), severity=(5, 5), probability=1.0)
    assert torch.equal(compressed, JpegCompression()(given.image, 5, torch.zeros(12, dtype=torch.int64)))


def test_floats_are_rounded_where_they_are_corrupted() -> None:
    given = batch(40, torch.float32)
    found = corrupt(given, JpegCompression(), severity=(1, 1))
    changed = (found != given.image).flatten(1).any(1)
    assert 0 < changed.sum() < 40
    assert torch.equal(found[~changed], given.image[~changed])
    levels = (given.image[changed] * 255).round().to(torch.uint8)
    expected = JpegCompression()(levels, 1, torch.zeros(len(levels), dtype=torch.int64))
    torch.testing.assert_close(found[changed], expected / 255)


def test_probability_0_is_the_identity() -> None:
    given = batch(4)
    assert torch.equal(corrupt(given, GaussianNoise(), probability=0.0), given.image)


@pytest.mark.parametrize(
    ("corruptions", "settings", "named"),
    [
        ([], {}, "has no corruptions: list one or more"),
        ([RotationMaskMoved()], {}, "cannot take rotation_mask_moved, which moves the mask"),
        ([BackgroundReplaced()], {}, "cannot take background_replaced, which reads the mask of each pixel"),
        ([GaussianNoise(), Fog3D()], {}, "cannot take fog_3d, which reads the depth of each pixel"),
        ([GaussianNoise()], {"severity": (0, 5)}, r"severity of Corrupted is \[0, 5\]: give \[low, high\], whole"),
        ([GaussianNoise()], {"severity": (4, 2)}, r"\[4, 2\]"),
        ([GaussianNoise()], {"severity": (3,)}, r"\[3\]"),
        ([GaussianNoise()], {"probability": 2}, "the probability of Corrupted is 2"),
    ],
)
def test_refused_settings(corruptions: list[Any], settings: dict[str, Any], named: str) -> None:
    with pytest.raises(UserError, match=named):
        Corrupted(corruptions, **settings)


def test_a_corruption_that_moves_masks_unsaid_is_refused() -> None:
    class Moving(Noting):
        def apply(self, images: Tensor, masks: Tensor, severity: int, keys: Tensor) -> tuple[Tensor, Tensor]:
            return images, masks.flip(-1)

    with pytest.raises(UserError, match="cannot take flipped, which moves the mask"):
        corrupt(batch(8), Moving("flipped", 0))
