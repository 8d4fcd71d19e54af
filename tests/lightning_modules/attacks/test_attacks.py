"""What every attack finds: images in the ball that are worse, and a network that is none the wiser."""

import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonargparse import ArgumentParser
from torch import Tensor, nn
from torch.nn import functional as F

from lightning_modules.attacks.ball import NORMS
from lightning_modules.attacks.base import Attack, compute_image_gradient
from lightning_modules.attacks.one_step import OneStep
from lightning_modules.attacks.pgd import STARTS, Pgd
from lightning_modules.attacks.pixel_losses import (
    FUNCTIONS,
    PIXEL_LOSSES,
    compute_cross_entropy,
    compute_jensen_shannon,
    compute_masked_cross_entropy,
)
from lightning_modules.attacks.segpgd import SegPgd
from user_error import UserError

K = 4
PATHS = sorted((ROOT / "experiments/configs/attack").glob("*.yaml"))


def made(path: Path, *words: str) -> Attack:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(Attack, "one")
    return parser.instantiate(parser.parse_args([f"--one={path}", *words])).one


def network() -> nn.Module:
    """A few convolutions with batch normalisation, in evaluation mode."""
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.Tanh(), nn.Conv2d(8, K, 3, padding=1))
    return layers.eval()


def images(number: int = 3) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(1)
    masks = torch.randint(0, K, (number, 12, 16), generator=draw)
    masks[:, :3] = 255
    x = torch.rand(number, 3, 12, 16, generator=draw)
    x[0, :, :6] = (x[0, :, :6] > 0.5).float()  # at the ends of the range
    return x, masks


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def lengths(difference: Tensor, norm: str) -> Tensor:
    flat = difference.flatten(1)
    return flat.abs().amax(1) if norm == "linf" else flat.norm(dim=1)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_an_attack_raises_the_loss_and_leaves_no_trace(path: Path, norm: str) -> None:
    attack = made(path, f"--one.norm={norm}", f"--one.eps={0.03 if norm == 'linf' else 0.5}")
    net, (x, masks) = network(), images()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    kept = x.clone()
    found = attack(net, x, masks, generator())
    assert lengths(found - x, norm).max() <= attack.eps + 1e-6
    assert found.min() >= 0
    assert found.max() <= 1
    assert not found.requires_grad
    assert F.cross_entropy(net(found), masks, ignore_index=255) > F.cross_entropy(net(x), masks, ignore_index=255)
    assert torch.equal(x, kept)
    assert all(parameter.grad is None for parameter in net.parameters())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert torch.equal(found, attack(net, x, masks, generator()))
    assert not torch.equal(found, attack(net, x, masks, generator(1)))


@settings(deadline=None, max_examples=40)
@given(
    eps=st.floats(0, 1),
    steps=st.integers(1, 4),
    norm=st.sampled_from(NORMS),
    start=st.sampled_from(STARTS),
    size=st.one_of(st.none(), st.floats(1e-3, 2)),
    kind=st.sampled_from([Pgd, SegPgd, OneStep]),
)
def test_the_result_stays_in_the_ball_and_in_range(
    eps: float, steps: int, norm: Any, start: Any, size: float | None, kind: Any
) -> None:
    attack = OneStep(eps, norm=norm) if kind is OneStep else kind(eps, steps, size, norm, start)
    x, masks = images()
    found = attack(network(), x, masks, generator())
    assert lengths(found - x, norm).max() <= eps + 1e-5
    assert found.min() >= 0
    assert found.max() <= 1
    if eps == 0:
        assert torch.equal(found, x)


def test_bytes_are_attacked_as_their_levels() -> None:
    levels = (images()[0] * 255).to(torch.uint8)
    masks = images()[1]
    assert torch.equal(Pgd()(network(), levels, masks, generator()), Pgd()(network(), levels / 255, masks, generator()))
    assert torch.equal(Pgd(0.0)(network(), levels, masks, generator()), levels / 255)


@pytest.mark.parametrize("loss", ["cross_entropy", "jensen_shannon"])
@pytest.mark.parametrize("norm", NORMS)
def test_more_steps_do_not_lower_the_loss_on_average(norm: Any, loss: Any) -> None:
    """The masked cross-entropy is no such loss: it drops where a pixel that was right becomes wrong."""
    net, (x, masks) = network(), images(8)
    eps = 0.05 if norm == "linf" else 1.0
    attacks = [Pgd(eps, steps, eps / 4, norm, "image", loss) for steps in (1, 2, 4, 8, 16)]
    reached = [FUNCTIONS[loss](net(attack(net, x, masks, generator())), masks).mean() for attack in attacks]
    reached.insert(0, FUNCTIONS[loss](net(x), masks).mean())
    assert all(later >= earlier for earlier, later in itertools.pairwise(reached))
    assert reached[-1] > reached[0]


