"""Time of a sweep's step relative to as many bare forward passes, with the confusion alone and with all counts."""

import statistics
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from tqdm import tqdm

from experiments.measuring.photographs import load_photographs
from experiments.measuring.sweep_step import make_sweep_step
from experiments.measuring.turns import Turns, time_in_turns
from experiments.sweeping.suite import Suite
from experiments.upkeep.speed_corruptions import describe_bar
from lightning_modules.labels import find_classes
from lightning_modules.metrics.counts import SegmentationCounts, compute_confusion, count_classes
from lightning_modules.networks.smp import SmpNetwork
from lightning_modules.segmentation import SegmentationModule

BARS = {"confusion counts": 1.08, "everything": 1.15}
"""Largest allowed ratio of the step's time to that of the forward passes, by what it counts."""

CLASSES = 19


def make_module(device: torch.device) -> SegmentationModule:
    """The network of all measurements: a U-Net with ResNet-18, in the memory format of a sweep."""
    torch.manual_seed(0)
    make_network = partial(SmpNetwork, architecture="Unet", encoder="resnet18")
    module = SegmentationModule(make_network, num_classes=CLASSES).eval()
    module.setup("test")
    return module.to(device)


def measure_sweep(suite: Suite, size: int, batch_size: int, rounds: int, device: torch.device) -> dict[str, Turns]:
    """Seconds for a batch under all conditions of `suite`: of the sweep's step, by what it counts, and of bare passes.

    The two take turns at every condition: a machine that is slowed down for a while is slow for both.
    """
    module = make_module(device)
    network: SmpNetwork = module.network  # type: ignore[assignment]
    images = np.stack([image.transpose(2, 0, 1) for image in load_photographs(batch_size, size)])
    image = torch.from_numpy(images).contiguous().to(device)
    mask = torch.randint(0, CLASSES, (batch_size, size, size)).to(device)
    ids = [str(place) for place in range(batch_size)]
    tensors = network.normalise(image).contiguous(memory_format=torch.channels_last)

    sums = SegmentationCounts(CLASSES, len(suite.conditions)).to(device)

    def forward() -> None:
        network.compute_logits(tensors)

    def count_confusion(place: int) -> None:
        corrupted, moved = suite.conditions[place](module.network, image, mask, ids, suite.seed)
        confusion = compute_confusion(find_classes(module.predict_logits(corrupted)), moved, CLASSES)
        sums.update(confusion, place)
        count_classes(confusion)

    def make_confusion_step(place: int) -> Callable[[], None]:
        return partial(count_confusion, place)

    def make_complete_step(place: int) -> Callable[[], None]:
        return make_sweep_step(module, suite, image, mask, [place])

    found = {}
    with torch.inference_mode():
        for name, make_step in zip(BARS, (make_confusion_step, make_complete_step), strict=True):
            totals = {"candidate": np.zeros(rounds), "baseline": np.zeros(rounds)}
            for place in tqdm(range(len(suite.conditions)), desc=f"sweep, {name}", unit="condition"):
                step = make_step(place)
                for warm_up in (step, forward):
                    warm_up()
                seconds = time_in_turns({"candidate": step, "baseline": forward}, range(rounds), device)
                for side, taken in seconds.items():
                    totals[side] += taken
            found[name] = Turns(**{side: total.tolist() for side, total in totals.items()})
    return found


def make_sweep_lines(measured: dict[str, Turns], suite: Suite, size: int, batch_size: int) -> list[str]:
    """Markdown lines of the section."""
    lines = [
        "## Sweep against bare forward passes",
        "",
        f"One batch, {batch_size} x 3 x {size} x {size}, under the {len(suite.conditions)} conditions of `{suite.name}`, "
        "U-Net ResNet-18: the sweep's step",
        "(corruptions, forward passes, counts) against as many forward passes on tensors in memory. What the step counts",
        "is the confusion of classes alone, or everything: boundaries, losses, calibration and risk as well.",
        "",
        "| counted | forward passes (s) | sweep (s) | sweep / forward | least | most | bar |",
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    for name, turns in measured.items():
        ratios = turns.overheads
        median = statistics.median(ratios)
        lines.append(
            f"| {name} | {turns.baseline_median:.3f} | {turns.candidate_median:.3f} | **{median:.3f}** | {min(ratios):.3f} "
            f"| {max(ratios):.3f} | at most {BARS[name]}: {describe_bar(median <= BARS[name])} |"
        )
    return [*lines, ""]
