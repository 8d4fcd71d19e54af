import numpy as np
import pytest
import torch
from scenes import keys, regions, scene

from datamodules.corruptions.kernels.soft_shapes import draw_between, draw_directions
from datamodules.corruptions.occlusion import (
    BackgroundReplaced,
    BackgroundShuffled,
    CheckerboardCutout,
    DeadLines,
    DroppedRegions,
    Patches,
)
from user_error import UserError

WHITE = torch.full((30, 2, 64, 72), 255, dtype=torch.uint8)
KEYS = torch.arange(30)
severities = pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])


@severities
def test_an_exact_number_of_cells_is_dropped(severity):
    found = DroppedRegions()(WHITE, severity, KEYS)
    cells = found.view(30, 2, 8, 8, 8, 9)
    assert (cells == cells[..., :1, :, :1]).all()
    assert ((cells[:, 0, :, 0, :, 0] == 0).sum((1, 2)) == DroppedRegions.severities["dropped"][severity - 1]).all()
    lost = (found[:, 0] == 0).double().mean(0)
    assert lost.amax() < 1
    assert (lost > 0).double().mean() > 0.6


@severities
def test_lines_are_dead_from_end_to_end(severity):
    found = DeadLines()(WHITE, severity, KEYS)[:, 0]
    rows, columns = (found == 0).all(2), (found == 0).all(1)
    ratio = DeadLines.severities["share"][severity - 1]
    assert set(rows.sum(1).tolist()) == {0, max(1, round(ratio * 64))}
    assert set(columns.sum(1).tolist()) == {0, max(1, round(ratio * 72))}
    assert (rows.any(1) != columns.any(1)).all()
    assert 5 < rows.any(1).sum() < 25


@severities
def test_patches_cover_at_most_their_share(severity):
    found = Patches()(WHITE.expand(30, 2, 64, 72).clone(), severity, KEYS)
    covered = (found != 255).any(1).double().mean((1, 2))
    ratio = Patches.severities["share"][severity - 1]
    assert (covered < 1.35 * ratio).all()
    assert covered.mean() > 0.4 * ratio


BACKGROUND = [BackgroundReplaced, BackgroundShuffled]


@severities
@pytest.mark.parametrize("kind", BACKGROUND)
@pytest.mark.parametrize("background", [None, [0, 2], [2]])
def test_the_foreground_and_what_is_ignored_stay(kind, severity, background):
    images, masks = scene(3, 3, 64, 72), regions(3, 64, 72)
    found, scored = kind(background).apply(images, masks, severity, keys(3))
    assert torch.equal(scored, masks)
    behind = torch.isin(masks, torch.tensor(background or [0]))
    changed = (found != images).any(1)
    assert not (changed & ~behind).any()
    assert changed.any() or background == [2]  # few tiles move within a narrow strip


def test_a_replaced_background_keeps_nothing_of_the_image():
    masks = regions(2, 64, 72)
    one, other = (
        BackgroundReplaced().apply(scene(2, 3, 64, 72) // divisor, masks, 5, keys(2))[0] for divisor in (1, 3)
    )
    behind = (masks == 0)[:, None].expand_as(one)
    assert torch.equal(one[behind], other[behind])


def test_a_shuffled_background_is_made_of_the_images_own_pixels():
    images, masks = scene(2, 1, 64, 72), torch.zeros(2, 64, 72, dtype=torch.int64)
    found, _ = BackgroundShuffled().apply(images, masks, 5, keys(2))
    assert torch.equal(found.flatten(1).sort(1).values, images.flatten(1).sort(1).values)
    tiles = (found != images).view(2, 8, 8, 8, 9).any(4).any(2)
    assert tiles.all()


@pytest.mark.parametrize("kind", BACKGROUND)
def test_without_a_mask(kind):
    with pytest.raises(UserError, match="by the mask"):
        kind()(scene(), 1, keys(1))
    with pytest.raises(UserError, match="hand it one of"):
        kind().apply(scene(), regions(1, 40, 40), 1, keys(1))


@pytest.mark.parametrize("kind", BACKGROUND)
@pytest.mark.parametrize("background", [[], [255], [0, -1]])
def test_background_is_made_of_classes(kind, background):
    with pytest.raises(UserError, match="list ids of classes"):
        kind(background)


@pytest.mark.parametrize("severity", range(1, 6))
def test_half_of_a_checkerboard_is_drawn(severity):
    images = torch.full((200, 1, 40, 56), 7, dtype=torch.uint8)
    covered = CheckerboardCutout()(images, severity, keys(200)) == 128
    share = 0.1 * (2, 3, 4, 5, 6)[severity - 1] / 2
    assert abs(covered.double().mean().item() - share) < 0.015


def test_cells_of_a_checkerboard_are_squares_of_one_parity():
    size, drawn = (40, 56), keys(3)
    covered = (CheckerboardCutout()(scene(3, 1, *size), 5, drawn) == 128)[:, 0].numpy()
    angles = np.arctan2(*draw_directions(drawn, (1,), 0).flip(0).double().numpy())[:, 0]
    sides = draw_between(0.1, 0.25, drawn, (1,), 1).double().numpy()[:, 0] * size[0]
    y, x = np.mgrid[: size[0], : size[1]]
    for image, (angle, side) in enumerate(zip(angles, sides, strict=True)):
        down = np.floor((np.cos(angle) * y + np.sin(angle) * x) / side)
        right = np.floor((np.cos(angle) * x - np.sin(angle) * y) / side)
        for cell in {*zip(down.ravel(), right.ravel(), strict=True)}:
            inside = covered[image][(down == cell[0]) & (right == cell[1])]
            level = scene(3, 1, *size)[image, 0].numpy()[(down == cell[0]) & (right == cell[1])]
            drawn_here = inside.all()
            assert drawn_here or (inside == (level == 128)).all()
            assert not drawn_here or sum(cell) % 2 == 0 or (level == 128).all()