@pytest.mark.parametrize("norm", NORMS)
def test_pgd_is_what_a_few_lines_say(norm: Any) -> None:
    net, (x, masks) = network(), images()
    eps, size = (0.04, 0.015) if norm == "linf" else (0.8, 0.3)
    z = x.clone()
    for _ in range(3):
        z.requires_grad_()
        (slope,) = torch.autograd.grad(F.cross_entropy(net(z), masks, ignore_index=255, reduction="sum"), z)
        change = z.detach() - x
        for image, towards in zip(change, slope, strict=True):
            image += size * (towards.sign() if norm == "linf" else towards / towards.norm())
            if norm == "linf":
                image.clamp_(-eps, eps)
            elif image.norm() > eps:
                image *= eps / image.norm()
        z = (x + change).clamp(0, 1)
    torch.testing.assert_close(Pgd(eps, 3, size, norm, "image")(net, x, masks, generator()), z, rtol=0, atol=2e-6)


def test_one_step_is_what_a_few_lines_say() -> None:
    net, (x, masks) = network(), images()
    eps = 8 / 255
    begun = (x + (2 * torch.rand(x.shape, generator=generator()) - 1) * eps).clamp(0, 1).requires_grad_()
    (slope,) = torch.autograd.grad(F.cross_entropy(net(begun), masks, ignore_index=255), begun)
    delta = (begun.detach() - x + 10 / 255 * slope.sign()).clamp(-eps, eps)
    torch.testing.assert_close(OneStep(eps)(net, x, masks, generator()), (x + delta).clamp(0, 1), rtol=0, atol=1e-6)


def test_the_weights_of_segpgd_shift_from_right_to_wrong_pixels() -> None:
    """lambda(t) = (t - 1) / 2T, of the wrong pixels, at each step t of T = 4."""
    logits = torch.zeros(1, K, 1, 3)
    logits[:, 2] = 3
    mask = torch.tensor([[[2, 1, 255]]])
    right, wrong, _ = F.cross_entropy(logits, mask, ignore_index=255, reduction="none").flatten()
    seen = []

    class Watching(SegPgd):
        def compute_pixel_losses(self, logits: Tensor, mask: Tensor, done: float) -> Tensor:
            seen.append(super().compute_pixel_losses(logits, mask, done).detach())
            return seen[-1] + logits.sum(1)

    Watching(steps=4)(lambda x: logits + 0 * x.sum(), torch.rand(1, 3, 1, 3), mask, generator())
    for t, losses in enumerate(seen, start=1):
        weight = (t - 1) / (2 * 4)
        expected = torch.tensor([[[(1 - weight) * right, weight * wrong, 0]]])
        torch.testing.assert_close(losses, expected)
    assert len(seen) == 4


def test_losses_of_pixels() -> None:
    (x, masks), net = images(), network()
    logits = net(x).detach() * 5
    p = logits.softmax(1)
    q = F.one_hot(masks.clamp(max=K - 1), K).movedim(-1, 1).float()
    middle = ((p + q) / 2).log()
    divergence = (F.kl_div(middle, p, reduction="none") + F.kl_div(middle, q, reduction="none")).sum(1) / 2
    labelled = masks != 255
    torch.testing.assert_close(compute_jensen_shannon(logits, masks), divergence * labelled, atol=1e-6, rtol=1e-5)
    entropy = F.cross_entropy(logits, masks, ignore_index=255, reduction="none")
    torch.testing.assert_close(compute_cross_entropy(logits, masks), entropy)
    masked = compute_masked_cross_entropy(logits, masks)
    right = logits.argmax(1) == masks
    assert right.any()
    torch.testing.assert_close(masked, entropy * right)
    sure = torch.zeros(1, 2, 1, 1)
    sure[:, 0] = 200
    labels = [torch.full((1, 1, 1), one) for one in (0, 1)]
    assert float(compute_jensen_shannon(sure, labels[0])) == pytest.approx(0, abs=1e-6)
    assert float(compute_jensen_shannon(sure, labels[1])) == pytest.approx(math.log(2))


