"""Consistency with a mean teacher."""

import copy
import math
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from command_line import ROOT
from resumed import assert_resumes
from shown_noise import ShownNoise
from task_batches import CLASSES, batch
from torch import Tensor
from torch.nn import functional as F
from watched_network import WatchedNetwork

from datamodules.datasets.synthetic import SyntheticDataModule
from experiments.checkpoints.checkpoint import load_module, read_checkpoint
from experiments.checkpoints.derived_checkpoint import drop_training_state
from lightning_modules.batch_transforms.mixup import Mixup
from lightning_modules.networks.ensembles.ensemble import Ensemble
from lightning_modules.objectives.base import StepContext
from lightning_modules.objectives.mean_teacher import MeanTeacher, compute_ramp
from lightning_modules.objectives.view_consistency import ViewConsistency
from lightning_modules.optimizers.sam import SAM
from lightning_modules.segmentation import OBJECTIVE, SegmentationModule
from lightning_modules.training_batch import TrainingBatch, read_training_batch
from user_error import UserError


def made(
    objective: MeanTeacher, network: Any = WatchedNetwork, classes: int = CLASSES, **settings: Any
) -> SegmentationModule:
    torch.manual_seed(0)
    return SegmentationModule(network, classes, objective=objective, **settings)


def read() -> TrainingBatch:
    return read_training_batch({**batch(3, 16, 16), "kinds": {"depth": "continuous"}})


def context(module: SegmentationModule, updates: int) -> StepContext:
    return StepContext(updates, torch.Generator().manual_seed(updates), module.compute_mask_loss, CLASSES, updates)


def measure_distance(logits: Tensor, target: Tensor) -> Tensor:
    """In a few lines."""
    return (logits.softmax(1) - target.softmax(1)).pow(2).sum() / logits[:, 0].numel()


@pytest.mark.parametrize("clean", [False, True])
def test_a_step_has_the_loss_of_a_few_lines(clean: bool) -> None:
    """The network and its teacher see views of their own, each of which batch normalisation takes by itself."""
    objective = MeanTeacher([ShownNoise()], weight=4.0, ramp_up=0, clean_teacher=clean)
    module, given = made(objective), read()
    before = copy.deepcopy(module.network)
    loss, logged = objective(module.network, given, context(module, 0))
    teacher: Any = objective.teacher.network
    (shown,), (target,) = module.network.shown, teacher.shown  # type: ignore[misc]
    assert not torch.equal(shown, target)
    assert torch.equal(target, given.image) == clean
    image = target / 255 if clean else target
    logits, wanted = before.layers(shown), copy.deepcopy(before).layers(image)  # type: ignore[operator]
    distance = measure_distance(logits, wanted.detach())
    assert 0 < float(distance.detach()) < 2
    expected = F.cross_entropy(logits, given.targets[0].targets["mask"], ignore_index=255) + 4 * distance
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(logged["train/teacher"], distance.detach())
    loss.backward()
    expected.backward()
    for one, other in zip(module.network.parameters(), before.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)
    assert all(one.grad is None and not one.requires_grad for one in teacher.parameters())
    assert teacher.training


def test_the_teacher_is_the_average_of_the_weights_after_each_step() -> None:
    """Its decay rises, a step that is met again does not move it, and a single view and weights have no distance."""
    objective = MeanTeacher(decay=0.6, weight=1.0)
    module, given = made(objective), read()
    _, logged = objective(module.network, given, context(module, 0))
    assert float(logged["train/teacher"]) == 0
    average = [one.detach().clone() for one in module.network.parameters()]
    for updates, decay in ((1, 0.5), (2, 0.6), (3, 0.6)):
        with torch.no_grad():
            for one in module.network.parameters():
                one.add_(torch.randn_like(one))
        average = [
            decay * mean + (1 - decay) * one.detach()
            for mean, one in zip(average, module.network.parameters(), strict=True)
        ]
        for _ in range(2):
            objective(module.network, given, context(module, updates))
            teacher: Any = objective.teacher.network
            for one, mean in zip(teacher.parameters(), average, strict=True):
                torch.testing.assert_close(one, mean)


