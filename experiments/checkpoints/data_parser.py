"""The parser of verbs that read data: those of a checkpoint's run folder, unless others are named."""

import argparse
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentError, ArgumentParser

from datamodules.base import SegmentationDataModule
from experiments.checkpoints.checkpoint import describe_data, read_checkpoint
from experiments.checkpoints.matching import require_same_names
from experiments.checkpoints.opened_checkpoint import CheckpointFile
from experiments.checkpoints.settings import read_settings
from experiments.checkpoints.stranger_settings import require_plain_component
from experiments.command_line.light_parser import SentenceParser
from experiments.command_line.parser_errors import describe_parser_error, make_parser_settings
from experiments.command_line.whole_components import begin_from_defaults, require_order
from user_error import UserError, brief, find_user_error


class DataParser(ArgumentParser):
    """A parser whose default data are those of a run folder, where these can be used."""

    unusable: UserError | None = None
    """Why the data of the run folder cannot; said where no others are named."""


def data_parser(verb: str, description: str, examples: str) -> DataParser:
    """The parser of a verb that reads data; `add_data_argument` belongs at the end of its options.

    Args:
        verb: its name.
        description: what it does.
        examples: commands, and what else the help ends with.
    """
    begin_from_defaults()
    return DataParser(
        prog=f"python -m experiments {verb}",
        description=description,
        epilog=f"examples:\n{examples.strip(chr(10))}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        **make_parser_settings(),
    )


def named_file(argv: list[str], option: str = "--checkpoint") -> Path:
    """The first file of an option, read ahead of the other options: its run folder gives them their defaults."""
    finder = SentenceParser(add_help=False, allow_abbrev=False)
    finder.add_argument(option, dest="found", nargs="+", default=["missing"])
    return Path(finder.parse_known_args(argv)[0].found[0])


def add_data_argument(parser: DataParser, checkpoint: Path | None) -> None:
    """Add ``--data``: the run folder's data by default, where there is one, each of its settings open to change."""
    settings = None if checkpoint is None else read_settings(checkpoint)
    parser.add_subclass_arguments(SegmentationDataModule, "data", help="data module (default: that of the run folder)")
    if settings is None or checkpoint is None or settings.get("data") is None:
        return
    path = str(checkpoint.parent / "config.yaml")
    try:
        require_plain_component(SegmentationDataModule, settings["data"], repr(path), "the data")
        parser.set_defaults({"data": settings["data"]})
    except UserError as error:
        parser.unusable = UserError(f"{error} (pass --data for others)")
    except (ImportError, AttributeError, ArgumentError) as error:
        parser.unusable = UserError(f"the data of {path!r} do not fit this version ({brief(error)}): pass --data")


def require_its_data(file: CheckpointFile, classes: int, channels: int, data: SegmentationDataModule) -> None:
    """Refuse data of other classes, channels or levels than those that the network of a checkpoint was made for.

    Raises:
        UserError: they differ.
    """
    require_its_numbers(file.path, classes, channels, data)
    require_same_names(file.path, describe_data(file), data)


def require_its_numbers(checkpoint: Path, classes: int, channels: int, data: SegmentationDataModule) -> None:
    """Refuse data of more or fewer classes or channels than those that the network of `checkpoint` was made for.

    Raises:
        UserError: they are.
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


def parse(parser: DataParser, argv: list[str]) -> Any:
    """Parse and instantiate, with the parser's complaints as a `UserError`."""
    require_order(argv)
    try:
        settings = parser.parse_args(argv)
        if settings.get("data") is None and "data" in {action.dest for action in parser._actions}:
            if parser.unusable is not None:
                raise parser.unusable
            checkpoint = settings.get("checkpoint")
            if checkpoint:
                read_checkpoint(Path(checkpoint))
            why = f"no config.yaml beside {checkpoint!r}, so the data are unknown" if checkpoint else "no data"
            raise UserError(f"{why}: pass --data experiments/configs/data/NAME.yaml")
        return parser.instantiate_classes(settings), settings
    except ArgumentError as error:
        if parser.unusable is not None and not any(word.partition("=")[0] == "--data" for word in argv):
            raise parser.unusable from error
        raise find_user_error(error) or UserError(describe_parser_error(error)) from error
    except (TypeError, ValueError) as error:  # of a class of data, from settings that no parser has checked
        raise find_user_error(error) or UserError(
            f"the data cannot be built from these settings ({brief(_root(error))}): correct them, or pass --data"
        ) from error


def _root(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error
