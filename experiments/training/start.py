"""The option ``fit --start``: train from the network and the weights of a checkpoint."""

import argparse
import json
from pathlib import Path

from datamodules.base import SegmentationDataModule
from experiments.checkpoints.checkpoint import describe_data, read_checkpoint
from experiments.command_line.processes import is_first_process
from user_error import UserError

START = "--start"
"""Option of 'fit': a checkpoint whose network and weights a training starts from."""

NETWORK = "--model.init_args.network"


def expand_start(argv: list[str]) -> list[str]:
    """Expand ``--start CHECKPOINT`` to settings: its network, and its weights in place of the encoder's.

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
    if any(word.partition("=")[0] == NETWORK for word in rest) and is_first_process():
        print(f"note: the network is that of {START} {found.start}; {NETWORK} is not used", flush=True)
    network = read_checkpoint(Path(found.start))["hyper_parameters"]["network"]
    settings = {"network": json.dumps(network), "encoder_weights": "null", "start": found.start}
    return [*rest, *(f"--model.init_args.{name}={value}" for name, value in settings.items())]


def describe_start(start: str, data: SegmentationDataModule) -> list[str]:
    """Notes on a start from a network that was trained for other names, as in transfer learning.

    Raises:
        UserError: the names are the same in another order, so that classes or channels would be confused.
    """
    known = describe_data(Path(start))
    notes = []
    for kind, data_names in (("classes", data.classes), ("channels", data.channels)):
        start_names = known.get(kind) or data_names
        if list(start_names) == list(data_names) or len(start_names) != len(data_names):  # whose weights do not fit
            continue
        comparison = f"{start!r} has the {kind} {', '.join(start_names)}, and the data {', '.join(data_names)}"
        if sorted(start_names) == sorted(data_names):
            raise UserError(f"{START}: {comparison}: name them in that order, since each would begin as another")
        notes.append(f"note: {comparison}; the training begins as if they were the same")
    return notes
