"""Networks of segmentation-models-pytorch, from a folder that ``save_pretrained`` wrote."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import segmentation_models_pytorch as smp
import timm
import torch
from huggingface_hub import constants, try_to_load_from_cache
from torch import Tensor

from experiments.published_networks.folder import find_weights, read_config
from experiments.published_networks.published import Asked, Published, choose_levels, hash_files
from experiments.published_networks.state_dict_file import load_state
from lightning_modules.networks.encoders import check_encoder
from lightning_modules.networks.pretrained import read_weights, require_reachable
from lightning_modules.networks.smp import ARCHITECTURES, SmpNetwork
from safe_files.json_file import read_json_object
from user_error import UserError, shorten

TRANSFORMS = ("albumentations_config_eval.json", "albumentations_config.json")
"""Files that smp's guide lets albumentations write beside a network."""

OWN = (
    "_model_class",
    "classes",
    "in_channels",
    "encoder_name",
    "encoder_weights",
    "encoder_depth",
    "activation",
    "aux_params",
)
HEAD = "segmentation_head.0."
"""The last convolution of smp's networks."""


def read_smp(folder: Path, where: str, asked: Asked) -> Published:
    """The network of a folder, with its weights and normalisation.

    A network of one class, whose probability is a sigmoid, becomes one of two: "background", with a logit of 0, and its own.

    Args:
        folder: with config.json and weights.
        where: its name, for messages.
        asked: see `Asked`.

    Raises:
        UserError: a file is missing or wrong, the class is none of smp's, or the weights do not fit.
    """
    config = read_config(folder)
    name = config.get("_model_class")
    if name is None:
        raise UserError(
            f"{where} names no class of smp (`_model_class`): pass the --from that it is, or a folder of smp"
        )
    if name not in ARCHITECTURES:
        raise UserError(
            f"{where} is of the class {str(name)[:80]!r}, none of smp's own ({', '.join(ARCHITECTURES)}): pass one of these"
        )
    paths = find_weights(folder)
    classes, channels = (
        _read_count(config, key, default, where) for key, default in (("classes", 1), ("in_channels", 3))
    )
    encoder = config.get("encoder_name", "resnet34")
    if not isinstance(encoder, str):
        raise UserError(f"{where} has {str(encoder)[:80]!r} as encoder_name: pass a folder that save_pretrained wrote")
    check_encoder(encoder)
    settings: dict[str, Any] = {
        "architecture": name,
        "encoder": encoder,
        "encoder_depth": config.get("encoder_depth"),
        "decoder": {key: value for key, value in config.items() if key not in OWN and value is not None},
        **choose_levels(asked, _find_levels(folder, config, encoder, asked), where),
    }
    settings["decoder"] = _drop_defaults(str(name), settings["decoder"])
    number = max(2, classes)
    network = _build(number, channels, settings, where)
    state = {key: value for path in paths for key, value in read_weights(path, "weights").items()}
    extra = [key for key in state if key.startswith("classification_head.")]
    state = {key: value for key, value in state.items() if key not in extra}
    load_state(network.model, _widen_head(state) if classes == 1 else state, where)
    notes = ["its classification head is left out"] if extra else []
    notes += (
        [f"its activation {config['activation']!r} is left out: a sweep takes logits"]
        if config.get("activation")
        else []
    )
    return Published(network, settings, number, channels, None, hash_files(paths), {"model": name}, notes)


def _read_count(config: Mapping[str, Any], key: str, default: int, where: str) -> int:
    found = config.get(key, default)
    if isinstance(found, bool) or not isinstance(found, int) or not 1 <= found <= 65536:
        raise UserError(f"{where} has {str(found)[:80]!r} as {key}: pass a folder that save_pretrained wrote")
    return found


