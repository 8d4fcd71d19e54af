"""Every network YAML, for contracts over the family."""

import importlib
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
import yaml
from command_line import ROOT
from jsonargparse import ArgumentParser
from torch import nn

PATHS = sorted((ROOT / "experiments/configs/network").glob("*.yaml"))
SMALLER: dict[str, dict[str, Any]] = {
    "encoder": {
        "resnet18": "tu-test_resnet",
        "mobilenet_v2": "tu-test_resnet",
        "tu-vit_tiny_patch16_224": "tu-test_vit",
        "tu-convnext_tiny.dinov3_lvd1689m": "tu-test_convnext",
    },
    "samples": {8: 2},
    "copies": {3: 2},
}
"""Settings for which less of the same blocks fails just as well, wherever a YAML or a default of its classes has them."""

REDUCED: dict[str, dict[str, Any]] = {
    "Unet": {"encoder_depth": 3, "decoder": {"decoder_channels": [64, 32, 16]}},
    "DPT": {"decoder": {"decoder_intermediate_channels": [32, 64, 64, 64], "decoder_fusion_channels": 32}},
    "UPerNet": {"decoder": {"decoder_channels": 64}},
}
"""By architecture, fewer channels and, where the idea is one that is built into a U-Net, two steps less."""

TINY_TRANSFORMER = {"depth": 4, "embed_dim": 48, "num_heads": 3}
TINY_HEADS: dict[str, dict[str, Any]] = {
    "UnetHead": {"width": 32, "decoder_channels": [32, 16, 16, 8]},
    "DptHead": {"intermediate_channels": [16, 16, 32, 32], "fusion_channels": 32},
}
"""Of foundation encoders and their heads."""

OF_LIBRARIES = {"deeplabv3", "linknet", "manet", "pan", "pspnet", "unetplusplus", "torchvision_deeplabv3"}
"""Decoders of libraries in a wrapper that ``unet`` or ``fcn`` have, too, where what could fail is the wrapper."""

OWN = ("unet", "fpn")
"""The networks that keep their encoder."""


def make(path: Path, num_classes: int, in_channels: int) -> nn.Module:
    """The network of a YAML, by the way the command line goes."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--network", type=Callable[[int, int], nn.Module], enable_path=True)
    torch.manual_seed(0)
    component = yaml.safe_load(path.read_text())
    if path.stem not in OWN:
        component = smaller(component)
    return parser.instantiate_classes(parser.parse_args([f"--network={json.dumps(component)}"])).network(
        num_classes, in_channels
    )


def smaller(content: Any) -> Any:
    """A component, or what stands inside of one, with the settings of `SMALLER` and `REDUCED`."""
    if isinstance(content, list):
        return [smaller(one) for one in content]
    if not isinstance(content, dict):
        return content
    found = {name: smaller(value) for name, value in content.items()}
    if "class_path" in found:
        settings = {name: value for name, value in defaults(found["class_path"]).items() if name in SMALLER}
        settings |= found.get("init_args", {})
        found["init_args"] = {
            name: SMALLER[name].get(value, value) if name in SMALLER else value for name, value in settings.items()
        }
        found["init_args"] |= TINY_HEADS.get(found["class_path"].rsplit(".", 1)[1], {})
        if "encoder_args" in defaults(found["class_path"]):
            found["init_args"]["encoder_args"] = TINY_TRANSFORMER
        if (reduced := REDUCED.get(settings.get("architecture", ""))) is not None:
            found["init_args"] |= reduced | {"decoder": reduced["decoder"] | settings["decoder"]}
    return found


@cache
def defaults(class_path: str) -> dict[str, Any]:
    """Settings of a class, those of its parents included, where nothing is said of them."""
    module, name = class_path.rsplit(".", 1)
    parser = ArgumentParser()
    parser.add_class_arguments(getattr(importlib.import_module(module), name), fail_untyped=False)
    return vars(parser.get_defaults())
