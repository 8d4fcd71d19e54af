"""A batch transform and an objective of the user's own: one file and one YAML each, and nothing else."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import ROOT
from resumed import assert_resumes

from experiments.checkpoints.checkpoint import load_module
from experiments.checkpoints.trusted_classes import TRUST
from lightning_modules.objectives.multi_task import MultiTask
from user_error import UserError

TRANSFORM = '''
from dataclasses import replace

import torch

from lightning_modules.batch_transforms.base import BatchTransform
from lightning_modules.images import to_unit_range


class Noise(BatchTransform):
    """Adds noise of one strength to all images."""

    def __init__(self, strength: float = 0.1) -> None:
        self.strength = strength

    def __call__(self, batch, generator):
        noise = torch.randn(batch.image.shape, generator=generator).to(batch.image.device)
        return replace(batch, image=(to_unit_range(batch.image) + self.strength * noise).clamp(0, 1))
'''

OBJECTIVE = '''
from dataclasses import replace

import torch

from lightning_modules.images import to_unit_range
from lightning_modules.networks.network import SEGMENTATION, as_network
from lightning_modules.objectives.base import Objective, ObjectiveLoss


class Adversarial(Objective):
    """The loss of another objective on the batch and, after a step against it, on a second view of the batch."""

    def __init__(self, inner: Objective, budget: float = 0.01) -> None:
        super().__init__()
        self.inner = inner
        self.budget = budget

    def begin(self, network):
        self.inner.begin(network)
        self.share = torch.nn.Parameter(torch.zeros(()))

    @property
    def tasks(self):
        return self.inner.tasks

    @property
    def logged(self):
        return [*self.inner.logged, "train/attacked"]

    def forward(self, network, batch, context):
        start = to_unit_range(batch.image)
        start = start + self.budget * torch.rand(start.shape, generator=context.generator).to(start.device)
        image = start.requires_grad_()
        attacked = self.inner(network, replace(batch, image=image), context).loss
        (slope,) = torch.autograd.grad(attacked, image)
        view = (image + self.budget * slope.sign()).clamp(0, 1).detach()
        clean, logged = self.inner(network, batch, context)
        attacked = self.inner(network, replace(batch, image=view), context).loss
        share = self.share.sigmoid()
        return ObjectiveLoss((1 - share) * clean + share * attacked, {**logged, "train/attacked": attacked.detach()})
'''


@pytest.fixture
def own_methods(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Two files of Python and two YAMLs in a folder of the user's."""
    (tmp_path / "my_noise.py").write_text(TRANSFORM)
    (tmp_path / "my_objective.py").write_text(OBJECTIVE)
    (tmp_path / "noise.yaml").write_text("class_path: my_noise.Noise\ninit_args: {strength: 0.05}\n")
    inner = ROOT / "experiments/configs/objective/multi_task_uncertainty.yaml"
    (tmp_path / "adversarial.yaml").write_text(f"class_path: my_objective.Adversarial\ninit_args: {{inner: {inner}}}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv(TRUST, "my_noise,my_objective")
    yield tmp_path
    for name in ("my_noise", "my_objective"):
        sys.modules.pop(name, None)


def test_own_methods_train_resume_and_rebuild(own_methods: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Together with those that are here: mixup after the noise, and several tasks within the objective."""
    words = (
        f"--model.init_args.batch_transforms+={own_methods / 'noise.yaml'}",
        "--model.init_args.batch_transforms+=experiments/configs/batch_transform/mixup.yaml",
        f"--model.init_args.objective={own_methods / 'adversarial.yaml'}",
        "--model.init_args.objective.init_args.budget=0.02",
        "--trainer.log_every_n_steps=1",
    )
    assert_resumes("synthetic_unet_multi_task", own_methods, monkeypatch, *words)
    last = own_methods / "whole" / "last.ckpt"
    module = load_module(last)
    assert [type(one).__name__ for one in module.batch_transforms] == ["Noise", "Mixup"]
    assert module.batch_transforms[0].strength == 0.05  # type: ignore[attr-defined]
    objective = module.objective
    assert objective.budget == 0.02
    assert isinstance(objective.inner, MultiTask)
    assert objective.share != 0
    assert set(module.logged) >= {"train/attacked", "train/boundary", "weight/depth"}
    heads = (last.parent / "metrics/version_0/metrics.csv").read_text().splitlines()[0].split(",")
    assert {"train/attacked", "train/depth", "weight/segmentation"} <= set(heads)
    monkeypatch.delenv(TRUST)
    with pytest.raises(UserError, match=r"asks for 'my_"):
        load_module(last)
