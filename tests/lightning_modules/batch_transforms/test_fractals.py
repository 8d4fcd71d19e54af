import torch

from lightning_modules.batch_transforms import fractals
from lightning_modules.batch_transforms.fractals import draw_fractals, draw_systems, find_fractals

CPU = torch.device("cpu")


def test_pictures_follow_from_number_and_seed_alone() -> None:
    state = torch.get_rng_state()
    one = draw_fractals(3, 5, 64)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(one, find_fractals(3, 5, CPU, 64))
    assert torch.equal(torch.get_rng_state(), state)
    other = draw_fractals(3, 6, 64)
    assert one.shape == other.shape == (3, 3, 64, 64)
    assert one.dtype == torch.uint8
    assert (one.float() - other).abs().flatten(1).mean(1).min() > 5


def test_a_bank_is_drawn_once() -> None:
    assert find_fractals(2, 0, CPU, 32) is find_fractals(2, 0, CPU, 32)
    assert find_fractals(2, 0, CPU, 32) is not find_fractals(2, 1, CPU, 32)


def test_every_map_contracts_and_the_unused_are_never_chosen() -> None:
    systems = draw_systems(300, torch.Generator().manual_seed(0))
    used = systems.chance > 0
    assert sorted(set(used.sum(1).tolist())) == list(range(fractals.MAPS[0], fractals.MAPS[1] + 1))
    largest = torch.linalg.svdvals(systems.matrix)[..., 0][used]
    assert largest.max() <= fractals.STRONGEST + 1e-5
    assert (systems.matrix.det() < 0).float().mean().sub(0.5).abs() < 0.05  # reflections


def test_points_are_those_of_the_chaos_game() -> None:
    """Of one system of three maps, the Sierpinski triangle, in whose middle no point comes to lie."""
    corners = torch.tensor([[0.0, 0.0], [0.5, 0.0], [0.25, 0.5]])
    unused = fractals.MAPS[1] - 3
    systems = fractals.Systems(
        torch.eye(2).mul(0.5).repeat(1, fractals.MAPS[1], 1, 1),
        torch.cat((corners, torch.zeros(unused, 2)))[None],
        torch.tensor([[1.0] * 3 + [0.0] * unused]),
        torch.tensor([[0.0, 0.5, 1.0] + [9.0] * unused]),
    )
    counts, colours = fractals._play(systems, 64, torch.Generator().manual_seed(0))
    assert counts.sum() > 0.9 * fractals.STEPS * fractals.WALKERS
    share = (counts > 0).float().mean()
    assert 0.1 < share < 0.35  # a line would have less, an even cloud everything
    assert not counts[0, 12:26, 28:36].any()  # the hole in its middle, below which two corners lie
    assert colours.max() <= 1
    assert colours[0, :8, :8].sum() / (counts[0, :8, :8] > 0).sum() < 0.2  # the corner of the first map has its colour


def test_pictures_are_rich() -> None:
    """None is empty, and most have a structure beside the gradient and colours apart from grey."""
    pictures = draw_fractals(12, 0, 128).float()
    edges = (pictures[..., 1:] - pictures[..., :-1]).abs().amax(1)
    share = (edges > 16).flatten(1).float().mean(1)
    assert share.min() > 0.005
    assert share.median() > 0.05
    assert (pictures.amax(1) - pictures.amin(1)).mean() > 40
