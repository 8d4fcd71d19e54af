"""A run folder: the settings of a training beside its checkpoints."""

from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentError, ArgumentParser

from datamodules.base import SegmentationDataModule
from experiments.checkpoints.checkpoint import require_checkpoint
from experiments.command_line.parser_errors import describe_parser_error
from user_error import UserError, find_user_error


def read_settings(checkpoint: Path) -> dict[str, Any] | None:
    """The ``config.yaml`` beside a checkpoint, or `None`."""
    path = checkpoint.parent / "config.yaml"
    if not path.is_file():
        return None
    try:
        settings = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise UserError(f"{str(path)!r} is not YAML: restore the file that 'fit' wrote, or pass --data") from error
    return settings if isinstance(settings, dict) else None


def add_data_argument(parser: ArgumentParser, checkpoint: Path | None) -> None:
    """Add ``--data``: the run folder's data by default, where there is one, each of its settings open to change."""
    settings = None if checkpoint is None else read_settings(checkpoint)
    parser.add_subclass_arguments(SegmentationDataModule, "data", help="data module (default: that of the run folder)")
    if settings and "data" in settings:
        parser.set_defaults({"data": settings["data"]})


def require_its_data(checkpoint: Path, classes: int, channels: int, data: SegmentationDataModule) -> None:
    """Refuse data of other classes or channels than those that the network of `checkpoint` was made for.

    Raises:
        UserError: they differ.
    """
    if classes != data.num_classes:
        raise UserError(
            f"{str(checkpoint)!r} tells {classes} classes apart, but the data have {data.num_classes}: pass the --data it "
            "was trained for"
        )
    if channels != data.in_channels:
        raise UserError(
            f"{str(checkpoint)!r} takes images of {channels} channels, but the data have {data.in_channels}: pass the "
            "--data it was trained for"
        )


def plain(settings: Any) -> Any:
    """Parsed settings as JSON holds them, without the parser's notes of the files they came from."""
    if isinstance(settings, dict):
        return {key: plain(value) for key, value in settings.items() if not key.startswith("__")}
    if isinstance(settings, list | tuple):
        return [plain(value) for value in settings]
    return settings if settings is None or isinstance(settings, bool | int | float | str) else str(settings)


def parse(parser: ArgumentParser, argv: list[str]) -> Any:
    """Parse and instantiate, with the parser's complaints as a `UserError`."""
    try:
        settings = parser.parse_args(argv)
        if settings.get("data") is None and "data" in {action.dest for action in parser._actions}:
            checkpoint = settings.get("checkpoint")
            if checkpoint:
                require_checkpoint(Path(checkpoint))
            why = f"no config.yaml beside {checkpoint!r}, so the data are unknown" if checkpoint else "no data"
            raise UserError(f"{why}: pass --data experiments/configs/data/NAME.yaml")
        return parser.instantiate_classes(settings), settings
    except ArgumentError as error:
        raise find_user_error(error) or UserError(describe_parser_error(error)) from error
