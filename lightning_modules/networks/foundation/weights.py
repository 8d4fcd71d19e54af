"""Weights of vision transformers: tags of timm on the hub, and local files in the form of timm or of their authors."""

import sys
from pathlib import Path
from typing import Any

import timm
import torch
from huggingface_hub import constants, try_to_load_from_cache
from torch import Tensor

from lightning_modules.networks.encoders import TIMM_ERRORS, is_path
from lightning_modules.networks.foundation.tokens import OF_CLASSIFIERS, TokenEncoder
from lightning_modules.networks.pretrained import read_weights, require_reachable
from user_error import UserError, shorten

PRETRAINED = "pretrained"


def load_tokens(encoder: TokenEncoder, weights: str, in_channels: int) -> None:
    """Load the weights of a vision transformer.

    Positions of another grid are resampled, and weights of three channels are spread over any other number, as timm does.

    Args:
        encoder: it is changed in place.
        weights: "pretrained" for those of the tag in the encoder's name, or else timm's default; another tag of timm, such as
            "lvd142m"; or the path of a file with the state dict of timm's model or of its authors' (DINOv2, DINOv3).
        in_channels: C.

    Raises:
        UserError: they cannot be had, or belong to another encoder.
    """
    if is_path(weights):
        source = encoder.make_like(3)
        load_file(source, Path(weights))
    else:
        source = _load_hub(encoder, weights)
    state = source.model.state_dict()
    first = "patch_embed.proj.weight"
    if in_channels != 3:
        state[first] = timm.models.adapt_input_conv(in_channels, state[first])
    encoder.model.load_state_dict(state)


def load_file(encoder: TokenEncoder, path: Path) -> None:
    """Load a local file into an encoder of three channels.

    Raises:
        UserError: missing file, or weights of another encoder.
    """
    content = read_weights(path)
    try:
        tensors = {
            name: one.float() if one.is_floating_point() else one for name, one in _find_tensors(content).items()
        }
        # the forms of DINOv2, DINOv3, MAE and others are told apart and renamed by the module of timm that has the class
        rename: Any = getattr(
            sys.modules[type(encoder.model).__module__], "checkpoint_filter_fn", lambda state, _: state
        )
        state = rename(tensors, encoder.model)
        kept = {key: value for key, value in state.items() if key.split(".")[0] not in OF_CLASSIFIERS}
        missing, unknown = encoder.model.load_state_dict(kept, strict=False)
        if missing or unknown:
            raise ValueError(f"it lacks {missing[0]!r}" if missing else f"the encoder has no {unknown[0]!r}")
    except (*TIMM_ERRORS, AttributeError) as error:
        raise UserError(
            f"encoder weights: {str(path)!r} does not fit the encoder {encoder.name!r} ({shorten(error)})"
        ) from error


def _find_tensors(content: dict[str, Any]) -> dict[str, Tensor]:
    """The tensors of a state dict, also where it lies within a checkpoint of its authors."""
    for name in ("teacher", "model", "state_dict"):
        if isinstance(content.get(name), dict):
            content = content[name]
    wrong = next((name for name, one in content.items() if not isinstance(one, Tensor)), None)
    if wrong is not None:
        raise ValueError(f"{wrong!r} is no tensor")
    return {name.removeprefix("backbone."): one for name, one in content.items() if not name.startswith("dino_head")}


def _load_hub(encoder: TokenEncoder, weights: str) -> TokenEncoder:
    base, _, own = encoder.name.partition(".")
    tags = [name.partition(".")[2] for name in timm.list_pretrained(f"{base}.*")]
    if weights not in (PRETRAINED, *tags) or not tags:
        known = f"'{PRETRAINED}', {', '.join(map(repr, tags))}, the path of a file, or null"
        raise UserError(f"encoder {base!r} has no weights {weights!r}: pass {known if tags else 'a file, or null'}")
    tag = weights if weights != PRETRAINED else own
    full = f"{base}.{tag}" if tag else base
    repository = getattr(timm.models.get_pretrained_cfg(full), "hf_hub_id", None)
    if repository and not isinstance(try_to_load_from_cache(repository, "model.safetensors"), str):
        require_reachable(f"encoder weights {weights!r} of {encoder.name!r}", constants.ENDPOINT)
    try:
        with torch.inference_mode(False):
            named = TokenEncoder(full, 3, encoder.image_size, encoder.settings)
            return named.make_like(3, pretrained=True)
    except (OSError, *TIMM_ERRORS) as error:
        raise UserError(
            f"encoder weights {weights!r} of {encoder.name!r} cannot be had ({shorten(error)}): pass a local file, or null"
        ) from error
