"""Every batch transform with every objective and kind of network: one step has the loss that a few lines give."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lightning_modules.batch_transforms.base import BatchTransform
from lightning_modules.batch_transforms.cutmix import CutMix
from lightning_modules.batch_transforms.mixup import Mixup
from lightning_modules.batch_transforms.partners import draw_partners
from lightning_modules.draws import make_step_generator
from lightning_modules.networks.ensembles.ensemble import Ensemble
from lightning_modules.networks.ensembles.multi_head import MultiHead
from lightning_modules.networks.heads.multi_task import MultiTaskNetwork
from lightning_modules.networks.smp import SmpNetwork
from lightning_modules.objectives.base import Objective
from lightning_modules.objectives.multi_task import MultiTask
from lightning_modules.objectives.supervised import Supervised
from lightning_modules.segmentation import SegmentationModule
from lightning_modules.tasks.depth import Depth
from lightning_modules.tasks.reconstruction import Reconstruction
from lightning_modules.weightings.fixed import FixedWeights
from lightning_modules.weightings.gradnorm import GradNorm
from user_error import UserError

K, SIZE = 5, (64, 64)
SMALL = {"encoder": "tu-mobilenetv3_small_050"}
TASKS = (Depth(invariance=0.0), Reconstruction())
WEIGHTS = {"segmentation": 2.0, "depth": 0.5, "reconstruction": 3.0}

Sets = list[tuple[float, dict[str, Tensor]]]


def batch() -> dict[str, Any]:
    draw = torch.Generator().manual_seed(0)
    mask = torch.randint(0, K, (4, *SIZE), generator=draw)
    mask[0, :9] = 255
    return {
        "image": torch.randint(0, 256, (4, 3, *SIZE), dtype=torch.uint8, generator=draw),
        "mask": mask,
        "depth": torch.rand(4, *SIZE, generator=draw) + 0.5,
        "id": list("abcd"),
        "kinds": {"depth": "continuous"},
    }


def cut_by_hand(image: Tensor, sets: Sets, place: int) -> tuple[Tensor, Sets]:
    draw = make_step_generator(None, f"batch_transforms.{place}")
    inside = CutMix(1.0).draw_rectangles(4, *SIZE, draw)
    partners = draw_partners(4, draw)
    assert inside.any()
    cut = [
        (weight, {name: torch.where(inside, one[partners], one) for name, one in targets.items()})
        for weight, targets in sets
    ]
    return torch.where(inside[:, None], image[partners], image), cut


def mix_by_hand(image: Tensor, sets: Sets, place: int) -> tuple[Tensor, Sets]:
    draw = make_step_generator(None, f"batch_transforms.{place}")
    ratio = Mixup(1.0).draw_ratio(draw)
    partners = torch.randperm(4, generator=draw)
    x = image if image.is_floating_point() else image / 255
    reference = [
        ((1 - ratio) * weight, {name: one[partners] for name, one in targets.items()}) for weight, targets in sets
    ]
    return ratio * x + (1 - ratio) * x[partners], [(ratio * weight, targets) for weight, targets in sets] + reference


METHODS: Mapping[str, tuple[BatchTransform, Any]] = {
    "cutmix": (CutMix(1.0), cut_by_hand),
    "mixup": (Mixup(1.0), mix_by_hand),
}
LISTS = [[], ["cutmix"], ["mixup"], ["cutmix", "mixup"], ["mixup", "cutmix"], ["mixup", "mixup"]]


def loss_by_hand(outputs: Mapping[str, Tensor], image: Tensor, sets: Sets) -> Tensor:
    """Of one member."""
    x = image if image.is_floating_point() else image / 255
    total = torch.zeros(())
    for weight, targets in sets:
        one = WEIGHTS["segmentation"] * F.cross_entropy(outputs["segmentation"], targets["mask"], ignore_index=255)
        if "depth" in outputs:
            error = (outputs["depth"][:, 0] - targets["depth"].log()).square().mean((1, 2)).mean()
            one = one + WEIGHTS["depth"] * error
            one = one + WEIGHTS["reconstruction"] * (outputs["reconstruction"] - x).square().mean()
        total = total + weight * one
    return total


def network(objective: str, members: str) -> Any:
    torch.manual_seed(0)
    of_tasks = objective == "multi_task"
    one = partial(MultiTaskNetwork, tasks=TASKS, **SMALL) if of_tasks else partial(SmpNetwork, **SMALL)
    if members == "single":
        return one
    if members == "heads" and not of_tasks:
        return partial(MultiHead, heads=2, **SMALL)
    return partial(Ensemble, members=[one], copies=2)


def members_of(net: nn.Module, image: Tensor) -> list[Mapping[str, Tensor]]:
    if isinstance(net, MultiHead):
        return [{"segmentation": logits} for logits in net.compute_member_logits(image)]
    members: Any = net.members if isinstance(net, Ensemble) else [net]
    return [
        one.compute_outputs(image) if isinstance(one, MultiTaskNetwork) else {"segmentation": one(image)}
        for one in members
    ]


@pytest.mark.parametrize("members", ["single", "heads"])
@pytest.mark.parametrize("kind", ["supervised", "multi_task"])
@pytest.mark.parametrize("methods", LISTS, ids=lambda names: "+".join(names) or "plain")
def test_a_step_has_the_loss_of_a_few_lines(methods: list[str], kind: str, members: str) -> None:
    objective: Objective = Supervised() if kind == "supervised" else MultiTask(FixedWeights(WEIGHTS))
    transforms = [METHODS[name][0] for name in methods]
    module = SegmentationModule(network(kind, members), K, batch_transforms=transforms, objective=objective).eval()
    given = batch()
    image, sets = given["image"], [(1.0, {name: given[name] for name in ("mask", "depth")})]
    for place, name in enumerate(methods):
        image, sets = METHODS[name][1](image, sets, place)
    assert len(sets) == 2 ** methods.count("mixup")
    expected = torch.stack([loss_by_hand(one, image, sets) for one in members_of(module.network, image)]).mean()
    if kind == "supervised":
        expected = expected / WEIGHTS["segmentation"]
    before = [parameter.detach().clone() for parameter in module.parameters()]
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-3)
    loss = module.training_step(given, 0)
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert all(one.grad is not None for one in module.parameters())
    optimizer.step()
    assert any(not torch.equal(one, other) for one, other in zip(before, module.parameters(), strict=True))
    assert torch.equal(given["image"], batch()["image"])  # a step may take it again


def test_members_that_share_no_layer_cannot_be_weighted_by_gradients() -> None:
    module = SegmentationModule(network("multi_task", "ensemble"), K, objective=MultiTask(GradNorm())).train()
    with pytest.raises(UserError, match="GradNorm needs a layer that all tasks share"):
        module.training_step(batch(), 0)


def test_a_target_of_no_declared_kind_is_refused() -> None:
    module = SegmentationModule(network("supervised", "single"), K)
    with pytest.raises(UserError, match=r"'depth' of no declared kind.*`targets` of the data set"):
        module.training_step({**batch(), "kinds": {}}, 0)
