"""Segmentation networks of Hugging Face Transformers, from a folder that ``save_pretrained`` wrote."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from torch import nn

from experiments.published_networks.class_names import read_label_map
from experiments.published_networks.folder import find_weights, read_config
from experiments.published_networks.processor import Preprocessing, describe_size, read_preprocessing
from experiments.published_networks.published import Asked, Published, choose_levels, hash_files, list_some
from lightning_modules.networks.adapters.base import find_first_convolution
from lightning_modules.networks.adapters.transformers import (
    MASK_CLASSIFIERS,
    TransformersNetwork,
    get_auto_class,
    require_layers,
)
from user_error import UserError, shorten

BOOKKEEPING = {
    *("transformers_version", "architectures", "dtype", "torch_dtype", "_name_or_path", "_commit_hash", "model_type"),
    *("id2label", "label2id", "num_labels", "problem_type", "return_dict", "output_hidden_states", "output_attentions"),
    *("chunk_size_feed_forward", "is_encoder_decoder", "_attn_implementation", "attn_implementation"),
    *("use_pretrained_backbone", "use_timm_backbone"),
}
"""Entries of a configuration that do not change what a network computes, or that this project states itself."""

LIBRARY_MASKS = {"mask2former": (384, 384)}
"""The size at which the library scores masks, whatever that of the image (``post_process_semantic_segmentation``)."""

ONE_SIZE = ("eomt",)
"""Networks that take images of their configuration's size alone."""

WRONG_SETTINGS = (TypeError, ValueError, LookupError, AttributeError, StrictDataclassError)
"""What the library raises for settings; for a backbone that is not to be had, the errors of several clients of the network."""

TASK = "the task is semantic"


def read_transformers(folder: Path, where: str, asked: Asked) -> Published:
    """The network of a folder, with its weights, classes and preprocessing.

    Args:
        folder: with config.json, weights, and the file of the image processor.
        where: its name, for messages.
        asked: see `Asked`.

    Raises:
        UserError: a file is missing or wrong, the class is none of semantic segmentation, or the weights do not fit.
    """
    stated = read_config(folder)
    kind = _require_kind(stated, where)
    require_layers(stated, where)
    paths = find_weights(folder)
    config = _parse_config(folder, stated, where)
    stated_by_user = asked.classes is not None or asked.in_order
    names = None if stated_by_user else read_label_map(config.id2label, config.num_labels, where)
    channels = _find_channels(config)
    processor = read_preprocessing(folder, channels)
    levels = choose_levels(asked, None if processor is None else {"mean": processor.mean, "std": processor.std}, where)
    settings: dict[str, Any] = {"model": kind, "config": _extract_settings(config), **levels}
    settings |= _choose_sizes(kind, config, processor, asked, where)
    if kind == "oneformer":
        settings["task_inputs"] = _tokenise_task(folder, config, where)
    settings["stride"] = _guess_stride(config)
    network = TransformersNetwork(config.num_labels, channels, **settings)
    load_weights(network, folder, kind, where)
    if processor is not None and processor.reversed_channels:
        _reverse_channels(network.model)
    return Published(
        network,
        settings,
        config.num_labels,
        channels,
        names,
        hash_files(paths),
        {"model": kind, **({} if processor is None else {"processor": processor.as_json()})},
        _list_notes(processor, settings),
    )


def _require_kind(stated: Mapping[str, Any], where: str) -> str:
    from transformers.models.auto import modeling_auto

    kind = stated.get("model_type")
    known = modeling_auto.MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING_NAMES
    named = stated.get("architectures")
    head = named[0] if isinstance(named, list) and named else None
    if kind not in known and kind not in MASK_CLASSIFIERS:
        raise UserError(
            f"{where} is of the type {str(kind)[:80]!r}, no network for semantic segmentation of Transformers: pass one of "
            f"{', '.join(sorted({*known, *MASK_CLASSIFIERS}))}"
        )
    if isinstance(head, str) and "Segmentation" not in head:
        raise UserError(
            f"{where} holds a {head[:80]}, which segments nothing: pass a network that was trained to segment"
        )
    if stated.get("quantization_config"):
        raise UserError(f"{where} is quantised, which is not supported: pass the network in full precision")
    return str(kind)


