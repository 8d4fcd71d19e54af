"""Every method of training with every other one: batch transforms, objectives, and objectives around others."""

import copy
import itertools
from typing import Any

import pytest
import torch
from command_line import ROOT
from jsonargparse import ArgumentParser
from task_batches import CLASSES, batch
from torch.nn import functional as F

from lightning_modules.batch_transforms.base import BatchTransform
from lightning_modules.images import to_unit_range
from lightning_modules.networks.heads.multi_task import MultiTaskNetwork
from lightning_modules.networks.smp import SmpNetwork
from lightning_modules.objectives.base import Objective
from lightning_modules.objectives.mean_teacher import MeanTeacher
from lightning_modules.objectives.multi_task import MultiTask
from lightning_modules.objectives.outer import OuterObjective
from lightning_modules.objectives.view_consistency import ViewConsistency
from lightning_modules.segmentation import SegmentationModule
from lightning_modules.training_batch import read_training_batch
from user_error import UserError


def read_family(kind: type, folder: str) -> dict[str, Any]:
    """What the YAMLs of a family make, by name."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(kind, "one")
    paths = sorted((ROOT / "experiments/configs" / folder).glob("*.yaml"))
    return {path.stem: parser.instantiate(parser.parse_args([f"--one={path}"])).one for path in paths}


TRANSFORMS = read_family(BatchTransform, "batch_transform")
OBJECTIVES = read_family(Objective, "objective")
OUTER = [name for name, one in OBJECTIVES.items() if isinstance(one, OuterObjective)]


DECODER = {"decoder_channels": [16, 16, 16]}


class OwnLoss(SmpNetwork):
    """A network with a loss of its own."""

    has_own_loss = True  # type: ignore[assignment]

    def compute_own_loss(self, image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(self(image), mask.long(), ignore_index=255)


def assert_trains(objective: Objective, *transforms: BatchTransform) -> None:
    """One step has a finite loss, and every parameter of a network that fits a part in it; all that is said is logged."""
    torch.manual_seed(0)
    of_tasks = any(isinstance(one, MultiTask) for one in objective.modules())
    kind: Any = MultiTaskNetwork if of_tasks else OwnLoss
    module = SegmentationModule(
        lambda *sizes: kind(*sizes, encoder="tu-mobilenetv3_small_050", encoder_depth=3, decoder=DECODER),
        CLASSES,
        objective=objective,
        batch_transforms=list(transforms),
    )
    given = read_training_batch({**batch(2, 32, 40), "kinds": {"depth": "continuous"}})
    loss, logged = module.apply_objective(module.transform_batch(given))
    assert torch.isfinite(loss)
    loss.backward()
    assert [name for name, one in module.named_parameters() if one.grad is None] == []
    assert set(logged) == set(objective.logged)


@pytest.mark.parametrize("names", itertools.product(TRANSFORMS, repeat=2), ids="+".join)
def test_batch_transforms_follow_each_other(names: tuple[str, str]) -> None:
    """In any order: images stay in range, and the targets of a set say the same of every pixel, or that they do not know it."""
    draw = torch.Generator().manual_seed(0)
    image = torch.randint(0, 200, (4, 3, 36, 40), dtype=torch.uint8, generator=draw)
    content = {
        "image": image,
        "mask": image[:, 0].long(),
        "vessels": image[:, 1].clone(),
        "pixels": image.movedim(1, 3).float(),
        "id": list("abcd"),
        "kinds": {"vessels": "classes", "pixels": "continuous"},
    }
    found = read_training_batch(content)
    for place, name in enumerate(names):
        found = TRANSFORMS[name](found, torch.Generator().manual_seed(place))
    shown = to_unit_range(found.image)
    assert ((shown >= 0) & (shown <= 1)).all()
    assert len(found.targets) == 2 ** names.count("mixup")
    assert sum(weight for weight, _ in found.targets) == pytest.approx(1)
    for _, targets in found.targets:
        known = targets["mask"] != 255
        assert torch.equal(known, targets["vessels"] != 255)
        assert torch.equal(known[..., None].expand(-1, -1, -1, 3), ~targets["pixels"].isnan())
        assert torch.equal(targets["pixels"][known][:, 0].long(), targets["mask"][known])
        assert torch.equal(targets["pixels"][known][:, 1].long(), targets["vessels"][known].long())


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_an_objective_trains_on_what_a_batch_transform_made(transform: str, objective: str) -> None:
    assert_trains(copy.deepcopy(OBJECTIVES[objective]), TRANSFORMS[transform])


@pytest.mark.parametrize("inner", OBJECTIVES)
@pytest.mark.parametrize("outer", OUTER)
def test_an_objective_lies_around_another(outer: str, inner: str) -> None:
    """Of as many passes at least; one with a loss of the network's own or of its tasks keeps it."""
    objective = copy.deepcopy(OBJECTIVES[outer])
    objective.inner = copy.deepcopy(OBJECTIVES[inner])
    assert objective.passes >= objective.inner.passes
    assert_trains(objective)


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("kind", [ViewConsistency, MeanTeacher])
def test_views_are_made_by_what_keeps_the_targets(kind: Any, transform: str) -> None:
    """And by nothing else."""
    if TRANSFORMS[transform].keeps_targets:
        assert_trains(kind(views=[TRANSFORMS[transform]]))
    else:
        with pytest.raises(UserError, match=r"pass \w+ in --model\.init_args\.batch_transforms"):
            kind(views=[TRANSFORMS[transform]])
