"""Tasks trained together."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from resumed import assert_resumes

from datamodules.datasets.synthetic import SyntheticDataModule
from lightning_modules.networks.heads.multi_task import MultiTaskNetwork
from lightning_modules.networks.smp import SmpNetwork
from lightning_modules.objectives.multi_task import MultiTask
from lightning_modules.segmentation import SegmentationModule
from lightning_modules.tasks.base import Task
from lightning_modules.tasks.boundary import Boundary
from lightning_modules.tasks.classification import Classification
from lightning_modules.tasks.depth import Depth
from lightning_modules.tasks.distance import Distance
from lightning_modules.tasks.reconstruction import Reconstruction
from lightning_modules.weightings.fixed import FixedWeights
from lightning_modules.weightings.gradnorm import GradNorm
from lightning_modules.weightings.uncertainty import UncertaintyWeights
from user_error import UserError

TASKS: tuple[Task, ...] = (Classification(), Boundary(), Distance(), Depth(), Reconstruction())


def module(weighting: Any, tasks: Sequence[Task] = TASKS) -> SegmentationModule:
    torch.manual_seed(0)
    network = partial(MultiTaskNetwork, tasks=tasks, encoder="tu-mobilenetv3_small_050")
    return SegmentationModule(network, 5, objective=MultiTask(weighting))


def data() -> SyntheticDataModule:
    return SyntheticDataModule(train=8, val=4, size=(64, 64), batch_size=4, num_workers=0)


def trained(one: SegmentationModule, steps: int = 2) -> pl.Trainer:
    trainer = pl.Trainer(
        max_steps=steps, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False
    )
    trainer.fit(one, data())
    return trainer


@pytest.mark.parametrize("weighting", [None, FixedWeights({"depth": 0.5}), UncertaintyWeights(), GradNorm()])
def test_all_tasks_are_trained(weighting: Any) -> None:
    one = module(weighting)
    before = {name: value.detach().clone() for name, value in one.named_parameters()}
    trainer = trained(one)
    logged = trainer.callback_metrics
    assert {f"train/{name}" for name in ("segmentation", *(task.name for task in TASKS))} <= set(logged)
    assert {f"weight/{name}" for name in ("segmentation", *(task.name for task in TASKS))} <= set(logged)
    unmoved = [name for name, value in one.named_parameters() if torch.equal(value, before[name])]
    assert not unmoved
    assert torch.isfinite(one.objective.weighting.weights).all()


def test_the_loss_is_the_weighted_sum() -> None:
    one = module(FixedWeights({"segmentation": 2.0, "boundary": 0.5}), [Boundary()]).eval()
    batch = next(iter(data().train_dataloader()))
    batch["mask"] = batch["mask"].long()
    outputs = one.network.compute_outputs(batch["image"])  # type: ignore[operator]
    task = one.tasks["boundary"]
    expected = 2 * one.loss(outputs["segmentation"], batch["mask"])
    expected = expected + 0.5 * task.compute_loss(outputs["boundary"], task.make_target(batch, 5))
    torch.testing.assert_close(one.compute_loss(batch), expected)


def test_a_resumed_training_goes_on_with_its_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weighting = "--model.init_args.objective.init_args.weighting=experiments/configs/weighting/gradnorm.yaml"
    assert_resumes("synthetic_unet_multi_task", tmp_path, monkeypatch, weighting)


def test_a_network_without_tasks_is_refused() -> None:
    with pytest.raises(UserError, match="unet_multi_task"):
        SegmentationModule(SmpNetwork, 5, objective=MultiTask())


def test_a_training_that_would_leave_the_tasks_out_is_refused() -> None:
    """Its heads would learn nothing, and nobody would notice."""
    network = partial(MultiTaskNetwork, tasks=[Boundary()], encoder="tu-mobilenetv3_small_050")
    with pytest.raises(
        UserError, match=r"Supervised does not train .* \(boundary\): pass .*objective/multi_task\.yaml"
    ):
        SegmentationModule(network, 5).setup("fit")
