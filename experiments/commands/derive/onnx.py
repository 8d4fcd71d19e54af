"""Make a checkpoint of an ONNX file, for 'benchmark' and 'predict' to use like any other."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from datamodules.base import SegmentationDataModule
from experiments.checkpoints import derived_checkpoint
from experiments.checkpoints.graph_facts import read_facts
from experiments.checkpoints.matching import require_same_names
from experiments.command_line.chosen_data import ChosenData
from experiments.command_line.verb_parser import call_verb
from lightning_modules.networks.adapters.onnx import OnnxNetwork
from user_error import UserError

EXAMPLES = """
--file model.onnx --output runs/model/best.ckpt \\
    --data experiments/configs/data/camvid.yaml --data.init_args.root /data/camvid
--file model.onnx --output runs/model/best.ckpt --mean 0,0,0 --std 1,1,1 \\
    --data experiments/configs/data/kvasir_seg.yaml --data.init_args.root /data/kvasir_seg

  python -m experiments benchmark --checkpoint runs/model/best.ckpt --suite imagenet_c

The graph takes images (B, C, H, W) and gives logits (B, K, h, w) of the classes of the data, in their order."""


def parse_numbers(text: str | None, channels: int, option: str) -> list[float] | None:
    """Parse numbers separated by commas, one for each channel.

    Raises:
        UserError: they are not numbers, or not one for each channel.
    """
    if text is None:
        return None
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise UserError(f"{option} {text!r} are no numbers: give one for each channel, as 0.5,0.5,0.5") from error
    if len(found) != channels:
        raise UserError(f"{option} has {len(found)} numbers for {channels} channels: give one for each")
    return found


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


def import_graph(
    *,
    file: Path,
    output: Path,
    mean: str | None = None,
    std: str | None = None,
    stride: int = 32,
    input_name: str | None = None,
    output_name: str | None = None,
    data: ChosenData,
) -> None:
    """Make a checkpoint of an ONNX file, for 'benchmark' and 'predict'.

    Args:
        file: the ONNX file.
        output: checkpoint to write, in a folder of its own.
        mean: of the graph's input by channel, as 0.5,0.5,0.5, where the file does not say it.
        std: likewise; 0,0,0 and 1,1,1 are those of images in [0, 1].
        stride: images are padded to a multiple of it.
        input_name: of the graph's input for images (default: its first).
        output_name: of the graph's output with the logits (default: its first).
        data: whose classes it tells.

    Raises:
        UserError: the file is no such graph, or does not fit the data.
    """
    images = data.module
    if not file.is_file():
        raise UserError(f"no ONNX file {str(file)!r}: pass the path of one")
    derived_checkpoint.require_own_folder(output, [], "onnx")
    facts = read_facts(file.read_bytes(), images.in_channels)
    require_same_names(file, facts, images)
    given = {
        "mean": parse_numbers(mean, images.in_channels, "--mean"),
        "std": parse_numbers(std, images.in_channels, "--std"),
    }
    settings: dict[str, Any] = {
        "input_name": input_name,
        "output_name": output_name,
        "stride": stride,
        **find_normalisation(file, facts, given),
    }
    network = OnnxNetwork(images.num_classes, images.in_channels, str(file), **settings)
    check_sizes(file, network, images)
    write_network(file, output, network, settings, data)
    print(f"checkpoint: {output}", flush=True)


def check_sizes(file: Path, network: OnnxNetwork, images: SegmentationDataModule) -> None:
    """Run the graph on the first test image, and print a note where images are resized to a fixed input size.

    Args:
        file: its path, for the message.
        network: the network of the file.
        images: the data.

    Raises:
        UserError: the graph does not take the image, or predicts other classes.
    """
    images.test_split = "test"
    first = next(iter(images.test_dataloader()))["image"][:1]
    with torch.inference_mode():
        network.eval()(first)
    fixed, given_size = network.find_fixed_size(first), tuple(first.shape[2:])
    if fixed not in (None, given_size):
        print(
            f"note: {str(file)!r} takes images of {fixed[0]} x {fixed[1]} alone: others, such as the data's of "
            f"{given_size[0]} x {given_size[1]}, are resized to that, and the logits back",
            flush=True,
        )


def write_network(
    file: Path, output: Path, network: OnnxNetwork, settings: Mapping[str, Any], data: ChosenData
) -> None:
    """Write the checkpoint of an ONNX network.

    Args:
        file: the ONNX file.
        output: checkpoint to write.
        network: the network of the file.
        settings: of the network.
        data: whose classes and channels it has.
    """
    images = data.module
    content = derived_checkpoint.make_content(
        derived_checkpoint.make_component(OnnxNetwork, settings),
        network.state_dict(),
        images.num_classes,
        images.in_channels,
        {type(images).__qualname__: images.state_dict()},
    )
    digest = hashlib.sha256(network.read_graph()).hexdigest()
    run = {"model": {"onnx": {"file": file.name, "from": digest}}, "data": data.settings}
    source = derived_checkpoint.Source(digest, [])  # a graph, whose own derivation is unknown
    derived_checkpoint.write(output, content, "onnx", {"file": file.name}, [source], run)


def main(argv: list[str]) -> None:
    """The verb."""
    call_verb("onnx", import_graph, EXAMPLES, argv)
