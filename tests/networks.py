"""Every network YAML, for contracts over the family."""

from collections.abc import Callable
from pathlib import Path

import torch
from command_line import ROOT
from jsonargparse import ArgumentParser
from torch import nn

PATHS = sorted((ROOT / "experiments/configs/network").glob("*.yaml"))


def make(path: Path, num_classes: int, in_channels: int) -> nn.Module:
    """The network of a YAML, by the way the command line goes."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--network", type=Callable[[int, int], nn.Module], enable_path=True)
    torch.manual_seed(0)
    return parser.instantiate_classes(parser.parse_args([f"--network={path}"])).network(num_classes, in_channels)
