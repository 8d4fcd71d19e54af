"""Consistency of views by the Jensen-Shannon divergence."""

import copy
import math
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy
from shown_noise import ShownNoise
from task_batches import CLASSES, batch
from torch import Tensor
from torch.nn import functional as F
from watched_network import WatchedNetwork

from lightning_modules.batch_transforms.cutmix import CutMix
from lightning_modules.batch_transforms.mixup import Mixup
from lightning_modules.networks.ensembles.batch_ensemble import BatchEnsemble
from lightning_modules.networks.ensembles.ensemble import Ensemble
from lightning_modules.networks.heads.multi_task import MultiTaskNetwork
from lightning_modules.networks.smp import SmpNetwork
from lightning_modules.objectives import view_consistency
from lightning_modules.objectives.base import Objective
from lightning_modules.objectives.mean_teacher import MeanTeacher
from lightning_modules.objectives.multi_task import MultiTask
from lightning_modules.objectives.network_loss import NetworkLoss
from lightning_modules.objectives.precomputed import Precomputed
from lightning_modules.objectives.supervised import Supervised
from lightning_modules.objectives.view_consistency import ViewConsistency, compute_jensen_shannon
from lightning_modules.segmentation import SegmentationModule
from lightning_modules.tasks.boundary import Boundary
from lightning_modules.training_batch import TrainingBatch, read_training_batch
from lightning_modules.weightings.gradnorm import GradNorm
from user_error import UserError

SMALL = {"encoder": "tu-mobilenetv3_small_050"}
LOGITS = arrays.arrays(
    np.float32,
    st.tuples(st.integers(2, 4), st.just(2), st.integers(2, 5), st.just(3), st.just(2)),
    elements=st.floats(-60, 60, width=32),
)


def made(objective: Objective, network: Any = WatchedNetwork, **settings: Any) -> SegmentationModule:
    torch.manual_seed(0)
    return SegmentationModule(network, CLASSES, objective=objective, **settings)


def read(size: int = 16) -> TrainingBatch:
    return read_training_batch({**batch(3, size, size), "kinds": {"depth": "continuous"}})


def diverge(views: list[Tensor]) -> Tensor:
    """In a few lines: the entropy of the mean less the mean entropy."""
    p = torch.stack([view.double().softmax(1) for view in views])
    return (-(p.mean(0) * p.mean(0).log()).sum(1) + (p * p.log()).sum(2).mean(0)).mean().float()


@settings(max_examples=60, deadline=None)
@given(LOGITS)
def test_the_divergence_is_that_of_scipy(values: np.ndarray) -> None:
    """And is of no sign, bounded, and the same for any order of the views."""
    found = float(compute_jensen_shannon(torch.from_numpy(values)))
    p = torch.from_numpy(values).double().softmax(2).numpy()
    wanted = (entropy(p.mean(0), axis=1) - entropy(p, axis=2).mean(0)).mean()
    assert found == pytest.approx(wanted, abs=2e-6)
    assert -1e-6 <= found <= math.log(len(values)) + 1e-6
    turned = float(compute_jensen_shannon(torch.from_numpy(values[::-1].copy())))
    assert turned == pytest.approx(found, abs=2e-6)
    if len(values) == 2:
        pairs = jensenshannon(p[0], p[1], axis=1) ** 2
        assert found == pytest.approx(np.nan_to_num(pairs).mean(), abs=2e-6)


@settings(max_examples=30, deadline=None)
@given(LOGITS, st.integers(2, 4))
def test_equal_views_do_not_diverge(values: np.ndarray, number: int) -> None:
    same = torch.from_numpy(values[:1]).expand(number, *values.shape[1:]).requires_grad_()
    found = compute_jensen_shannon(same)
    assert abs(float(found.detach())) < 1e-6
    (slope,) = torch.autograd.grad(found, same)
    assert slope.abs().max() < 1e-6


