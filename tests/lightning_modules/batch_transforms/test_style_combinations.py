"""Changes of style before and after others: the targets are those of the others alone, the image that of both in turn."""

from functools import partial

import pytest
import torch
from torch.nn import functional as F

from lightning_modules.batch_transforms.base import BatchTransform
from lightning_modules.batch_transforms.cutmix import CutMix
from lightning_modules.batch_transforms.fourier_mixing import FourierMixing
from lightning_modules.batch_transforms.mixup import Mixup
from lightning_modules.batch_transforms.random_convolution import RandomConvolution
from lightning_modules.draws import make_step_generator
from lightning_modules.networks.smp import SmpNetwork
from lightning_modules.segmentation import SegmentationModule
from lightning_modules.training_batch import TrainingBatch, read_training_batch

K = 4
STYLES: dict[str, BatchTransform] = {"random_convolution": RandomConvolution(), "fourier_mixing": FourierMixing()}
OTHERS: dict[str, BatchTransform] = {"cutmix": CutMix(1.0), "mixup": Mixup(1.0), **STYLES}


def batch() -> dict:
    draw = torch.Generator().manual_seed(0)
    mask = torch.randint(0, K, (4, 64, 64), generator=draw)
    image = torch.randint(0, 256, (4, 3, 64, 64), dtype=torch.uint8, generator=draw)
    return {"image": image, "mask": mask, "id": list("abcd"), "kinds": {}}


def apply(transforms: list[BatchTransform]) -> list[TrainingBatch]:
    """The batch before and after each transform, by the draws of its place."""
    found = [read_training_batch(batch())]
    for place, one in enumerate(transforms):
        found.append(one(found[-1], make_step_generator(None, f"batch_transforms.{place}")))
    return found


@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("style", STYLES)
def test_targets_are_those_of_the_other_alone(style: str, other: str, first: bool) -> None:
    transforms = [STYLES[style], OTHERS[other]] if first else [OTHERS[other], STYLES[style]]
    given, between, found = apply(transforms)
    before, after = (given, between) if first else (between, found)  # of the change of style
    assert after.targets is before.targets
    assert not torch.equal(after.image, before.image)
    network = partial(SmpNetwork, encoder="tu-mobilenetv3_small_050")
    torch.manual_seed(0)
    module = SegmentationModule(network, K, batch_transforms=transforms).eval()
    loss = module.training_step(batch(), 0)
    logits = module.network(found.image)
    terms = [weight * F.cross_entropy(logits, targets["mask"], ignore_index=255) for weight, targets in found.targets]
    torch.testing.assert_close(loss, torch.stack(terms).sum())
    loss.backward()
    assert all(parameter.grad is not None for parameter in module.parameters())