class Recorded(pl.Callback):
    """The weights after each step of the optimiser."""

    def __init__(self) -> None:
        self.weights: list[list[Tensor]] = []

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.record(pl_module)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        if trainer.global_step == len(self.weights):
            self.record(pl_module)

    def record(self, module: Any) -> None:
        self.weights.append([one.detach().clone() for one in module.network.parameters()])


@pytest.mark.parametrize("twice", [False, True])
def test_it_moves_once_for_each_step_of_the_optimiser(twice: bool) -> None:
    """Gradients that are accumulated, and SAM's second pass, are no steps."""
    objective = MeanTeacher([ShownNoise()], decay=0.7)
    rate = {"lr": 0.1}
    optimizer: Any = partial(SAM, rho=0.5, **rate) if twice else partial(torch.optim.SGD, **rate)
    module, recorded = made(objective, classes=5, optimizer=optimizer), Recorded()
    trainer = pl.Trainer(
        max_steps=4,
        accumulate_grad_batches=1 if twice else 2,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        num_sanity_val_steps=0,
        callbacks=[recorded],
    )
    trainer.fit(module, SyntheticDataModule(train=8, val=2, size=(32, 32), batch_size=2, num_workers=0))
    assert trainer.global_step == 4
    assert objective.teacher.updates == 3  # before the last step
    average = recorded.weights[0]
    for updates, weights in enumerate(recorded.weights[1:4], 1):
        decay = min(0.7, 1 - 1 / (updates + 1))
        average = [decay * mean + (1 - decay) * one for mean, one in zip(average, weights, strict=True)]
    teacher: Any = objective.teacher.network
    for one, mean in zip(teacher.parameters(), average, strict=True):
        torch.testing.assert_close(one, mean)
    assert not any(torch.equal(one, other) for one, other in zip(average, recorded.weights[3], strict=True))


def test_the_weight_rises() -> None:
    assert [compute_ramp(step, 0) for step in (0, 1)] == [1, 1]
    assert [compute_ramp(step, 10) for step in (0, 5, 10, 11)] == pytest.approx([math.exp(-5), math.exp(-1.25), 1, 1])
    objective = MeanTeacher([ShownNoise()], weight=4.0, ramp_up=2)
    module = made(objective)
    loss, logged = objective(module.network, read(), context(module, 1))
    plain = F.cross_entropy(
        module.network.layers(*module.network.shown),  # type: ignore[operator, misc]
        read().targets[0].targets["mask"],
        ignore_index=255,
    )
    torch.testing.assert_close(loss - plain, 4 * math.exp(-5 / 4) * logged["train/teacher"])


def test_each_member_has_its_teacher() -> None:
    objective = MeanTeacher([ShownNoise()])
    module = made(objective, partial(Ensemble, members=[WatchedNetwork], copies=2), batch_transforms=[Mixup(1.0)])
    _, logged = module.apply_objective(module.transform_batch(read()))
    members: Any = zip(module.network.members, objective.teacher.network.members, strict=True)  # type: ignore[union-attr, arg-type]
    distances = [
        measure_distance(one.layers(*one.shown), other.layers(*other.shown)).detach() for one, other in members
    ]
    torch.testing.assert_close(logged["train/teacher"], torch.stack(distances).mean())