@pytest.mark.parametrize("cached", [1, 70, 200, 2**18])
def test_parts_that_fit_the_cache_change_nothing(cached: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the value nor the gradient, of rows that a part holds singly, by several, and with some left over."""
    logits = torch.randn(3, 2, 4, 5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = []
    for number in (2**18, cached):
        monkeypatch.setattr(view_consistency, "CACHED", number)
        one = logits.clone().requires_grad_()
        value = compute_jensen_shannon(one)
        value.backward()
        found.append((value.detach(), one.grad))
    torch.testing.assert_close(found[1], found[0])


def test_views_that_exclude_each_other_diverge_most() -> None:
    """However extreme the logits, with gradients that are numbers."""
    for size in (50.0, 1e4, 1e30):
        logits = (size * torch.eye(3)).view(3, 1, 3, 1, 1).requires_grad_()
        found = compute_jensen_shannon(logits)
        assert float(found.detach()) == pytest.approx(math.log(3))
        found.backward()
        assert logits.grad is not None
        assert logits.grad.isfinite().all()


def test_the_gradient_is_right_for_every_view() -> None:
    logits = torch.randn(3, 2, 4, 2, 2, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(compute_jensen_shannon, logits)
    (slope,) = torch.autograd.grad(compute_jensen_shannon(logits), logits)
    assert (slope.flatten(1).abs().sum(1) > 0).all()


@pytest.mark.parametrize("number", [2, 3, 5])
def test_a_step_has_the_loss_of_a_few_lines(number: int) -> None:
    """One pass of all views, over which batch normalisation takes its statistics, and gradients of all of them."""
    module = made(ViewConsistency([ShownNoise(), ShownNoise(0.05)], number_of_views=number, weight=7.0))
    network, given_batch = module.network, read()
    loss, logged = module.apply_objective(given_batch)
    (images,) = network.shown  # type: ignore[misc]
    assert torch.equal(images[:3], given_batch.image / 255)
    views = images.chunk(number)
    assert len(views) == number
    assert not any(torch.equal(one, other) for place, one in enumerate(views) for other in views[:place])
    other = made(Supervised())
    outputs = other.network.layers(images).chunk(number)
    divergence = diverge(list(outputs))
    mask = given_batch.targets[0].targets["mask"]
    expected = F.cross_entropy(outputs[0], mask, ignore_index=255) + 7 * divergence
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(logged["train/consistency"], divergence.detach())
    loss.backward()
    expected.backward()
    for one, wanted in zip(network.parameters(), other.network.parameters(), strict=True):
        torch.testing.assert_close(one.grad, wanted.grad)
    torch.testing.assert_close(network.layers[1].running_var, other.network.layers[1].running_var)


def test_a_step_that_is_taken_twice_draws_once() -> None:
    module = made(ViewConsistency([ShownNoise()]))
    state = torch.get_rng_state()
    module.apply_objective(read())
    module.apply_objective(read())
    assert torch.equal(state, torch.get_rng_state())
    first, second = module.network.shown  # type: ignore[misc]
    assert torch.equal(first, second)


def test_half_precision_loses_nothing_in_the_divergence() -> None:
    module = made(ViewConsistency([ShownNoise()]))
    outputs: list[Tensor] = []
    module.network.layers.register_forward_hook(lambda *given: outputs.append(given[2]))  # type: ignore[operator]
    with torch.autocast("cpu", torch.bfloat16):
        loss, logged = module.apply_objective(read())
    assert outputs[0].dtype == torch.bfloat16
    assert loss.dtype == torch.float32
    torch.testing.assert_close(logged["train/consistency"], diverge(list(outputs[0].float().chunk(3))).detach())


@pytest.mark.parametrize("weighting", [None, GradNorm()])
def test_tasks_are_trained_by_the_inner_objective(weighting: Any) -> None:
    """As without views, but that batch normalisation sees more of them; in one pass."""
    network = partial(MultiTaskNetwork, tasks=[Boundary()], **SMALL)
    objective = ViewConsistency([ShownNoise()], MultiTask(weighting))
    module = made(objective, network)
    passes: list[int] = []
    module.network.model.encoder.register_forward_pre_hook(lambda _, given: passes.append(len(given[0])))  # type: ignore[operator, union-attr]
    assert module.tasks.keys() == set(objective.tasks) == {"boundary"}
    loss, logged = module.apply_objective(read(64))
    assert set(logged) == set(objective.logged) > {"train/boundary", "weight/boundary", "train/consistency"}
    assert passes == [9]
    loss.backward()
    assert all(one.grad is not None for one in module.parameters())
    if weighting is None:
        parts = logged["train/segmentation"] + logged["train/boundary"] + 12 * logged["train/consistency"]
        torch.testing.assert_close(loss.detach(), parts)


def test_the_own_loss_of_a_network_takes_a_pass_more() -> None:
    module = made(ViewConsistency([ShownNoise()], NetworkLoss()))
    loss, logged = module.apply_objective(read())
    together, alone = module.network.shown  # type: ignore[misc]
    assert (len(together), len(alone)) == (9, 3)
    own = 3 * F.cross_entropy(module.network.layers(alone / 255), read().targets[0].targets["mask"], ignore_index=255)
    torch.testing.assert_close(loss, own + 12 * logged["train/consistency"])


def test_each_member_agrees_with_itself() -> None:
    module = made(ViewConsistency([ShownNoise()]), partial(Ensemble, members=[WatchedNetwork], copies=2))
    _, logged = module.apply_objective(read())
    members: Any = module.network.members
    divergences = [diverge(list(one.layers(*one.shown).chunk(3))) for one in members]
    torch.testing.assert_close(logged["train/consistency"], torch.stack(divergences).mean().detach())


@pytest.mark.parametrize(
    "inner", [ViewConsistency([ShownNoise(0.3)], number_of_views=2), MeanTeacher(), MeanTeacher([ShownNoise()])]
)
def test_objectives_of_consistency_lie_within_each_other(inner: Objective) -> None:
    """Whatever is not the clean batch goes through the network."""
    module = made(ViewConsistency([ShownNoise()], inner))
    loss, logged = module.apply_objective(read())
    assert set(logged) == set(module.logged) - {"train/loss", "val/miou"}
    shown = [len(one) for one in module.network.shown]  # type: ignore[union-attr]
    if isinstance(inner, MeanTeacher):
        assert shown == ([9, 3] if inner.views else [9])
        assert inner.teacher.network is not None
        assert type(inner.teacher.network) is WatchedNetwork
    else:
        assert shown == [9, 6]
    loss.backward()
    assert all(one.grad is not None for one in module.parameters())


def test_only_what_the_network_said_in_this_mode_is_known() -> None:
    """An inner objective that runs it in evaluation, or on other images, gets what it asks for."""
    network, image = WatchedNetwork(CLASSES), read().image
    outputs = {"segmentation": [torch.zeros(3, CLASSES, 16, 16)]}
    known = Precomputed(network, image, outputs)
    assert known.compute_training_outputs(image) == outputs
    assert not known.compute_training_outputs(image.clone())["segmentation"][0].eq(0).all()
    known.eval()
    torch.testing.assert_close(known.compute_training_outputs(image)["segmentation"][0], network(image))
    known.train()
    assert known.compute_training_outputs(image) == outputs
    assert type(copy.deepcopy(known)) is WatchedNetwork


def test_passes_are_counted() -> None:
    views: list[Any] = [ShownNoise()]
    assert ViewConsistency(views).passes == 3
    assert MeanTeacher(views).passes == 2
    assert ViewConsistency(views, MeanTeacher(views), number_of_views=2).passes == 3


@pytest.mark.parametrize("transforms", [[Mixup(1.0)], [CutMix(1.0)], [CutMix(1.0), Mixup(1.0)]])
def test_views_are_of_what_batch_transforms_made(transforms: list[Any]) -> None:
    module = made(ViewConsistency([ShownNoise()], weight=0.0), batch_transforms=transforms)
    given_batch = read()
    changed = module.transform_batch(given_batch)
    loss, _ = module.apply_objective(changed)
    (images,) = module.network.shown  # type: ignore[misc]
    clean = images[:3]
    torch.testing.assert_close(clean, changed.image if changed.image.is_floating_point() else changed.image / 255)
    logits = module.network.layers(images)[:3]
    expected = sum(
        weight * F.cross_entropy(logits, targets["mask"], ignore_index=255) for weight, targets in changed.targets
    )
    torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"number_of_views": 1}, "number_of_views of ViewConsistency is 1, and one view has nothing to agree with"),
        ({"views": []}, "the views of ViewConsistency are empty"),
        (
            {"views": [ShownNoise(), CutMix()]},
            r"CutMix changes the targets.*pass CutMix in --model\.init_args\.batch_tr",
        ),
        ({"weight": -1.0}, "the weight of ViewConsistency is -1"),
        ({"weight": math.nan}, "the weight of ViewConsistency is nan"),
    ],
)
def test_misuse_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        ViewConsistency(**{"views": [ShownNoise()], **settings})


@pytest.mark.parametrize("objective", [ViewConsistency([ShownNoise()]), MeanTeacher()])
def test_networks_that_do_not_fit_are_refused(objective: Any) -> None:
    with pytest.raises(UserError, match=r"BatchEnsemble assigns each image of a pass to one of its members"):
        made(objective, partial(BatchEnsemble, size=2, **SMALL))
    objective.inner = MultiTask()
    with pytest.raises(UserError, match="has no further tasks"):
        made(objective, partial(SmpNetwork, **SMALL))
