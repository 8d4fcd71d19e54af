"""The parser of verbs that read data: those of a checkpoint's run folder, unless others are named."""

import argparse
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentError, ArgumentParser

from datamodules.base import SegmentationDataModule
from experiments.checkpoints.checkpoint import read_checkpoint, require_trusted_data
from experiments.checkpoints.settings import read_settings
from experiments.command_line.parser_errors import describe_parser_error, make_parser_settings
from user_error import UserError, brief, find_user_error


def data_parser(verb: str, description: str, examples: str) -> ArgumentParser:
    """The parser of a verb that reads data; `add_data_argument` belongs at the end of its options.

    Args:
        verb: its name.
        description: what it does.
        examples: commands, and what else the help ends with.
    """
    return ArgumentParser(
        prog=f"python -m experiments {verb}",
        description=description,
        epilog=f"examples:\n{examples.strip(chr(10))}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        **make_parser_settings(),
    )


def named_file(argv: list[str], option: str = "--checkpoint") -> Path:
    """The first file of an option, read ahead of the other options: its run folder gives them their defaults."""
    finder = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    finder.add_argument(option, dest="found", nargs="+", default=["missing"])
    return Path(finder.parse_known_args(argv)[0].found[0])


def add_data_argument(parser: ArgumentParser, checkpoint: Path | None) -> None:
    """Add ``--data``: the run folder's data by default, where there is one, each of its settings open to change."""
    settings = None if checkpoint is None else read_settings(checkpoint)
    parser.add_subclass_arguments(SegmentationDataModule, "data", help="data module (default: that of the run folder)")
    if settings and isinstance(settings.get("data"), dict):
        path = checkpoint.parent / "config.yaml"  # type: ignore[union-attr]
        require_trusted_data(settings["data"], path)
        try:
            parser.set_defaults({"data": settings["data"]})
        except (ImportError, AttributeError, ArgumentError) as error:
            raise UserError(
                f"the data of {str(path)!r} do not fit this version ({brief(error)}): pass --data"
            ) from error


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


def parse(parser: ArgumentParser, argv: list[str]) -> Any:
    """Parse and instantiate, with the parser's complaints as a `UserError`."""
    try:
        settings = parser.parse_args(argv)
        if settings.get("data") is None and "data" in {action.dest for action in parser._actions}:
            checkpoint = settings.get("checkpoint")
            if checkpoint:
                read_checkpoint(Path(checkpoint))
            why = f"no config.yaml beside {checkpoint!r}, so the data are unknown" if checkpoint else "no data"
            raise UserError(f"{why}: pass --data experiments/configs/data/NAME.yaml")
        return parser.instantiate_classes(settings), settings
    except ArgumentError as error:
        raise find_user_error(error) or UserError(describe_parser_error(error)) from error
