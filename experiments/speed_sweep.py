"""A sweep's step against as many bare forward passes on tensors in memory."""

import statistics
from functools import partial

import numpy as np
import torch
from tqdm import tqdm

from datamodules.corruptions.stream import ConditionStream
from datamodules.corruptions.suite import Suite
from experiments.photographs import photographs
from experiments.speed_corruptions import verdict
from experiments.turns import Turns, take_turns
from lightning_modules.networks.smp import SmpNetwork
from lightning_modules.segmentation import SegmentationModule

BAR = 1.08
CLASSES = 19


def make_module(device: torch.device) -> SegmentationModule:
    """The network of all measurements: a U-Net with ResNet-18, in the memory format of a sweep."""
    torch.manual_seed(0)
    make_network = partial(SmpNetwork, architecture="Unet", encoder="resnet18")
    module = SegmentationModule(make_network, num_classes=CLASSES).eval()
    module.setup("test")
    return module.to(device)


def measure_sweep(suite: Suite, size: int, batch_size: int, rounds: int, device: torch.device) -> Turns:
    """Seconds of a batch under every condition of `suite`: the sweep's step, and the forward passes alone."""
    module = make_module(device)
    network: SmpNetwork = module.network  # type: ignore[assignment]
    module.count_conditions(len(suite.conditions))
    images = np.stack([image.transpose(2, 0, 1) for image in photographs(batch_size, size)])
    image = torch.from_numpy(images).contiguous().to(device)
    mask = torch.randint(0, CLASSES, (batch_size, size, size)).to(device)
    ids = [str(place) for place in range(batch_size)]
    tensors = network.normalise(image).contiguous(memory_format=torch.channels_last)

    def forward() -> None:
        for _ in suite.conditions:
            network.logits(tensors)

    def sweep() -> None:
        stream = ConditionStream(suite, image, mask, ids)
        module.test_step({"image": image, "mask": mask, "id": ids, "conditions": stream}, 0)

    with torch.inference_mode():
        forward()
        sweep()  # both warm
        return take_turns(sweep, forward, tqdm(range(rounds), desc="sweep", unit="round"), device)


def sweep_lines(turns: Turns, suite: Suite, size: int, batch_size: int) -> list[str]:
    """Markdown."""
    ratios = turns.overheads
    median = statistics.median(ratios)
    return [
        "## Sweep against bare forward passes",
        "",
        f"One batch, {batch_size} x 3 x {size} x {size}, under the {len(suite.conditions)} conditions of `{suite.name}`, "
        "U-Net ResNet-18: the sweep's step",
        "(corruptions, forward passes, counts) against as many forward passes on tensors in memory.",
        "",
        "| forward passes (s) | sweep (s) | sweep / forward | least | most | bar |",
        "|---:|---:|---:|---:|---:|---|",
        f"| {turns.theirs_median:.3f} | {turns.ours_median:.3f} | **{median:.3f}** | {min(ratios):.3f} | {max(ratios):.3f} "
        f"| at most {BAR}: {verdict(median <= BAR)} |",
        "",
    ]
