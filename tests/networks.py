"""Every network YAML, for contracts over the family."""

import json
from collections.abc import Callable
from pathlib import Path

import torch
import yaml
from command_line import ROOT
from jsonargparse import ArgumentParser
from torch import nn

PATHS = sorted((ROOT / "experiments/configs/network").glob("*.yaml"))
SMALLER = {
    "encoder: resnet18": "encoder: tu-test_resnet",
    "encoder: mobilenet_v2": "encoder: tu-test_resnet",
    "samples: 8": "samples: 2",
    "copies: 3": "copies: 2",
}
"""What is tried in half of the time and fails just as well: the same blocks and strides, and less of the same."""

OWN = ("unet", "fpn")
"""The networks that keep their encoder."""


def make(path: Path, num_classes: int, in_channels: int) -> nn.Module:
    """The network of a YAML, by the way the command line goes."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--network", type=Callable[[int, int], nn.Module], enable_path=True)
    torch.manual_seed(0)
    text = path.read_text()
    if path.stem not in OWN:
        for setting, smaller in SMALLER.items():
            text = text.replace(setting, smaller)
    words = [f"--network={json.dumps(yaml.safe_load(text))}"]
    return parser.instantiate_classes(parser.parse_args(words)).network(num_classes, in_channels)
