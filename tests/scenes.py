"""Every corruption that a suite names, and small images to try them on."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from datamodules.corruptions.base import Corruption, draw_key
from experiments.sweeping.suite import Suite

SUITES = sorted((Path(__file__).parent.parent / "experiments" / "configs" / "suite").glob("*.yaml"))
EVERY = [one for path in SUITES for one in Suite.from_yaml(path).corruptions]
CORRUPTIONS = list({one.name: one for one in reversed(EVERY)}.values())[::-1]
"""One of each name: that of the first suite, since calibrated suites have the same corruptions at other strengths."""

every_corruption = pytest.mark.parametrize("corruption", CORRUPTIONS, ids=lambda corruption: corruption.name)


@cache
def scene(batch: int = 1, channels: int = 3, height: int = 48, width: int = 57) -> torch.Tensor:
    """Smooth shapes, an edge and some grain, each image another."""
    rows, columns = np.mgrid[:height, :width] / 20.0
    random = np.random.default_rng(7)
    images = [
        120 + 60 * np.sin(rows + i) * np.cos(columns * (1 + c / 4)) + 40 * (columns > 1 + rows / 2) - 10 * c
        for i in range(batch)
        for c in range(channels)
    ]
    grain = random.normal(0, 6, (batch, channels, height, width))
    levels = np.stack(images).reshape(grain.shape) + grain
    return torch.from_numpy(levels.clip(0, 255).astype(np.uint8))


@cache
def regions(batch: int = 1, height: int = 48, width: int = 57) -> torch.Tensor:
    """A disc of class 1 on class 0, an ignored rim and a strip of class 2."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    distance = ((rows - height / 2) ** 2 + (columns - width / 2) ** 2).sqrt() / (height / 4)
    masks = torch.zeros(height, width, dtype=torch.int64)
    masks[rows > 0.9 * height] = 2
    masks[distance < 1.1] = 255
    masks[distance < 1] = 1
    return masks.expand(batch, -1, -1).contiguous()


def keys(batch: int, severity: int = 3) -> torch.Tensor:
    return torch.tensor([draw_key(0, f"image {i}", "any", severity) for i in range(batch)])


def further(images: torch.Tensor, keys: torch.Tensor) -> dict[str, torch.Tensor]:
    """Targets of images (B, C, H, W): a floor that comes nearer, each of another height, under a sky of unknown depth."""
    height, width = images.shape[-2:]
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    depth = 1 + 6 * (1 - rows / height) + 0.5 * torch.sin(columns / 9)
    depth[rows < 0.1 * height] = torch.nan
    heights = torch.ones(len(keys)) if keys.device.type == "meta" else 0.5 + (keys.cpu() % 7) / 7
    return {"depth": (depth * heights[:, None, None]).to(images.device)}


def apply(
    corruption: Corruption, images: torch.Tensor, masks: torch.Tensor, severity: int, keys: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """What a corruption makes of images and masks, with the targets that it needs."""
    given = [further(images, keys)] if corruption.needs else []
    return corruption.apply(images, masks, severity, keys, *given)
