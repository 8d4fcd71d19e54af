"""The networks of a page: one, or two that can be compared."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from datamodules.base import SegmentationDataModule
from experiments.checkpoints.checkpoint import describe_data, load_module
from experiments.checkpoints.opened_checkpoint import CheckpointFile, find_distinct_digests
from experiments.command_line.device import move_to_device
from experiments.demo.described_data import DescribedData
from experiments.demo.shown import Viewer
from experiments.evaluation.order import Order
from experiments.sweeping.sweep import prepare_suite
from lightning_modules.segmentation import SegmentationModule
from user_error import UserError

MOST = 2
"""Networks that are shown side by side."""


def open_viewer(
    checkpoints: Sequence[Path],
    data: SegmentationDataModule | None,
    suite: str,
    seed: int,
    order: Order | None,
    device: str,
) -> Viewer:
    """Load the networks of a page.

    Args:
        checkpoints: of one network or two.
        data: whose test split can be picked from; `None` where there are none.
        suite: its name, or the path of its YAML.
        seed: of the corruptions.
        order: of corruption and resize; that of the suite if `None`.
        device: by its name.

    Raises:
        UserError: a file is no checkpoint, there are too many, they do not compare, or they do not fit the data.
    """
    if not 1 <= len(checkpoints) <= MOST:
        raise UserError(f"{len(checkpoints)} networks do not fit on the page: pass --checkpoint once or twice")
    torch.backends.cudnn.allow_tf32 = False  # as in a sweep
    files = [CheckpointFile(path) for path in checkpoints]
    find_distinct_digests(files)
    modules = [load_module(file) for file in files]
    described = [describe_data(file) for file in files]
    if len(files) > 1:
        _require_comparable(checkpoints, modules, described)
    shown = data or DescribedData(described[0], modules[0])
    suites = [
        prepare_suite(shown, module, file, suite=suite, split="test", seed=seed, order=order)
        for file, module in zip(files, modules, strict=True)
    ]
    for module in modules:
        move_to_device(module, device).requires_grad_(False)
    viewer = Viewer(dict(zip(_name(checkpoints), modules, strict=True)), shown, suites[0])
    if len(viewer.list_conditions()) == 1:  # images as they are
        raise UserError(f"nothing of the suite {suite} can be shown on a page: pass a --suite of corruptions")
    return viewer


def _require_comparable(
    checkpoints: Sequence[Path], modules: Sequence[SegmentationModule], described: Sequence[Mapping[str, Any]]
) -> None:
    """Refuse networks of other classes or channels than the first's; early checkpoints know their numbers alone."""
    for kind, numbers in (
        ("classes", [module.num_classes for module in modules]),
        ("channels", [int(module.hparams["in_channels"]) for module in modules]),
    ):
        names = [[str(name) for name in one.get(kind) or ()] for one in described]
        if len(set(numbers)) > 1 or (all(names) and sorted(names[0]) != sorted(names[1])):
            said = [
                f"{str(path)!r} has {number} ({', '.join(known[:12]) or 'without names'})"
                for path, number, known in zip(checkpoints, numbers, names, strict=True)
            ]
            raise UserError(
                f"the networks differ in their {kind}, so that they do not compare: {' and '.join(said)}; pass checkpoints "
                "of the same data"
            )


def _name(checkpoints: Sequence[Path]) -> list[str]:
    """The run folders of checkpoints, as on a leaderboard; their paths where these are the same."""
    names = [path.resolve().parent.name for path in checkpoints]
    return names if len(set(names)) == len(names) else [str(path) for path in checkpoints]
