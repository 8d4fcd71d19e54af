"""What ``fit --start`` means: a network and its weights to begin with."""

import argparse
import json
from pathlib import Path

from datamodules.base import SegmentationDataModule
from experiments.checkpoints.checkpoint import describe_data, read_checkpoint
from user_error import UserError

START = "--start"
"""Option of 'fit': a checkpoint whose network, with its weights, a training begins with."""


def expand_start(argv: list[str]) -> list[str]:
    """Say in settings what ``--start CHECKPOINT`` means: its network, and its weights in place of an encoder's alone.

    Raises:
        UserError: the option has no value, or its file is no checkpoint.
    """
    finder = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    finder.add_argument(START)
    try:
        found, rest = finder.parse_known_args(argv)
    except argparse.ArgumentError as error:
        raise UserError(f"{START} needs the path of a checkpoint") from error
    if found.start is None:
        return argv
    network = read_checkpoint(Path(found.start))["hyper_parameters"]["network"]
    settings = {"network": json.dumps(network), "encoder_weights": "null", "start": found.start}
    return [*rest, *(f"--model.init_args.{name}={value}" for name, value in settings.items())]


def describe_start(start: str, data: SegmentationDataModule) -> list[str]:
    """What is to be said of a start from a network that was trained for other names: that is how trainings are transferred.

    Raises:
        UserError: the names are the same in another order, so that its classes or channels would stand for each other.
    """
    known = describe_data(Path(start))
    said = []
    for kind, ours in (("classes", data.classes), ("channels", data.channels)):
        theirs = known.get(kind) or ours
        if list(theirs) == list(ours) or len(theirs) != len(ours):  # whose weights do not fit
            continue
        told = f"{start!r} has the {kind} {', '.join(theirs)}, and the data {', '.join(ours)}"
        if sorted(theirs) == sorted(ours):
            raise UserError(f"{START}: {told}: name them in that order, since each would begin as another")
        said.append(f"note: {told}; the training begins as if they were the same")
    return said
