"""Words: their number, their letters, and that they lie within the image."""

import torch
from scenes import keys, scene
from scipy.ndimage import label

from datamodules.corruptions.characters import Characters


def test_a_word_has_three_to_six_letters_on_a_line() -> None:
    images = scene(60, 3, 96, 160)
    changed = (Characters()(images, 1, keys(60)) != images).any(1)
    rows = changed.any(2)
    assert (changed.flatten(1).sum(1) > 10).all()
    assert (rows.sum(1) <= round(0.07 * 96)).all()
    wide = changed.any(1).int()
    length = (wide * torch.arange(160)).amax(1) - wide.argmax(1) + 1
    assert length.max() <= 6 * 5
    assert length.min() < 3 * 5 + 1
    assert max(label(rows[image].numpy())[1] for image in range(60)) <= 2  # the dot of an i or a j


def test_letters_are_spread_over_the_image_and_of_all_colours() -> None:
    grey = torch.full((300, 3, 64, 96), 128, dtype=torch.uint8)
    found = Characters()(grey, 5, keys(300))
    covered = (found != 128).any(1).double().mean(0)
    assert (covered[2:-2, 4:-4] > 0).all()
    assert found.min() < 10
    assert found.max() > 245
    assert not torch.equal(found[:, 0], found[:, 1])