@pytest.mark.parametrize("loss", PIXEL_LOSSES)
def test_ignored_pixels_do_not_enter(loss: Any) -> None:
    """Of a network that sees one pixel at a time, the image under them is not moved; their ids are no classes."""
    net, (x, masks) = nn.Conv2d(3, K, 1), images()
    found = Pgd(start="image", loss=loss)(net, x, masks, generator())
    assert torch.equal(found[:, :, :3], x[:, :, :3])
    assert not torch.equal(found[:, :, 3:], x[:, :, 3:])
    assert torch.equal(Pgd(start="image", loss=loss)(net, x, torch.full_like(masks, 255), generator()), x)


def test_a_generator_for_each_image_makes_it_independent_of_the_others() -> None:
    """As a condition of a sweep needs it."""
    net, (x, masks) = network(), images()
    for norm in NORMS:
        attack = Pgd(0.05, norm=norm)
        together = attack(net, x, masks, [generator(seed) for seed in (5, 6, 7)])
        alone = attack(net, x[1:2], masks[1:2], [generator(6)])
        torch.testing.assert_close(together[1:2], alone, rtol=0, atol=1e-6)


def test_members_and_weighted_masks_are_raised_together() -> None:
    nets, (x, masks) = [network(), nn.Conv2d(3, K, 1)], images()
    others = masks.flip(0)
    found = Pgd(steps=1, step_size=0.01, start="image")(
        lambda z: [net(z) for net in nets], x, [(0.9, masks), (0.1, others)], generator()
    )
    z = x.clone().requires_grad_()
    sums = [
        weight * F.cross_entropy(net(z), mask, ignore_index=255, reduction="sum")
        for net in nets
        for weight, mask in ((0.9, masks), (0.1, others))
    ]
    (slope,) = torch.autograd.grad(torch.stack(sums).sum(), z)
    torch.testing.assert_close(found, (x + 0.01 * slope.sign()).clamp(0, 1))


def test_a_missing_modality_is_still_missing() -> None:
    x, masks = images()
    x[1, 2] = 0
    for path in PATHS:
        found = made(path)(network(), x, masks, generator())
        assert torch.equal(found[1, 2], x[1, 2])
        assert (found - x).flatten(2).abs().amax(2).flatten().count_nonzero() == 3 * 3 - 1


def test_a_gradient_that_is_no_number_moves_nothing() -> None:
    x, _ = images()
    for norm in NORMS:
        attack = Pgd(start="image", norm=norm)
        assert torch.equal(attack.maximise(lambda z, done: (z * math.nan).sum(), x, generator()), x)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Pgd(eps=8.0), r"eps of the attack is 8\.0.* 0\.0157 for 4 of 255 levels"),
        (lambda: Pgd(eps=-0.1), r"eps of the attack is -0\.1"),
        (lambda: Pgd(eps=math.nan), r"eps of the attack is nan"),
        (lambda: Pgd(eps=math.inf, norm="l2"), r"eps of the attack is inf.*Euclidean"),
        (lambda: Pgd(steps=0), r"steps of the attack is 0: give a whole number from 1"),
        (lambda: SegPgd(steps=0), r"steps of the attack is 0"),
        (lambda: Pgd(step_size=0.0), r"step_size of the attack is 0\.0.*or null"),
        (lambda: Pgd(norm="l1"), r"norm of the attack is 'l1'"),  # type: ignore[arg-type]
        (lambda: Pgd(start="zero"), r"start of the attack is 'zero'"),  # type: ignore[arg-type]
        (lambda: Pgd(loss="dice"), r"loss of the attack is 'dice'.*'jensen_shannon'"),  # type: ignore[arg-type]
        (lambda: OneStep(relative_step=0.0), r"relative_step of the attack is 0\.0"),
    ],
)
def test_settings_that_cannot_be_are_refused(make: Callable[[], Attack], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make()


def test_what_has_no_gradient_is_refused() -> None:
    x, masks = images()
    with pytest.raises(UserError, match="no gradient leads from the loss of the network to its images"):
        Pgd()(lambda z: network()(z.detach()).detach(), x, masks, generator())
    with pytest.raises(UserError, match="no gradient leads"):  # though one leads to the weights
        compute_image_gradient(lambda z, done: network()(z.detach()).sum(), x, 0.0)
