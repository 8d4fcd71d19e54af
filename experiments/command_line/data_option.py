"""The data of a verb: by default those of the checkpoint's run folder, or those that ``--data`` names."""

from collections.abc import Sequence
from pathlib import Path

from jsonargparse import ArgumentError, ArgumentParser

from datamodules.base import SegmentationDataModule
from experiments.checkpoints.checkpoint import read_checkpoint
from experiments.checkpoints.settings import read_settings, to_plain
from experiments.checkpoints.untrusted_settings import require_plain_component
from experiments.command_line.chosen_data import ChosenData
from experiments.command_line.complete_components import begin_from_defaults, require_order
from experiments.command_line.parser_errors import describe_parser_error, make_parser_settings
from user_error import UserError, find_user_error, shorten

REMEDY = "pass --data experiments/configs/data/NAME.yaml"


def choose_data(verb: str, checkpoint: Path | None, words: Sequence[str]) -> ChosenData:
    """Build the data that options name, by default those of a run folder; options may change single settings.

    Args:
        verb: name of the verb.
        checkpoint: whose run folder gives the default; `None` where there is none.
        words: ``--data`` and what changes its settings.

    Raises:
        UserError: no data are named, or they cannot be built.
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
        return ChosenData(parser.instantiate_classes(settings).data, to_plain(settings.data.as_dict()))
    except ArgumentError as error:
        if unusable is not None and not any(word.partition("=")[0] == "--data" for word in words):
            raise unusable from error
        raise find_user_error(error) or UserError(describe_parser_error(error)) from error
    except (TypeError, ValueError) as error:  # of a class of data, from settings that no parser has checked
        raise find_user_error(error) or UserError(
            f"the data cannot be built from these settings ({shorten(_find_root_cause(error))}): correct them, or pass --data"
        ) from error


def _set_default(parser: ArgumentParser, checkpoint: Path) -> UserError | None:
    """Make the data of a run folder the default; the error if they cannot be used, to be raised where no others are named."""
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


def _find_root_cause(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error
