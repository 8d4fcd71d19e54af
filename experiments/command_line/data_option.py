"""The data of a verb: those of a checkpoint's run folder, unless others are named."""

from collections.abc import Sequence
from pathlib import Path

from jsonargparse import ArgumentError, ArgumentParser

from datamodules.base import SegmentationDataModule
from experiments.checkpoints.checkpoint import read_checkpoint
from experiments.checkpoints.settings import plain, read_settings
from experiments.checkpoints.stranger_settings import require_plain_component
from experiments.command_line.chosen_data import ChosenData
from experiments.command_line.parser_errors import describe_parser_error, make_parser_settings
from experiments.command_line.whole_components import begin_from_defaults, require_order
from user_error import UserError, find_user_error, shorten

REMEDY = "pass --data experiments/configs/data/NAME.yaml"


def choose_data(verb: str, checkpoint: Path | None, words: Sequence[str]) -> ChosenData:
    """The data that options name; by default those of a run folder, each of their settings open to change.

    Args:
        verb: its name.
        checkpoint: in the run folder; `None` where there is none.
        words: ``--data`` and what changes its settings.

    Raises:
        UserError: there are none, or they cannot be used.
    """
    begin_from_defaults()
    parser = ArgumentParser(prog=f"python -m experiments {verb}", **make_parser_settings())
    parser.add_subclass_arguments(SegmentationDataModule, "data", help="data module")
    unusable = None if checkpoint is None else _set_default(parser, checkpoint)
    require_order(list(words))
    try:
        settings = parser.parse_args(list(words))
        if settings.get("data") is None:
            if unusable is not None:
                raise unusable
            if checkpoint is not None:
                read_checkpoint(checkpoint)
                raise UserError(f"no config.yaml beside {str(checkpoint)!r}, so the data are unknown: {REMEDY}")
            raise UserError(f"no data: {REMEDY}")
        return ChosenData(parser.instantiate_classes(settings).data, plain(settings.data.as_dict()))
    except ArgumentError as error:
        if unusable is not None and not any(word.partition("=")[0] == "--data" for word in words):
            raise unusable from error
        raise find_user_error(error) or UserError(describe_parser_error(error)) from error
    except (TypeError, ValueError) as error:  # of a class of data, from settings that no parser has checked
        raise find_user_error(error) or UserError(
            f"the data cannot be built from these settings ({shorten(_root(error))}): correct them, or pass --data"
        ) from error


def _set_default(parser: ArgumentParser, checkpoint: Path) -> UserError | None:
    """Have the data of a run folder be the default; why they cannot be used, which matters where no others are named."""
    settings = read_settings(checkpoint)
    if settings is None or settings.get("data") is None:
        return None
    path = str(checkpoint.parent / "config.yaml")
    try:
        require_plain_component(SegmentationDataModule, settings["data"], repr(path), "the data")
        parser.set_defaults({"data": settings["data"]})
    except UserError as error:
        return UserError(f"{error} (pass --data for others)")
    except (ImportError, AttributeError, ArgumentError) as error:
        return UserError(f"the data of {path!r} do not fit this version ({shorten(error)}): pass --data")
    return None


def _root(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error