def _parse_config(folder: Path, stated: Mapping[str, Any], where: str) -> Any:
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except Exception as error:  # its checks raise errors of many kinds
        backbone = stated.get("backbone")
        if isinstance(backbone, str) and not isinstance(error, WRONG_SETTINGS):
            raise UserError(
                f"{where} is built on {backbone[:80]!r} of the hub, whose settings cannot be had ({shorten(error)}): run where "
                "the hub can be reached once, or pass a network that states its backbone_config"
            ) from error
        raise UserError(f"Transformers cannot read the config.json of {where}: {shorten(error)}") from error


def _find_channels(config: Any) -> int:
    return int(getattr(getattr(config, "backbone_config", None) or config, "num_channels", 3))


def _extract_settings(config: Any) -> dict[str, Any]:
    """The settings of a configuration that make the network, as plain data.

    Entries that its class does not know, such as those of earlier versions, change nothing and are left out.
    """
    found = _keep_known(config, {"model_type", "backbone", "num_channels"})
    backbone = getattr(config, "backbone_config", None)
    if backbone is not None:
        found["backbone_config"] = {"model_type": backbone.model_type, **_keep_known(backbone, {"model_type"})}
    return found


def _keep_known(config: Any, dropped: set[str]) -> dict[str, Any]:
    default = type(config)()
    stated = config.to_diff_dict()
    return {
        str(key): _as_plain(value)
        for key, value in stated.items()
        if key not in BOOKKEEPING | dropped and key != "backbone_config" and hasattr(default, key)
    }


def _as_plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _as_plain(one) for key, one in value.items()}
    return [_as_plain(one) for one in value] if isinstance(value, list | tuple) else value


def _choose_sizes(kind: str, config: Any, processor: Preprocessing | None, asked: Asked, where: str) -> dict[str, Any]:
    """The settings of sizes: that of the images, where the network takes one alone, and that at which masks are scored."""
    found: dict[str, Any] = {}
    if kind in MASK_CLASSIFIERS:
        if asked.masks_at == "image":
            found["masks_at"] = "image"
        elif kind in LIBRARY_MASKS:
            found["masks_at"] = list(LIBRARY_MASKS[kind])
        elif kind.startswith("eomt"):
            found["masks_at"] = _find_mask_size(processor, where)
    if asked.size is not None:
        found["image_size"] = list(asked.size)
    elif kind in ONE_SIZE:
        found["image_size"] = _as_pair(config.image_size)
    if "image_size" in found and processor is not None:
        found["resample"] = processor.resample
    return found


def _find_mask_size(processor: Preprocessing | None, where: str) -> list[int]:
    """The size at which EoMT's masks are scored: that of its processor."""
    size = {} if processor is None else processor.size
    height = size.get("shortest_edge") or size.get("height")
    if height is None:
        raise UserError(
            f"the processor of {where} states no size, at which its masks are scored: add it, or pass --masks-at image"
        )
    return [height, size.get("longest_edge") or size.get("width") or height]


def _as_pair(side: Any) -> list[int]:
    return [int(one) for one in (side if isinstance(side, list | tuple) else (side, side))]


def _guess_stride(config: Any) -> int:
    """The multiple to which images are padded: the patch of a plain vision transformer; others take any size."""
    patch = getattr(getattr(config, "backbone_config", None) or config, "patch_size", None)
    side = max(patch) if isinstance(patch, list | tuple) else patch
    return int(side) if isinstance(side, int) and side > 4 else 1


