"""Other data on which a checkpoint is swept beside its own: real shifts, such as ACDC for a network of Cityscapes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from datamodules.base import SegmentationDataModule
from experiments.checkpoints.checkpoint import describe_data
from experiments.checkpoints.matching import Mapped, match_data
from experiments.checkpoints.opened_checkpoint import CheckpointFile
from experiments.command_line.chosen_data import ChosenData
from experiments.command_line.data_option import choose_data
from experiments.evaluation.record import hash_manifest
from experiments.record_files.record_file import read_record
from experiments.sweeping.counters import find_counters
from experiments.sweeping.named_files import find_file, list_names
from experiments.sweeping.suite import Suite
from lightning_modules.inference.passes import EXACT
from user_error import UserError


def list_data() -> list[str]:
    """Names of the data that come with the project."""
    return list_names("data")


def open_shift_data(names: Sequence[str], checkpoint: Path, mapped: Mapped) -> dict[str, ChosenData]:
    """The data of each name or path of a YAML, by name; they are checked before the first of several sweeps.

    Args:
        names: of data that come with the project, or paths.
        checkpoint: that is swept.
        mapped: names of the data that differ from those of the training.

    Raises:
        UserError: there are no such data, two have one name, they are not there, or they do not fit the checkpoint.
    """
    found: dict[str, ChosenData] = {}
    for name in names:
        path = find_file("data", name)
        if path.stem in found:
            raise UserError(f"--shift names {path.stem!r} twice: name it once, or copy its YAML under another name")
        try:
            chosen = choose_data("benchmark", None, ["--data", str(path)])
        except UserError as error:
            raise UserError(f"--shift {name!r} cannot be opened: {_name_root(error, path)}") from error
        match_data(checkpoint, describe_data(CheckpointFile(checkpoint)), chosen.module, mapped)
        try:
            images = chosen.module.open_split("test")
        except UserError as error:
            raise UserError(_name_root(error, path)) from error
        if not len(images):
            raise UserError(f"--shift {name!r} has no image in the split 'test': there is nothing to sweep")
        found[path.stem] = chosen
    return found


def _name_root(error: UserError, path: Path) -> str:
    """A message whose remedy is the data's own YAML: the option ``--data`` is of what the checkpoint was trained on."""
    return str(error).replace("--data.init_args.root", f"init_args.root of a copy of {path.name}, given to --shift,")


def is_swept(
    output: Path,
    data: SegmentationDataModule,
    suite: Suite,
    checkpoint: str,
    precision: str,
    counters: Sequence[str],
    mapped: Mapping[str, Any],
    passes: str,
) -> bool:
    """Whether a record is there already, and is that of this very sweep.

    Args:
        output: its path.
        data: with the split of the sweep; its files are read.
        suite: of the sweep.
        checkpoint: SHA-256 of its file.
        precision: of the forward passes.
        counters: further ones, by name or path.
        mapped: names that differ, as the record's recipe would state them.
        passes: how the network is computed.
    """
    if not output.is_file():
        return False
    try:
        record = read_record(output)
    except UserError:
        return False
    counted = {form for one in find_counters(counters) for form in one.list_forms(data.num_classes)}
    stated = (
        record.checkpoint.get("sha256") == checkpoint,
        record.suite_hash == hash_manifest(suite.make_manifest(data.size, data.resizes)),
        record.data.split == data.test_split,
        record.data.batch_size == data.eval_batch_size,
        (record.data.unit, record.data.sequence) == (data.unit, data.sequence),
        record.environment.get("precision") == precision,
        record.environment.get("passes", EXACT) == passes,
        record.recipe.get("mapped", {}) == dict(mapped),
        counted <= record.counts.keys(),
    )
    return all(stated) and record.data.content == data.compute_fingerprint(data.test_split).sha256
