from dataclasses import replace

import torch

from lightning_modules.batch_transforms.operations.drawn import apply_to_batch, draw_operations
from lightning_modules.batch_transforms.operations.spaces import TRIVIAL_AUGMENT
from lightning_modules.batch_transforms.trivial_augment import TrivialAugment
from lightning_modules.training_batch import read_training_batch


def test_an_image_has_one_operation_of_one_of_31_magnitudes() -> None:
    image = torch.randint(0, 256, (40, 3, 12, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    given = read_training_batch({"image": image, "mask": image[:, 0].long()})
    found = TrivialAugment()(given, torch.Generator().manual_seed(1))
    draw = torch.Generator().manual_seed(1)
    magnitude = torch.randint(31, (40,), generator=draw) / 30
    assert 15 < len(magnitude.unique()) <= 31
    drawn = draw_operations(TRIVIAL_AUGMENT, magnitude.expand(14, -1), draw)
    expected = apply_to_batch(replace(given, image=image / 255), TRIVIAL_AUGMENT, drawn)
    assert torch.equal(found.image, expected.image)
    mask = found.targets[0].targets["mask"]
    assert torch.equal(mask, expected.targets[0].targets["mask"])
    moves = torch.tensor([TRIVIAL_AUGMENT[one].moves for one in drawn.choice])
    assert torch.equal(mask[~moves], image[~moves, 0].long())
    assert (mask[moves] != image[moves, 0].long()).any()
    assert not TrivialAugment.keeps_targets
