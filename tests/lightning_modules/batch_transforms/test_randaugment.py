from dataclasses import replace

import pytest
import torch
from torchvision.transforms import v2

from lightning_modules.batch_transforms.operations.drawn import apply_to_batch, draw_operations
from lightning_modules.batch_transforms.operations.spaces import LEVELS, RANDAUGMENT, TRIVIAL_AUGMENT
from lightning_modules.batch_transforms.randaugment import RandAugment
from lightning_modules.training_batch import read_training_batch
from user_error import UserError

NAMES = {
    "identity": "Identity", "autocontrast": "AutoContrast", "equalize": "Equalize", "posterize": "Posterize",
    "solarize": "Solarize", "brightness": "Brightness", "contrast": "Contrast", "colour": "Color",
    "sharpness": "Sharpness", "rotate": "Rotate", "shear_x": "ShearX", "shear_y": "ShearY",
    "translate_x": "TranslateX", "translate_y": "TranslateY",
}  # fmt: skip
SPACES = {"randaugment": (RANDAUGMENT, v2.RandAugment), "trivial_augment": (TRIVIAL_AUGMENT, v2.TrivialAugmentWide)}
SIDE = 224  # where the paper's 32 pixels are a seventh of the image


@pytest.mark.parametrize("space", SPACES)
def test_operations_and_ranges_are_torchvisions(space: str) -> None:
    ours, reference = SPACES[space]
    theirs = reference._AUGMENTATION_SPACE
    assert {NAMES[one.name] for one in ours} == set(theirs)
    magnitude = torch.arange(LEVELS + 1) / LEVELS
    for one in ours:
        make, signed = theirs[NAMES[one.name]]
        expected = make(LEVELS + 1, SIDE, SIDE)
        assert signed == one.signed
        if expected is not None:
            found = one.compute_strength(magnitude, torch.ones(LEVELS + 1))
            found = found * SIDE if "translate" in one.name else found
            found = found.round() if one.name == "posterize" else found
            torch.testing.assert_close(found, expected.float(), atol=1e-4, rtol=1e-5)


def test_a_magnitude_of_zero_keeps_what_has_a_strength() -> None:
    """Images whose channels are already even in their histograms and reach both ends stay as they are."""
    levels = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).repeat(4, 3, 1, 1)
    given = read_training_batch({"image": levels, "mask": levels[:, 0].long()})
    found = RandAugment(1, 0.0)(given, torch.Generator().manual_seed(0))
    inside = levels < 255  # solarize inverts white at any strength
    torch.testing.assert_close(found.image[inside], levels[inside] / 255)
    assert torch.equal(found.targets[0].targets["mask"], levels[:, 0].long())


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"number": 0}, "number of operations of RandAugment is 0"),
        ({"magnitude": 31}, "magnitude of RandAugment is 31: give a number from 0 to 30"),
        ({"magnitude": -1.0}, "magnitude of RandAugment is -1.0"),
    ],
)
def test_refused_settings(settings: dict, named: str) -> None:
    with pytest.raises(UserError, match=named):
        RandAugment(**settings)


@pytest.mark.parametrize("number", [1, 3])
def test_operations_follow_each_other(number: int) -> None:
    draw = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (6, 3, 12, 16), dtype=torch.uint8, generator=draw)
    given = read_training_batch({"image": image, "mask": image[:, 0].long()})
    found = RandAugment(number, 20.0)(given, torch.Generator().manual_seed(1))
    magnitudes = torch.full((len(RANDAUGMENT), number, 6), 2 / 3)
    expected = replace(given, image=image / 255)
    for one in draw_operations(RANDAUGMENT, magnitudes, torch.Generator().manual_seed(1)).split():
        expected = apply_to_batch(expected, RANDAUGMENT, one)
    assert torch.equal(found.image, expected.image)
    assert torch.equal(found.targets[0].targets["mask"], expected.targets[0].targets["mask"])
    assert not RandAugment.keeps_targets
