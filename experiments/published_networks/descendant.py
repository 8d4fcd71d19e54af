"""The checkpoint of a published network: tried on an image of the data, and written."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from datamodules.base import SegmentationDataModule
from experiments.checkpoints import derived_checkpoint
from experiments.command_line.chosen_data import ChosenData
from experiments.published_networks.class_names import ClassMap
from experiments.published_networks.published import Published
from experiments.published_networks.transformers_folder import describe_sizes
from lightning_modules.networks.adapters.onnx import OnnxNetwork
from lightning_modules.networks.adapters.transformers import TransformersNetwork
from lightning_modules.networks.wrappers.mapped_classes import MappedClasses
from user_error import UserError, shorten

SIDE = "image_size"


def check_first_image(found: Published, images: SegmentationDataModule, where: str) -> dict[str, Any]:
    """Run a network on the first test image; where it takes images of one size alone, it is set to resize them.

    Args:
        found: the network.
        images: the data.
        where: its name, for messages.

    Returns:
        The settings of the network.

    Raises:
        UserError: it does not take the image, or predicts other classes.
    """
    images.test_split = "test"
    first = next(iter(images.test_dataloader()))["image"][:1]
    settings = dict(found.settings)
    network: Any = found.network.eval()
    try:
        _run(network, first)
    except UserError:
        raise
    except Exception as error:  # a network of another library may raise anything
        side = _find_side(network)
        if side is None:
            raise _refuse(first, where, error) from error
        processor = found.facts.get("processor", {})
        network.image_size, network.resample = tuple(side), processor.get("resample", network.resample)
        settings |= {SIDE: side, "resample": network.resample}
        try:
            _run(network, first)
        except Exception as again:
            raise _refuse(first, where, again) from again
    _print_sizes(network, found.facts, (int(first.shape[2]), int(first.shape[3])), where)
    return settings


@torch.inference_mode()
def _run(network: Any, image: Tensor) -> None:
    if not bool(torch.isfinite(network(image)).all()):
        raise UserError(
            "the network answers the first image of the data with values that are no finite numbers: take another copy of it"
        )


def _find_side(network: Any) -> list[int] | None:
    """The size in the configuration of a network of Transformers that has not been told one."""
    if not isinstance(network, TransformersNetwork) or network.image_size is not None:
        return None
    config = network.model.config
    side = getattr(config, SIDE, None) or getattr(getattr(config, "backbone_config", None), SIDE, None)
    if side is None:
        return None
    return [int(one) for one in (side if isinstance(side, list | tuple) else (side, side))]


def _refuse(image: Tensor, where: str, error: Exception) -> UserError:
    height, width = image.shape[2:]
    return UserError(
        f"{where} cannot take images of {height} x {width} ({shorten(error)}): say by --size which it takes"
    )


def _print_sizes(network: Any, facts: Mapping[str, Any], size: tuple[int, int], where: str) -> None:
    """Print a note where images are resized within the network, and where the source's own preprocessing would resize them."""
    fixed = (
        network.find_fixed_size(torch.zeros(1, network.in_channels, *size))
        if isinstance(network, OnnxNetwork)
        else None
    )
    fixed = fixed or getattr(network, SIDE, None)
    notes = []
    if fixed is not None and tuple(fixed) != size:
        notes.append(
            f"{where} takes images of {fixed[0]} x {fixed[1]} alone: others, such as the data's of {size[0]} x {size[1]}, are "
            "resized to that, and the logits back"
        )
    elif sentence := describe_sizes(facts, size):
        notes.append(sentence)
    for note in notes:
        print(f"note: {note}", flush=True)


def write_network(
    output: Path,
    found: Published,
    settings: Mapping[str, Any],
    mapped: ClassMap | None,
    verb: str,
    facts: Mapping[str, Any],
    data: ChosenData,
) -> None:
    """Write the checkpoint of a published network, and the settings beside it.

    Args:
        output: checkpoint to write.
        found: the network.
        settings: of the network; see `check_first_image`.
        mapped: how its classes are the data's; `None` where they are the same in the same order.
        verb: that writes it.
        facts: what the checkpoint records of the source.
        data: whose classes and channels it has.
    """
    images = data.module
    component = derived_checkpoint.make_component(type(found.network), settings)
    state = found.network.state_dict()
    if mapped is not None and not mapped.is_identity:
        component = derived_checkpoint.make_component(
            MappedClasses, {"network": component, "own_classes": found.num_classes, "sources": mapped.sources}
        )
        state = {f"network.{name}": value for name, value in state.items()}
    content = derived_checkpoint.make_content(
        component, state, images.num_classes, images.in_channels, {type(images).__qualname__: images.state_dict()}
    )
    source = derived_checkpoint.Source(found.sha256, [])  # whose own derivation is unknown
    run = {"model": {verb: {**facts, "sha256": found.sha256}}, "data": data.settings}
    derived_checkpoint.write(output, content, verb, facts, [source], run)
