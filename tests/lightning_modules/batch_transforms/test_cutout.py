from typing import Any

import pytest
import torch

from lightning_modules.batch_transforms.cutout import CutOut
from lightning_modules.batch_transforms.mixup import Mixup
from lightning_modules.labels import IGNORED
from lightning_modules.training_batch import TrainingBatch, read_training_batch
from user_error import UserError

B, H, W = 6, 40, 56


def batch(dtype: torch.dtype = torch.uint8) -> TrainingBatch:
    """Bright pixels, whose mean is none of their levels."""
    levels = torch.randint(0, 2, (B, 3, H, W), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)) * 200
    image = levels if dtype == torch.uint8 else levels / 255
    return read_training_batch(
        {
            "image": image,
            "mask": levels[:, 0].long() // 200,
            "vessels": levels[:, 1] // 200,
            "normal": levels.movedim(1, 3) / 255,
            "label": torch.arange(B),
            "place": [f"place {index}" for index in range(B)],
            "kinds": {"vessels": "classes", "normal": "continuous", "label": "whole", "place": "whole"},
        }
    )


def cover(given: TrainingBatch, seed: int = 0, **settings: Any) -> TrainingBatch:
    return CutOut(**settings)(given, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_a_square_has_the_mean_colour_of_the_batch_and_the_rest_stays(dtype: torch.dtype) -> None:
    given = batch(dtype)
    found = cover(given)
    assert found.image.dtype == dtype
    inside = (found.image != given.image).all(1)
    unit = 1 if dtype == torch.uint8 else 255
    for channel in range(3):
        mean = (given.image[:, channel].double() * unit).mean()
        covered = found.image[:, channel][inside].double() * unit
        assert (covered - mean).abs().max() <= (0.5 if dtype == torch.uint8 else 1e-3)
        assert torch.equal(found.image[:, channel][~inside], given.image[:, channel][~inside])
    for one in inside:
        rows, columns = one.any(1).nonzero().flatten(), one.any(0).nonzero().flatten()
        window = one[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert window.all()
        assert min(window.shape) >= H // 4
        assert max(window.shape) <= H // 2
    assert found.targets is given.targets


def test_covered_pixels_may_be_ignored() -> None:
    """Those of the image's own square alone, in every set of targets; the whole image keeps its label."""
    given = Mixup(1.0)(batch(), torch.Generator().manual_seed(5))
    found = cover(given, covered="ignored")
    inside = (found.image != given.image).any(1)
    assert inside.flatten(1).any(1).all()
    for (weight, targets), (expected, before) in zip(found.targets, given.targets, strict=True):
        assert weight == expected
        assert torch.equal(targets["mask"], torch.where(inside, IGNORED, before["mask"]))
        assert torch.equal(targets["vessels"], torch.where(inside, IGNORED, before["vessels"]))
        assert torch.equal(targets["normal"].isnan(), inside[..., None].expand(-1, -1, -1, 3))
        assert torch.equal(targets["normal"][~inside], before["normal"][~inside])
        assert torch.equal(targets["label"], before["label"])
        assert targets["place"] == before["place"]
    assert not CutOut(covered="ignored").keeps_targets
    assert CutOut().keeps_targets


def test_only_some_images_are_covered() -> None:
    given = batch()
    assert torch.equal(cover(given, probability=0.0).image, given.image)
    covered = sum(
        int((cover(given, seed, probability=0.3).image != given.image).flatten(1).any(1).sum()) for seed in range(100)
    )
    assert covered / (100 * B) == pytest.approx(0.3, abs=4 * (0.3 * 0.7 / (100 * B)) ** 0.5)


def test_squares_lie_anywhere() -> None:
    changed = torch.stack([cover(batch(), seed).image != batch().image for seed in range(60)]).any(2)
    share = changed.flatten(0, 1).float().mean(0)
    assert share.min() > 0  # corners too
    assert share[0, 0] < 0.5 * share[H // 2, W // 2]  # of which a fourth reaches


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"probability": -0.1}, "the probability of CutOut is -0.1"),
        ({"side": (0.5, 0.2)}, r"the side of CutOut is \[0.5, 0.2\]"),
        ({"covered": "black"}, "covered pixels of CutOut are to be 'black': give kept or ignored"),
    ],
)
def test_refused_settings(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(UserError, match=named):
        CutOut(**settings)
