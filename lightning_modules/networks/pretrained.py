"""Encoder weights from local files or from the hub."""

from pathlib import Path
from typing import Any

import httpx
import segmentation_models_pytorch as smp
import timm
import torch
from huggingface_hub import constants, try_to_load_from_cache
from safetensors import SafetensorError
from safetensors.torch import load_file
from segmentation_models_pytorch.encoders.timm_vit import TimmViTEncoder
from torch import Tensor, nn

from safe_files.roots import WEIGHTS
from safe_files.tensor_file import require_unpacked
from user_error import UserError, shorten

HUB_TIMEOUT_S = 4.0


def read_weights(path: Path, what: str = "encoder weights") -> dict[str, Tensor]:
    """State dict of a ``.safetensors`` file or of a PyTorch file (loaded with ``weights_only=True``).

    Args:
        path: of the file.
        what: it holds, for messages.

    Raises:
        UserError: the file is missing or is not a file of weights.
    """
    if not path.is_file():
        raise UserError(
            f"{what}: no file {str(path)!r}; pass an existing file, set {WEIGHTS} to its folder, or null for none"
        )
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        require_unpacked(path)
        weights = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(weights, dict) or not all(isinstance(name, str) for name in weights):
            raise ValueError("no mapping of names to tensors")
        return weights
    except (SafetensorError, OSError, RuntimeError, ValueError, EOFError, KeyError) as error:
        why = "" if isinstance(error, KeyError) else f" ({shorten(error)})"  # a key is a byte that begins no object
        raise UserError(f"{what}: {str(path)!r} is not a file of weights{why}: take another copy of it") from error
    except Exception as error:  # UnpicklingError of a payload that weights_only refuses
        raise UserError(
            f"{what}: {str(path)!r} holds more than tensors and was not opened ({shorten(error)}); "
            "save a plain state dict"
        ) from error


def load_local(encoder: nn.Module, path: Path, name: str) -> None:
    """Load `encoder`, built for three channels, strictly from `path`; half-precision tensors become float32.

    Raises:
        UserError: missing file, or weights of another encoder.
    """
    weights = read_weights(path)
    if not all(isinstance(value, Tensor) for value in weights.values()):
        raise UserError(f"encoder weights: {str(path)!r} is not a plain state dict: save `encoder.state_dict()` alone")
    state = {key: _widen(value) for key, value in weights.items()}
    try:
        encoder.load_state_dict(state)
    except Exception as error:  # sparse and quantised tensors fail in other ways than those of other shapes
        raise UserError(
            f"encoder weights: {str(path)!r} does not fit the encoder {name!r} ({shorten(error)})"
        ) from error


def load_trained(network: nn.Module, path: Path) -> None:
    """Load the weights of a complete network from the checkpoint of its training.

    Raises:
        UserError: missing file, or the weights of another network.
    """
    state = read_weights(path, "start").get("state_dict")
    if not isinstance(state, dict):
        raise UserError(f"start: {str(path)!r} is no checkpoint: pass the best.ckpt of a run folder")
    prefix = "network."
    own = {name.removeprefix(prefix): value for name, value in state.items() if str(name).startswith(prefix)}
    try:
        network.load_state_dict(own)
    except Exception as error:  # entries of other kinds than tensors fail in many ways
        raise UserError(f"start: {str(path)!r} holds another network ({shorten(error)})") from error


def make_encoder_like(like: Any, name: str, in_channels: int, weights: str | None = None) -> nn.Module:
    """An encoder of the kind and depth of `like`, for `in_channels`, with the hub's `weights` if any are named."""
    if isinstance(like, TimmViTEncoder):
        depth = len(like.out_channels)
        return TimmViTEncoder(name.removeprefix("tu-"), weights is not None, in_channels, depth)
    return smp.encoders.get_encoder(name, in_channels=in_channels, depth=like._depth, weights=weights)


def load_hub_encoder(like: nn.Module, name: str, weights: str, in_channels: int) -> nn.Module:
    """The encoder `name`, of the kind of `like`, with the hub's `weights`, adapted to `in_channels`.

    Raises:
        UserError: no such weights, or they are neither cached nor reachable.
    """
    repository, file = _find_hub_address(name, weights)
    if repository and not isinstance(try_to_load_from_cache(repository, file), str):
        require_reachable(f"encoder weights {weights!r} of {name!r}", constants.ENDPOINT)
    return make_encoder_like(like, name, in_channels, weights)


def _widen(value: Tensor) -> Tensor:
    return value.float() if value.is_floating_point() else value


def _find_hub_address(name: str, weights: str) -> tuple[str | None, str]:
    if name.startswith("tu-"):
        settings = timm.models.get_pretrained_cfg(name.removeprefix("tu-"))
        return getattr(settings, "hf_hub_id", None), "model.safetensors"
    known = smp.encoders.encoders[name]["pretrained_settings"]
    if weights not in known:
        raise UserError(
            f"encoder {name!r} has no weights {weights!r}: pass one of {sorted(known)}, the path of a file, or null"
        )
    return known[weights]["repo_id"], "model.safetensors"


INSTEAD = "pass a local file as encoder_weights, or null to start from random weights"


def require_reachable(what: str, address: str, instead: str = INSTEAD) -> None:
    """Check with a short timeout that an address is reachable, since the clients of hubs retry for a long time.

    Args:
        what: is asked for, for the message.
        address: of the server.
        instead: how the message ends.

    Raises:
        UserError: the address cannot be reached, or ``HF_HUB_OFFLINE`` forbids it.
    """
    try:
        if constants.HF_HUB_OFFLINE:
            raise httpx.ConnectError("HF_HUB_OFFLINE is set")
        httpx.head(address, timeout=HUB_TIMEOUT_S)
    except httpx.HTTPError as error:
        raise UserError(
            f"{what} are not in the local cache and {address} cannot be reached ({shorten(error)}): {instead}"
        ) from error
