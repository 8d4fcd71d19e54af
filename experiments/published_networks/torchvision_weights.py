"""Torchvision's trained segmentation networks, by the name of their weights."""

import difflib
from pathlib import Path
from typing import Any

import torch
from torchvision.models import get_model_weights, list_models, segmentation

from experiments.published_networks.published import Asked, Published, choose_levels, hash_files
from experiments.published_networks.state_dict_file import extract_state, load_state
from lightning_modules.networks.adapters.torchvision import TorchvisionNetwork
from lightning_modules.networks.pretrained import read_weights, require_reachable
from safe_files.roots import find_weights
from user_error import UserError, shorten


def list_weights() -> dict[str, tuple[str, Any]]:
    """Model and weights by name, such as ``DeepLabV3_ResNet50_Weights.COCO_WITH_VOC_LABELS_V1``."""
    return {
        f"{one.__class__.__name__}.{one.name}": (model, one)
        for model in list_models(module=segmentation)
        for one in get_model_weights(model)
    }


def find_name(source: str) -> str | None:
    """The name of the weights that a source names: itself, or by the name of torchvision's own file.

    A path to a file that is not there names none.
    """
    known = list_weights()
    if source in known:
        return source
    file = Path(source).name
    if file != source and not find_weights(source).is_file():
        return None
    return next((name for name, (_, weights) in known.items() if Path(weights.url).name == file), None)


def read_torchvision(name: str, where: str, asked: Asked) -> Published:
    """The network of torchvision's weights, without its auxiliary head.

    Args:
        name: of the weights, see `list_weights`.
        where: its name, for messages.
        asked: see `Asked`; its `weights` is a local copy of the file.

    Raises:
        UserError: there are no such weights, they cannot be had, or the file holds others.
    """
    known = list_weights()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        remedy = f"did you mean {near[0]}? There are" if near else "pass one of"
        raise UserError(f"torchvision has no weights {name!r} for segmentation: {remedy} {', '.join(sorted(known))}")
    model, weights = known[name]
    path = asked.weights or _download(name, weights)
    state, _ = extract_state(read_weights(path, "weights"), where)
    classes = list(weights.meta["categories"])
    prepared = weights.transforms()
    settings: dict[str, Any] = {
        "model": model,
        **choose_levels(asked, {"mean": list(prepared.mean), "std": list(prepared.std)}, where),
    }
    network = TorchvisionNetwork(len(classes), 3, **settings)
    main = {key: value for key, value in state.items() if not key.startswith("aux_classifier.")}
    load_state(network.model, main, where)
    side = [int(one) for one in prepared.resize_size]
    facts = {"model": model, "weights": name, "processor": {"size": {"shortest_edge": side[0]}, "resample": "bilinear"}}
    return Published(network, settings, len(classes), 3, classes, hash_files([path]), facts)


def _download(name: str, weights: Any) -> Path:
    """The file in torch hub's cache, fetched if it is not there.

    Raises:
        UserError: it cannot be fetched.
    """
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    path = folder / Path(weights.url).name
    if path.is_file():
        return path
    require_reachable(
        f"the weights {name}", weights.url, f"fetch {weights.url} elsewhere and pass it by --weights {path.name}"
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(weights.url, str(path), path.stem.rpartition("-")[2], progress=False)
    except Exception as error:  # of the network, the disk, or a wrong digest
        raise UserError(
            f"the weights {name} cannot be fetched from {weights.url} ({shorten(error)}): try again"
        ) from error
    return path