def _drop_defaults(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Without the settings that are those of smp's class anyway."""
    import inspect

    known = inspect.signature(smp.MODEL_ARCHITECTURES_MAPPING[name.lower()]).parameters
    return {
        key: value
        for key, value in settings.items()
        if key not in known or (list(value) if isinstance(value, list) else value) != _as_list(known[key].default)
    }


def _as_list(value: Any) -> Any:
    return list(value) if isinstance(value, tuple | list) else value


def _build(classes: int, channels: int, settings: Mapping[str, Any], where: str) -> SmpNetwork:
    try:
        return SmpNetwork(classes, channels, **settings)
    except UserError:
        raise
    except Exception as error:  # settings of the file may be of any type
        raise UserError(
            f"smp cannot build the network of {where} ({shorten(error)}): pass one that it can load itself"
        ) from error


def _widen_head(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The last convolution of one class as that of two, the first of which always has the logit 0."""
    found = {
        key: torch.cat([torch.zeros_like(value), value]) if key.startswith(HEAD) else value
        for key, value in state.items()
    }
    if found.keys() == state.keys() and not any(key.startswith(HEAD) for key in state):
        raise UserError(
            "the network has one class and no head of smp's form: pass --from state_dict with its own class"
        )
    return found


def _find_levels(folder: Path, config: Mapping[str, Any], encoder: str, asked: Asked) -> dict[str, list[float]] | None:
    """Mean and standard deviation: of the folder's own transforms, else those that its encoder was trained with."""
    if asked.mean and asked.std:
        return None
    path = next((folder / name for name in TRANSFORMS if (folder / name).is_file()), None)
    if path is not None and (found := _find_normalisation(read_json_object(path, "pass --mean and --std"))) is not None:
        return found
    if encoder.startswith("tu-"):
        known = timm.models.get_pretrained_cfg(encoder.removeprefix("tu-"))
        return None if known is None else {"mean": list(known.mean), "std": list(known.std)}
    return _ask_hub(encoder, str(config.get("encoder_weights") or "imagenet"))


def _find_normalisation(value: Any) -> dict[str, list[float]] | None:
    """The step of albumentations that normalises images, at any depth of its transforms."""
    if isinstance(value, Mapping):
        kind = str(value.get("__class_fullname__", "")).rpartition(".")[2]
        mean, std, most = value.get("mean"), value.get("std"), value.get("max_pixel_value", 255.0)
        if kind == "Normalize" and isinstance(mean, list) and isinstance(std, list) and isinstance(most, int | float):
            if value.get("normalization", "standard") != "standard":
                raise UserError(
                    "its images are normalised by their own mean, which a sweep does not: pass --mean and --std"
                )
            scale = float(most) / 255
            return {"mean": [float(one) * scale for one in mean], "std": [float(one) * scale for one in std]}
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return next((found for one in inner if (found := _find_normalisation(one)) is not None), None)


def _ask_hub(encoder: str, weights: str) -> dict[str, list[float]] | None:
    """What smp's own files on the hub say of an encoder's weights."""
    known = smp.encoders.encoders[encoder]["pretrained_settings"].get(weights)
    if known is None:
        return None
    if not isinstance(try_to_load_from_cache(known["repo_id"], "config.json", revision=known["revision"]), str):
        require_reachable(
            f"mean and std of the encoder {encoder!r}",
            constants.ENDPOINT,
            "pass --mean and --std, such as 0.485,0.456,0.406 and 0.229,0.224,0.225, those of ImageNet",
        )
    try:
        found = smp.encoders.get_preprocessing_params(encoder, weights)
    except Exception as error:  # of the hub's client
        raise UserError(
            f"mean and std of the encoder {encoder!r} cannot be had ({shorten(error)}): pass --mean and --std"
        ) from error
    if found["input_space"] != "RGB":
        raise UserError(f"the encoder {encoder!r} takes {found['input_space']}, not RGB: it is not supported")
    scale = float(found["input_range"][1])
    return {key: [float(one) / scale for one in found[key]] for key in ("mean", "std")}
