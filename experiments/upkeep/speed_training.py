"""Time of a training step under each batch transform and objective, relative to the plain step."""

import itertools
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from experiments.command_line.component import build_component
from experiments.measuring.photographs import load_photographs
from experiments.measuring.turns import Turns, take_turns
from experiments.sweeping.named_files import CONFIGS
from experiments.upkeep.speed_corruptions import describe_bar
from lightning_modules.batch_transforms.base import BatchTransform
from lightning_modules.networks.smp import SmpNetwork
from lightning_modules.objectives.base import Objective, StepContext
from lightning_modules.segmentation import SegmentationModule
from lightning_modules.training_batch import read_training_batch
from user_error import UserError

BAR = 1.1
"""Largest allowed time of a step, as a multiple of the forward and backward passes that its method needs."""

CLASSES = 19

PRECISIONS = {"32-true": torch.float32, "bf16-mixed": torch.bfloat16}


class Method(NamedTuple):
    """A training method that is measured."""

    name: str
    module: SegmentationModule

    @property
    def passes(self) -> int:
        """Forward and backward passes of a batch in a step."""
        return self.module.objective.passes


class MethodTimes(NamedTuple):
    """Steps of a method beside plain steps."""

    name: str
    passes: int
    turns: Turns

    @property
    def ratio(self) -> float:
        """Time of a step as a multiple of the plain step's: the median over the rounds."""
        return statistics.median(self.turns.overheads)


def make_module(
    transforms: list[BatchTransform] | None = None, objective: Objective | None = None
) -> SegmentationModule:
    """A U-Net with ResNet-18 in training mode."""
    torch.manual_seed(0)
    make_network = partial(SmpNetwork, architecture="Unet", encoder="resnet18")
    module = SegmentationModule(make_network, CLASSES)
    module.batch_transforms = transforms or []
    if objective is not None:
        objective.begin(module.network)
        module.objective = objective
    module.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return module.train()


def list_methods(names: Sequence[str] | None = None) -> Iterator[Method]:
    """Every batch transform and every objective of `experiments/configs` that fits a plain U-Net.

    Args:
        names: of those to take; all if null.

    Raises:
        UserError: an objective that was named does not fit.
    """
    for path in _list_paths("batch_transform", names):
        yield Method(path.stem, make_module([build_component(BatchTransform, path, "batch_transform")]))
    for path in _list_paths("objective", names):
        try:
            module = make_module(None, build_component(Objective, path, "objective"))
        except UserError:  # it needs a network of another kind
            if names is not None:
                raise
            continue
        yield Method(path.stem, module)


def list_method_names() -> list[str]:
    """Names of the batch transforms and objectives that come with the project."""
    return [path.stem for kind in ("batch_transform", "objective") for path in _list_paths(kind, None)]


def _list_paths(kind: str, names: Sequence[str] | None) -> list[Path]:
    return [path for path in sorted((CONFIGS / kind).glob("*.yaml")) if names is None or path.stem in names]


def measure_training(
    size: int,
    batch_size: int,
    rounds: int,
    precision: str,
    device: torch.device,
    names: Sequence[str] | None = None,
) -> list[MethodTimes]:
    """Time a step, to the gradients of the weights, under each method, or those of `names`, and the plain one, in turns."""
    batch = make_batch(size, batch_size, device)
    autocast = partial(torch.autocast, device.type, PRECISIONS[precision], enabled=precision != "32-true")
    plain = make_step(make_module().to(device), batch, autocast)
    found = []
    for method in tqdm(list_methods(names), desc=f"training, {precision}", unit="method"):
        step = make_step(method.module.to(device), batch, autocast)
        for warm_up in (step, plain):
            warm_up()
        found.append(MethodTimes(method.name, method.passes, take_turns(step, plain, range(rounds), device)))
    return found


def make_batch(size: int, batch_size: int, device: torch.device) -> dict[str, Any]:
    """A batch of square photographs whose classes are their levels of brightness."""
    images = np.stack([image.transpose(2, 0, 1) for image in load_photographs(batch_size, size)])
    image = torch.from_numpy(images).to(device)
    levels = image.float().mean(1) * (CLASSES / 256)
    return {"image": image, "mask": levels.long(), "id": [str(place) for place in range(batch_size)]}


def make_step(
    module: SegmentationModule,
    batch: dict[str, Any],
    autocast: Callable[[], AbstractContextManager[Any]] = nullcontext,
) -> Callable[[], Tensor]:
    """A training step of a module up to the gradients, without optimiser; each call draws anew."""
    seeds = itertools.count()

    def step() -> Tensor:
        module.zero_grad()
        transformed, seed = read_training_batch(batch), next(seeds)
        for place, transform in enumerate(module.batch_transforms):
            transformed = transform(transformed, torch.Generator().manual_seed(seed + place))
        draw = torch.Generator().manual_seed(seed)
        with autocast():
            context = StepContext(seed, draw, module.compute_mask_loss, module.num_classes)
            loss = module.objective(module.network, transformed, context).loss
        loss.backward()
        return loss

    return step


def make_training_lines(measured: dict[str, list[MethodTimes]], size: int, batch_size: int) -> list[str]:
    """Markdown lines of the section.

    Args:
        measured: by precision.
        size: of the images.
        batch_size: images of a batch.
    """
    lines = [
        "## Training steps",
        "",
        f"A step up to the gradients, on {batch_size} images of {size} x {size}, of a U-Net ResNet-18, under every batch "
        "transform and every",
        "objective that fits it, against the plain step. A method needs as many forward and backward passes as stated; its "
        f"step may take {BAR} times that.",
        "",
        "| method | passes | " + " | ".join(f"{precision} | bar" for precision in measured) + " |",
        "|---|---:|" + "---:|---|" * len(measured),
    ]
    for rows in zip(*measured.values(), strict=True):
        cells = [f"**{row.ratio:.2f}** | {describe_bar(row.ratio <= BAR * row.passes)}" for row in rows]
        lines.append(f"| {rows[0].name} | {rows[0].passes} | " + " | ".join(cells) + " |")
    return [*lines, ""]
