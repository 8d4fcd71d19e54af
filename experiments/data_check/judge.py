"""All findings of a data set that was read."""

from collections.abc import Mapping
from pathlib import Path

from datamodules.base import SegmentationDataModule
from datamodules.datasets.folder import FolderDataModule
from datamodules.reading.layouts import explain_layout
from datamodules.reading.lists import SPLIT_NAMES
from experiments.data_check.copies import find_copies
from experiments.data_check.file_kinds import find_file_problems
from experiments.data_check.findings import Finding
from experiments.data_check.labels import find_label_problems
from experiments.data_check.scan import ScannedSplit


def judge(data: SegmentationDataModule, splits: Mapping[str, ScannedSplit]) -> list[Finding]:
    """What is wrong, what to look at and what to know; `splits` that are simply not there are taken out of the first."""
    known = dict(splits)
    found: list[Finding] = []
    if isinstance(data, FolderDataModule):
        if not any(split.dataset for split in splits.values()) and (layout := explain_layout(data.root)):
            return [Finding("wrong", "layout", layout, where=[str(data.root)])]
        if splits["test"].dataset is None and _is_absent(data.root, "test", data):
            del known["test"]
            found = [Finding("look", "no_test", "there is no test split: training needs none, and a sweep does")]
    return [*found, *find_file_problems(data, known), *find_label_problems(data, known), *find_copies(data, known)]


def _is_absent(root: Path, split: str, data: FolderDataModule) -> bool:
    there = {one.name.lower() for one in root.iterdir() if one.is_dir()}
    if any(name in there for name, meant in SPLIT_NAMES.items() if meant == split):
        return False
    return split not in data.lists.read_lists()