def test_a_training_resumes_with_its_teacher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the command line, within consistency of views, by an optimiser that takes each step twice.

    The teacher is of the training alone: what is derived or swept has none.
    """
    monkeypatch.setenv("ROBUST_SEGMENTATION_TRUST", "shown_noise.")
    path = tmp_path / "views.yaml"
    path.write_text(
        "class_path: lightning_modules.objectives.view_consistency.ViewConsistency\n"
        "init_args:\n"
        "  views: [{class_path: shown_noise.ShownNoise}]\n"
        f"  inner: {ROOT}/experiments/configs/objective/mean_teacher.yaml\n"
    )
    words = [
        f"--model.init_args.objective={path}",
        "--model.init_args.objective.init_args.weight=3",
        "--model.init_args.objective.init_args.inner.init_args.views+=shown_noise.ShownNoise",
        "--model.init_args.objective.init_args.inner.init_args.ramp_up=2",
    ]
    assert_resumes("synthetic_unet_sam", tmp_path, monkeypatch, *words)
    whole, resumed = (read_checkpoint(tmp_path / name / "last.ckpt") for name in ("whole", "resumed"))
    state, again = (content[OBJECTIVE]["inner"] for content in (whole, resumed))
    assert state["updates"] == again["updates"] == 5
    assert state["weights"].keys() == again["weights"].keys()
    for name, value in state["weights"].items():
        torch.testing.assert_close(value, again["weights"][name], rtol=0, atol=0, msg=name)
    assert any(
        not torch.equal(value, whole["state_dict"][f"network.{name}"]) for name, value in state["weights"].items()
    )
    assert not any(name.startswith("objective") for name in whole["state_dict"])
    assert OBJECTIVE not in drop_training_state(whole)
    rebuilt: Any = load_module(tmp_path / "whole" / "last.ckpt").objective
    assert len(rebuilt.inner.views) == 2
    assert rebuilt.inner.teacher.network is None
    assert not list(rebuilt.parameters())


def test_an_inner_teacher_is_stored_by_its_place() -> None:
    objective = ViewConsistency([ShownNoise()], MeanTeacher([ShownNoise()]))
    torch.manual_seed(0)
    module = SegmentationModule(WatchedNetwork, CLASSES, objective=objective)
    checkpoint: dict[str, Any] = {}
    module.on_save_checkpoint(checkpoint)
    assert not checkpoint
    module.apply_objective(read())
    module.on_save_checkpoint(checkpoint)
    assert set(checkpoint[OBJECTIVE]) == {"inner"}
    other = SegmentationModule(
        WatchedNetwork, CLASSES, objective=ViewConsistency([ShownNoise()], MeanTeacher([ShownNoise()]))
    )
    other.on_load_checkpoint(checkpoint)
    other.apply_objective(read())
    one, again = (module.objective.inner.teacher.network for module in (module, other))  # type: ignore[union-attr]
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), again.parameters(), strict=True))  # type: ignore[union-attr]


@pytest.mark.parametrize("state", [{"updates": "3", "weights": {}}, {"updates": 3}, {"updates": 3, "weights": [1]}])
def test_a_damaged_teacher_is_refused(state: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"the teacher of MeanTeacher in the checkpoint is damaged.*--restart"):
        made(MeanTeacher()).on_load_checkpoint({OBJECTIVE: {"": state}})


@pytest.mark.parametrize("weights", [{}, {"layers.0.weight": torch.zeros(2)}, {"layers.0.weight": "no tensor"}])
def test_a_teacher_of_another_network_is_refused(weights: dict[str, Any]) -> None:
    module = made(MeanTeacher())
    module.on_load_checkpoint({OBJECTIVE: {"": {"updates": 3, "weights": weights}}})
    with pytest.raises(UserError, match="its weights are not those of this network"):
        module.apply_objective(read())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"decay": 1.0}, r"the decay of MeanTeacher is 1\.0"),
        ({"decay": -0.1}, r"the decay of MeanTeacher is -0\.1"),
        ({"weight": -1.0}, "the weight of MeanTeacher is -1"),
        ({"weight": math.inf}, "the weight of MeanTeacher is inf"),
        ({"ramp_up": -1}, "the ramp_up of MeanTeacher is -1"),
        ({"views": [Mixup()]}, r"Mixup changes the targets.*views of MeanTeacher"),
    ],
)
def test_misuse_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        MeanTeacher(**settings)


def test_weights_of_16_bits_are_refused() -> None:
    module = made(MeanTeacher()).to(torch.bfloat16)
    with pytest.raises(UserError, match=r"--trainer\.precision bf16-mixed or 32"):
        module.apply_objective(read())
