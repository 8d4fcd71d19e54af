"""Objectives that train against attacks."""

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from resumed import assert_resumes
from task_batches import CLASSES, batch
from torch import Tensor, nn
from torch.nn import functional as F

from experiments.checkpoints.checkpoint import read_checkpoint
from lightning_modules.attacks.one_step import OneStep
from lightning_modules.attacks.pgd import Pgd
from lightning_modules.attacks.segpgd import SegPgd
from lightning_modules.batch_transforms.mixup import Mixup
from lightning_modules.draws import make_step_generator
from lightning_modules.networks.classical_features import ClassicalFeatureNetwork
from lightning_modules.networks.ensembles.multi_head import MultiHead
from lightning_modules.networks.heads.multi_task import MultiTaskNetwork
from lightning_modules.networks.smp import SmpNetwork
from lightning_modules.objectives.adversarial import AdversarialTraining
from lightning_modules.objectives.base import Objective
from lightning_modules.objectives.multi_task import MultiTask
from lightning_modules.objectives.trades import Trades, compute_divergence
from lightning_modules.segmentation import SegmentationModule
from lightning_modules.tasks.boundary import Boundary
from lightning_modules.training_batch import TrainingBatch, WeightedTargets, read_training_batch
from user_error import UserError

SMALL = {"encoder": "tu-mobilenetv3_small_050", "encoder_depth": 3, "decoder": {"decoder_channels": [32, 16, 16]}}


def module(objective: Objective, network: Any = SmpNetwork, **settings: Any) -> SegmentationModule:
    torch.manual_seed(0)
    return SegmentationModule(partial(network, **SMALL, **settings), CLASSES, objective=objective).train()


def given() -> TrainingBatch:
    return read_training_batch({**batch(2, 32, 32), "kinds": {"depth": "continuous"}})


def attacked(one: SegmentationModule, attack: Any, images: TrainingBatch) -> Tensor:
    """By hand: on a copy, in evaluation mode."""
    return attack(copy.deepcopy(one.network).eval(), images.image, images.targets[0].targets["mask"], draws())


def draws() -> torch.Generator:
    return make_step_generator(None, "objective")


def statistics(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.named_buffers() if "running" in name or "tracked" in name}


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    for name, value in one.items():
        torch.testing.assert_close(value, other[name], msg=name)


@pytest.mark.parametrize("attack", [Pgd(), OneStep(), SegPgd(steps=2)], ids=lambda one: type(one).__name__)
def test_it_is_the_loss_at_attacked_images(attack: Any) -> None:
    """In training mode, where batch normalisation meets them alone."""
    one, images = module(AdversarialTraining(attack=attack)), given()
    by_hand = copy.deepcopy(one)
    found = attacked(one, attack, images)
    expected = by_hand.loss(by_hand.network(found), images.targets[0].targets["mask"])
    loss, logged = one.apply_objective(images)
    torch.testing.assert_close(loss, expected)
    assert not logged
    assert_same(statistics(one.network), statistics(by_hand.network))
    loss.backward()
    expected.backward()
    for name, parameter in by_hand.named_parameters():
        torch.testing.assert_close(dict(one.named_parameters())[name].grad, parameter.grad, msg=name)
    clean = by_hand.loss(by_hand.network(images.image), images.targets[0].targets["mask"])
    assert expected > clean


def test_clean_images_can_have_a_weight() -> None:
    one, images = module(AdversarialTraining(attack=Pgd(), clean_weight=0.25)), given()
    loss, logged = one.apply_objective(images)
    assert list(logged) == ["train/adversarial", "train/clean"] == one.objective.logged
    adversarial = module(AdversarialTraining(attack=Pgd())).apply_objective(images).loss
    torch.testing.assert_close(logged["train/adversarial"], adversarial.detach())
    torch.testing.assert_close(loss.detach(), 0.75 * logged["train/adversarial"] + 0.25 * logged["train/clean"])


