"""The networks of a page: one, or two that can be compared."""

from collections.abc import Sequence
from pathlib import Path

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
    if len(files) > 1:
        _require_comparable(files, modules)
    shown = data or DescribedData(describe_data(files[0]), modules[0])
    suites = [
        prepare_suite(shown, module, file, suite=suite, split="test", seed=seed, order=order)
        for file, module in zip(files, modules, strict=True)
    ]
    for module in modules:
        move_to_device(module, device).requires_grad_(False)
    return Viewer(dict(zip(_name(checkpoints), modules, strict=True)), shown, suites[0])


def _require_comparable(files: Sequence[CheckpointFile], modules: Sequence[SegmentationModule]) -> None:
    """Refuse networks of other classes or channels than the first's."""
    for what, key, numbers in (
        ("classes", "classes", [module.num_classes for module in modules]),
        ("channels", "channels", [int(module.hparams["in_channels"]) for module in modules]),
    ):
        known = [describe_data(file).get(key) for file in files]
        named = [sorted(map(str, names)) if names else None for names in known]
        if len(set(numbers)) > 1 or (None not in named and named[0] != named[1]):
            said = [
                f"{str(file.path)!r} has {number}" + (f" ({', '.join(map(str, names[:12]))})" if names else "")
                for file, number, names in zip(files, numbers, known, strict=True)
            ]
            raise UserError(
                f"the networks differ in their {what}, so that they do not compare: {' and '.join(said)}; pass checkpoints "
                "of the same data"
            )


def _name(checkpoints: Sequence[Path]) -> list[str]:
    """The run folders of checkpoints, as on a leaderboard; their paths where these are the same."""
    names = [path.resolve().parent.name for path in checkpoints]
    return names if len(set(names)) == len(names) else [str(path) for path in checkpoints]