def load_weights(network: TransformersNetwork, folder: Path, kind: str, where: str) -> None:
    """Load the weights of a folder by the library, which knows the names of its earlier versions.

    Raises:
        UserError: they cannot be read, or do not fit entirely.
    """
    try:
        with warnings.catch_warnings(), silence_library():
            warnings.simplefilter("ignore")
            loaded, report = get_auto_class(kind).from_pretrained(
                folder,
                config=network.model.config,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
                weights_only=True,
                trust_remote_code=False,
                local_files_only=True,
                dtype=torch.float32,
                attn_implementation=None,
            )
    except Exception as error:  # damaged files raise errors of many kinds
        raise UserError(
            f"the weights of {where} cannot be read ({shorten(error)}): take another copy of them"
        ) from error
    require_fit(report["missing_keys"], report["unexpected_keys"], report["mismatched_keys"], where)
    state = loaded.state_dict()
    network.model.load_state_dict(state)
    require_finite(network.model, where)


@contextmanager
def silence_library() -> Iterator[None]:
    """Neither progress bars nor notes of Transformers within the block."""
    from transformers.utils import logging

    before = logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity(logging.CRITICAL)
    try:
        yield
    finally:
        logging.set_verbosity(before)
        logging.enable_progress_bar()


def require_fit(missing: Any, unexpected: Any, mismatched: Any, where: str) -> None:
    """Refuse weights that do not fit a network entirely.

    Raises:
        UserError: names are missing, unknown, or of another shape.
    """
    others = {"lack": missing, "have the unknown": unexpected, "have another shape of": mismatched}
    problems = [
        f"{verb} {list_some(sorted(str(one[0] if isinstance(one, tuple) else one) for one in names), 4)}"
        for verb, names in others.items()
        if names
    ]
    if problems:
        raise UserError(
            f"the weights of {where} do not fit its network: they {', and '.join(problems)}; pass weights and configuration "
            "of one network"
        )


def require_finite(model: nn.Module, where: str) -> None:
    """Refuse weights that are no finite numbers.

    Raises:
        UserError: one is NaN or infinite.
    """
    wrong = next(
        (name for name, one in model.state_dict().items() if one.is_floating_point() and not one.isfinite().all()), None
    )
    if wrong is not None:
        raise UserError(
            f"the weights of {where} are no finite numbers ({wrong!r} the first): take another copy of them"
        )


def _reverse_channels(model: nn.Module) -> None:
    """Let a network that takes blue, green, red take red, green, blue: its first convolution is reversed."""
    _, first = find_first_convolution(model)
    with torch.no_grad():
        first.weight.copy_(first.weight.flip(1))


def _tokenise_task(folder: Path, config: Any, where: str) -> list[int]:
    """The tokens by which OneFormer is told to segment semantically."""
    from transformers import CLIPTokenizer

    try:
        tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        found = tokenizer(TASK, padding="max_length", max_length=int(config.task_seq_len), truncation=True)
    except Exception as error:  # its readers raise errors of many kinds
        raise UserError(
            f"the tokenizer of {where}, by which OneFormer is told its task, cannot be read ({shorten(error)}): copy all files "
            "of the repository"
        ) from error
    return [int(token) * int(seen) for token, seen in zip(found["input_ids"], found["attention_mask"], strict=True)]


def _list_notes(processor: Preprocessing | None, settings: Mapping[str, Any]) -> list[str]:
    if processor is None:
        return []
    notes = [f"its processor takes {step}, which a sweep does not" for step in processor.others]
    if processor.reversed_channels:
        notes.append("it takes blue, green, red: its first convolution was reversed")
    return notes


def describe_sizes(facts: Mapping[str, Any], size: tuple[int, int]) -> str:
    """A sentence where the processor resizes images to another size than the data's; else empty."""
    processor = facts.get("processor")
    if not isinstance(processor, Mapping):
        return ""
    stated = processor.get("size") or {}
    if not stated:
        return "its processor states no size: it sees images of the data's"
    if stated == {"height": size[0], "width": size[1]}:
        return ""
    return f"its processor resizes images to {describe_size(stated)}, and the data have {size[0]} x {size[1]}"