def test_in_training_mode_the_attack_normalises_by_the_batch_and_leaves_no_trace() -> None:
    attack, images = Pgd(), given()
    one = module(AdversarialTraining(attack=attack, attack_mode="training"))
    by_hand = copy.deepcopy(one)
    found = attack(copy.deepcopy(one.network), images.image, images.targets[0].targets["mask"], draws())
    assert not torch.equal(found, attacked(one, attack, images))
    expected = by_hand.loss(by_hand.network(found), images.targets[0].targets["mask"])
    torch.testing.assert_close(one.apply_objective(images).loss, expected)
    assert_same(statistics(one.network), statistics(by_hand.network))


def divergence_by_hand(clean: Tensor, other: Tensor, mask: Tensor) -> Tensor:
    p, q = clean.softmax(1), other.softmax(1)
    return (p * (p / q).log()).sum(1)[mask != 255].mean()


def test_trades_is_what_a_few_lines_say() -> None:
    """As in the authors' code: the search in evaluation mode from a little noise, the loss in training mode."""
    images, eps = given(), 8 / 255
    one = module(Trades(Pgd(eps, 2, eps / 4, start="gaussian"), beta=6.0))
    by_hand, mask = copy.deepcopy(one), images.targets[0].targets["mask"]
    x, net = images.image / 255, copy.deepcopy(one.network).eval()
    p = net(x).detach().softmax(1)
    z = (x + 0.001 * torch.randn(x.shape, generator=draws())).clamp(0, 1)
    for _ in range(2):
        z.requires_grad_()
        divergence = F.kl_div(net(z).log_softmax(1), p, reduction="none").sum(1)[mask != 255].sum()
        (slope,) = torch.autograd.grad(divergence, z)
        z = torch.clamp(z.detach() + eps / 4 * slope.sign(), x - eps, x + eps).clamp(0, 1)
    clean, other = by_hand.network(images.image), by_hand.network(z)
    natural, robust = by_hand.loss(clean, mask), divergence_by_hand(clean, other, mask)
    loss, logged = one.apply_objective(images)
    torch.testing.assert_close(loss, natural + 6 * robust, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(logged["train/clean"], natural.detach())
    torch.testing.assert_close(logged["train/divergence"], robust.detach(), rtol=1e-4, atol=1e-6)
    assert_same(statistics(one.network), statistics(by_hand.network))


@pytest.mark.parametrize("make", [lambda: Trades(Pgd(0.0, start="gaussian")), lambda: Trades(beta=0.0)])
def test_without_a_ball_or_a_weight_trades_is_the_clean_loss(make: Callable[[], Objective]) -> None:
    one, images = module(make()), given()
    clean = copy.deepcopy(one)
    expected = clean.loss(clean.network(images.image), images.targets[0].targets["mask"])
    torch.testing.assert_close(one.apply_objective(images).loss, expected)


def test_divergence() -> None:
    logits = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(compute_divergence(logits, logits), torch.zeros(2, 4, 5))
    torch.testing.assert_close(compute_divergence(logits, logits + 7), torch.zeros(2, 4, 5), atol=1e-5, rtol=0)
    assert (compute_divergence(logits, logits.flip(1)) >= 0).all()


OBJECTIVES: list[Callable[[], Objective]] = [AdversarialTraining, Trades]


@pytest.mark.parametrize("make", OBJECTIVES)
def test_members_and_mixed_batches(make: Callable[[], Objective]) -> None:
    """The mean over members and sets; what one set ignores, another may count."""
    one = module(make(), MultiHead, heads=2)
    mixed = Mixup(1.0)(given(), torch.Generator().manual_seed(0))
    assert len(mixed.targets) == 2
    loss = one.apply_objective(mixed).loss
    loss.backward()
    assert [name for name, parameter in one.named_parameters() if parameter.grad is None] == []
    first, second = mixed.targets
    doubled = replace(mixed, targets=[WeightedTargets(0.5, first.targets), WeightedTargets(0.5, first.targets)])
    single = replace(mixed, targets=[WeightedTargets(1.0, first.targets)])
    losses = [module(make(), MultiHead, heads=2).apply_objective(each).loss for each in (doubled, single)]
    torch.testing.assert_close(*losses)
    assert not torch.equal(loss.detach(), losses[0].detach())
    assert second.targets is not first.targets


def test_further_tasks_are_trained_at_the_attacked_images() -> None:
    one = module(AdversarialTraining(MultiTask()), MultiTaskNetwork, tasks=[Boundary()])
    loss, logged = one.apply_objective(given())
    loss.backward()
    assert [name for name, parameter in one.named_parameters() if parameter.grad is None] == []
    assert set(logged) == set(one.objective.logged) >= {"train/boundary"}
    with pytest.raises(UserError, match="Trades does not train the further tasks"):
        module(Trades(), MultiTaskNetwork, tasks=[Boundary()]).setup("fit")


@pytest.mark.parametrize("make", OBJECTIVES)
def test_images_without_a_label_have_no_loss(make: Callable[[], Objective]) -> None:
    images = given()
    blank = {**images.targets[0].targets, "mask": torch.full((2, 32, 32), 255)}
    loss = module(make()).apply_objective(replace(images, targets=[WeightedTargets(1.0, blank)])).loss
    assert float(loss.detach()) == 0


@pytest.mark.parametrize("make", OBJECTIVES)
def test_classical_features_need_the_image_beside_them(make: Callable[[], Objective]) -> None:
    assert torch.isfinite(module(make(), ClassicalFeatureNetwork).apply_objective(given()).loss)
    with pytest.raises(UserError, match=r"no gradient leads .* 'image' true"):
        module(make(), ClassicalFeatureNetwork, image=False).apply_objective(given())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AdversarialTraining(clean_weight=1.0), r"clean_weight .* is 1\.0.*objective/supervised\.yaml"),
        (lambda: AdversarialTraining(clean_weight=-0.1), r"clean_weight .* is -0\.1"),
        (lambda: AdversarialTraining(attack_mode="eval"), r"attack_mode .* is 'eval'"),  # type: ignore[arg-type]
        (lambda: Trades(beta=-1.0), r"beta of TRADES is -1\.0"),
        (lambda: Trades(Pgd(start="image")), r"no slope: set its start to 'gaussian' or 'uniform'"),
        (lambda: Trades(SegPgd()), r"not segpgd of its attack: take attack/pgd\.yaml"),
        (lambda: Trades(Pgd(loss="jensen_shannon")), r"not jensen_shannon of its attack"),
    ],
)
def test_settings_that_cannot_be_are_refused(make: Callable[[], Objective], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make()


RECIPES = [
    ("adversarial_one_step", ()),
    ("trades", ()),
    (
        "adversarial",
        (
            "--model.init_args.objective.init_args.attack=experiments/configs/attack/segpgd.yaml",
            "--model.init_args.optimizer=experiments/configs/optimizer/sam.yaml",
            "--model.init_args.batch_transforms+=experiments/configs/batch_transform/mixup.yaml",
        ),
    ),
]


@pytest.mark.parametrize(("name", "words"), RECIPES, ids=["one_step", "trades", "segpgd_sam_mixup"])
def test_a_resumed_training_draws_what_it_would_have_drawn(
    name: str, words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the command line, from a checkpoint that names the objective and its attack."""
    objective = f"--model.init_args.objective=experiments/configs/objective/{name}.yaml"
    assert_resumes("synthetic_unet", tmp_path, monkeypatch, objective, *words)
    settings = read_checkpoint(tmp_path / "whole" / "last.ckpt")["hyper_parameters"]["objective"]
    assert settings["class_path"].startswith("lightning_modules.objectives.")
