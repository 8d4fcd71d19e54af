"""Networks that are one file for another runtime: ONNX graphs and TorchScript programs."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.checkpoints.graph_facts import read_facts, read_script_facts
from experiments.checkpoints.trusted_classes import require_trusted_word
from experiments.published_networks.published import Asked, Published, choose_levels
from lightning_modules.networks.adapters.onnx import OnnxNetwork
from lightning_modules.networks.adapters.torchscript import TorchScriptNetwork
from user_error import UserError

STRIDE = 32
"""Of ONNX files that do not say how they pad."""


def read_onnx(
    file: Path,
    asked: Asked,
    *,
    stride: int | None = None,
    input_name: str | None = None,
    output_name: str | None = None,
) -> Published:
    """The network of an ONNX file, with what its metadata say of classes and normalisation.

    Args:
        file: the graph.
        asked: see `Asked`.
        stride: images are padded to a multiple of it; what the file says, or else `STRIDE`, if null.
        input_name: of the graph's input for images; its first if null.
        output_name: of the graph's output with the logits; its first if null.

    Raises:
        UserError: the file is no such graph, or nobody says how its images are normalised.
    """
    if not file.is_file():
        raise UserError(f"no ONNX file {str(file)!r}: pass the path of one")
    graph = file.read_bytes()
    facts = read_facts(graph, asked.channels)
    settings: dict[str, Any] = {
        "input_name": input_name,
        "output_name": output_name,
        "stride": facts.get("stride", STRIDE) if stride is None else stride,
        **find_normalisation(file, facts, {"mean": asked.mean, "std": asked.std}),
    }
    classes = facts.get("classes")
    number = asked.count_classes() if classes is None else len(classes)
    network = OnnxNetwork(number, asked.channels, str(file), **settings)
    return Published(
        network, settings, number, asked.channels, classes, hashlib.sha256(graph).hexdigest(), {"file": file.name}
    )


def find_normalisation(
    file: Path, facts: Mapping[str, Any], given: Mapping[str, list[float] | None]
) -> dict[str, list[float]]:
    """Mean and standard deviation of the graph's input: from the file's metadata, or from the user.

    Args:
        file: its path, for the message.
        facts: see `read_facts`.
        given: mean and standard deviation from the command line.

    Raises:
        UserError: neither gives them, or both do and differ.
    """
    found: dict[str, list[float]] = {}
    for key, levels in given.items():
        stated = facts.get(key)
        if levels is None and stated is None:
            raise UserError(
                f"{str(file)!r} does not say how the images that it takes are normalised: pass --mean and --std (0,0,0 and "
                "1,1,1 for images in [0, 1], 0.485,0.456,0.406 and 0.229,0.224,0.225 for those of ImageNet)"
            )
        if levels is not None and stated is not None and levels != stated:
            raise UserError(
                f"{str(file)!r} says that its {key} is {stated}, and --{key} says {levels}: leave the option out"
            )
        found[key] = levels or list(stated or ())
    return found


def read_torchscript(file: Path, asked: Asked) -> Published:
    """The network of a TorchScript file, which is a program that the user must trust; see `read_script_facts`.

    Args:
        file: that ``torch.jit.save`` wrote.
        asked: see `Asked`.

    Raises:
        UserError: the user has not stated trust, or nobody says how its images are normalised.
    """
    where = f"the TorchScript file {str(file)!r}"
    require_trusted_word(TorchScriptNetwork.needs_trust, where)
    facts = read_script_facts(file, asked.channels)
    if facts:
        settings: dict[str, Any] = {**find_normalisation(file, facts, {"mean": asked.mean, "std": asked.std})}
    else:
        settings = {**choose_levels(asked, None, where)}
    size = asked.size or facts.get("size")
    settings["image_size"] = None if size is None else [int(side) for side in size]
    classes = facts.get("classes")
    number = asked.count_classes() if classes is None else len(classes)
    network = TorchScriptNetwork(number, asked.channels, str(file), **settings)
    digest = hashlib.sha256(network.read_graph()).hexdigest()
    return Published(network, settings, number, asked.channels, classes, digest, {"file": file.name})
