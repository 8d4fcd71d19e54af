"""State dicts of mmsegmentation and of repositories built on it, in the names of Transformers.

SegFormer in the names of its authors' repository (Xie et al., NeurIPS 2021, https://github.com/NVlabs/SegFormer) and in those
of mmsegmentation (https://github.com/open-mmlab/mmsegmentation), whose head has a normalised convolution for each stage.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from user_error import UserError

HEADS = (1, 2, 5, 8)
"""Attention heads of the four stages, in every size of SegFormer; a state dict does not tell them."""

SKIPPED = ("auxiliary_head.", "decode_head.conv_seg.", "data_preprocessor.", "ema_")
"""What takes no part in the prediction; the authors' head keeps a `conv_seg` that it never calls."""

AUTHORS = (
    (r"backbone\.patch_embed(\d)\.proj\.", r"segformer.stages.{}.patch_embeddings.proj."),
    (r"backbone\.patch_embed(\d)\.norm\.", r"segformer.stages.{}.patch_embeddings.layer_norm."),
    (r"backbone\.norm(\d)\.", r"segformer.stages.{}.layer_norm."),
    (r"backbone\.block(\d)\.(\d+)\.norm1\.", r"segformer.stages.{}.blocks.{}.layernorm_before."),
    (r"backbone\.block(\d)\.(\d+)\.norm2\.", r"segformer.stages.{}.blocks.{}.layernorm_after."),
    (r"backbone\.block(\d)\.(\d+)\.attn\.q\.", r"segformer.stages.{}.blocks.{}.attention.q_proj."),
    (r"backbone\.block(\d)\.(\d+)\.attn\.proj\.", r"segformer.stages.{}.blocks.{}.attention.o_proj."),
    (
        r"backbone\.block(\d)\.(\d+)\.attn\.sr\.",
        r"segformer.stages.{}.blocks.{}.attention.sequence_reduction.sequence_reduction.",
    ),
    (
        r"backbone\.block(\d)\.(\d+)\.attn\.norm\.",
        r"segformer.stages.{}.blocks.{}.attention.sequence_reduction.layer_norm.",
    ),
    (r"backbone\.block(\d)\.(\d+)\.mlp\.(fc1|fc2)\.", r"segformer.stages.{}.blocks.{}.mlp.{}."),
    (r"backbone\.block(\d)\.(\d+)\.mlp\.dwconv\.dwconv\.", r"segformer.stages.{}.blocks.{}.mlp.dwconv.dwconv."),
    (r"decode_head\.linear_c(\d)\.proj\.", r"decode_head.linear_projections.{}.proj."),
    (r"decode_head\.linear_fuse\.conv\.", r"decode_head.linear_fuse."),
    (r"decode_head\.linear_fuse\.bn\.", r"decode_head.batch_norm."),
    (r"decode_head\.linear_pred\.", r"decode_head.classifier."),
)
"""Beginnings of names in the authors' repository, and of Transformers; the first number there is counted from 1."""

OPENMMLAB = (
    (r"backbone\.layers\.(\d)\.0\.projection\.", r"segformer.stages.{}.patch_embeddings.proj."),
    (r"backbone\.layers\.(\d)\.0\.norm\.", r"segformer.stages.{}.patch_embeddings.layer_norm."),
    (r"backbone\.layers\.(\d)\.2\.", r"segformer.stages.{}.layer_norm."),
    (r"backbone\.layers\.(\d)\.1\.(\d+)\.norm1\.", r"segformer.stages.{}.blocks.{}.layernorm_before."),
    (r"backbone\.layers\.(\d)\.1\.(\d+)\.norm2\.", r"segformer.stages.{}.blocks.{}.layernorm_after."),
    (r"backbone\.layers\.(\d)\.1\.(\d+)\.attn\.attn\.out_proj\.", r"segformer.stages.{}.blocks.{}.attention.o_proj."),
    (
        r"backbone\.layers\.(\d)\.1\.(\d+)\.attn\.sr\.",
        r"segformer.stages.{}.blocks.{}.attention.sequence_reduction.sequence_reduction.",
    ),
    (
        r"backbone\.layers\.(\d)\.1\.(\d+)\.attn\.norm\.",
        r"segformer.stages.{}.blocks.{}.attention.sequence_reduction.layer_norm.",
    ),
    (r"backbone\.layers\.(\d)\.1\.(\d+)\.ffn\.layers\.0\.", r"segformer.stages.{}.blocks.{}.mlp.fc1."),
    (r"backbone\.layers\.(\d)\.1\.(\d+)\.ffn\.layers\.1\.", r"segformer.stages.{}.blocks.{}.mlp.dwconv.dwconv."),
    (r"backbone\.layers\.(\d)\.1\.(\d+)\.ffn\.layers\.4\.", r"segformer.stages.{}.blocks.{}.mlp.fc2."),
    (r"decode_head\.", r"decode_head."),
)
"""Likewise of mmsegmentation, counted from 0; its head keeps its names (`MmsegSegformerNetwork`)."""


class Translated(NamedTuple):
    """A network of Transformers: its configuration, number of classes, and state; and whether its head is mmsegmentation's."""

    config: dict[str, Any]
    classes: int
    state: dict[str, Tensor]
    openmmlab: bool


def is_mmsegmentation(state: Mapping[str, Tensor]) -> bool:
    """Whether a state dict has the two parts that all networks of mmsegmentation have."""
    return all(any(name.startswith(part) for name in state) for part in ("backbone.", "decode_head."))


def translate(state: Mapping[str, Tensor], where: str) -> Translated:
    """A state dict in the names of Transformers, and the configuration that its shapes tell.

    Args:
        state: in the names of mmsegmentation.
        where: its name, for messages.

    Raises:
        UserError: it is of a network that no table here knows.
    """
    authors = any(name.startswith("backbone.patch_embed1.") for name in state)
    openmmlab = "backbone.layers.0.0.projection.weight" in state and "decode_head.fusion_conv.conv.weight" in state
    if not (authors or openmmlab):
        raise UserError(
            f"{where} has the names of mmsegmentation, but is no SegFormer, the only one of its networks that is translated: "
            "export it as ONNX by mmdeploy, or pass --network with the YAML of a network that has its names"
        )
    skipped = tuple(part for part in SKIPPED if authors or "conv_seg" not in part)
    kept = {name: value for name, value in state.items() if not name.startswith(skipped)}
    found: dict[str, Tensor] = {}
    for name, value in kept.items():
        for new, one in _rename(name, value, AUTHORS if authors else OPENMMLAB, 1 if authors else 0):
            found[new] = one
    return Translated(_find_config(found, authors, where), _count_classes(found, authors, where), found, not authors)


def _rename(name: str, value: Tensor, table: tuple[tuple[str, str], ...], first: int) -> list[tuple[str, Tensor]]:
    """The new names of an entry, which are several where queries, keys or values were stored as one."""
    joint = re.fullmatch(r"backbone\.block(\d)\.(\d+)\.attn\.kv\.(weight|bias)", name) or re.fullmatch(
        r"backbone\.layers\.(\d)\.1\.(\d+)\.attn\.attn\.in_proj_(weight|bias)", name
    )
    if joint:
        parts = ("k_proj", "v_proj") if ".kv." in name else ("q_proj", "k_proj", "v_proj")
        stage, block, kind = joint.groups()
        place = f"segformer.stages.{int(stage) - first}.blocks.{block}.attention"
        return [(f"{place}.{part}.{kind}", one) for part, one in zip(parts, value.chunk(len(parts)), strict=True)]
    for pattern, new in table:
        match = re.match(pattern, name)
        if match:
            groups = list(match.groups())
            places = [str(int(groups[0]) - first), *groups[1:]] if groups else []
            renamed = new.format(*places) + name[match.end() :]
            return [(renamed, value.flatten(1) if re.search(r"mlp\.fc\d\.weight$", renamed) else value)]
    return [(name, value)]


def _find_config(state: Mapping[str, Tensor], authors: bool, where: str) -> dict[str, Any]:
    depths = [0] * 4
    for name in state:
        if place := re.match(r"segformer\.stages\.([0-3])\.blocks\.(\d{1,3})\.", name):
            depths[int(place[1])] = max(depths[int(place[1])], int(place[2]) + 1)
    try:
        hidden = [int(state[f"segformer.stages.{stage}.layer_norm.weight"].shape[0]) for stage in range(4)]
        ratios = [
            int(state[f"segformer.stages.{stage}.blocks.0.mlp.fc1.weight"].shape[0]) // hidden[stage]
            for stage in range(4)
        ]
        reductions = [
            int(one.shape[-1])
            if (
                one := state.get(
                    f"segformer.stages.{stage}.blocks.0.attention.sequence_reduction.sequence_reduction.weight"
                )
            )
            is not None
            else 1
            for stage in range(4)
        ]
        fuse = state["decode_head.linear_fuse.weight" if authors else "decode_head.fusion_conv.conv.weight"]
    except (KeyError, IndexError, ZeroDivisionError) as error:
        raise UserError(f"{where} lacks parts of a SegFormer ({error}): pass its whole state dict") from error
    return {
        "depths": depths,
        "hidden_sizes": hidden,
        "num_attention_heads": list(HEADS),
        "mlp_ratios": ratios,
        "sr_ratios": reductions,
        "decoder_hidden_size": int(fuse.shape[0]),
    }


def _count_classes(state: Mapping[str, Tensor], authors: bool, where: str) -> int:
    head = state.get("decode_head.classifier.weight" if authors else "decode_head.conv_seg.weight")
    if not isinstance(head, torch.Tensor) or head.ndim != 4:
        raise UserError(f"{where} lacks the last convolution of a SegFormer: pass its whole state dict")
    return int(head.shape[0])


def read_names(meta: Mapping[str, Any]) -> list[str] | None:
    """The names of classes that a checkpoint of mmsegmentation keeps beside its state; `None` where it keeps none."""
    inner = meta.get("meta")
    for source in (meta, inner if isinstance(inner, Mapping) else {}):
        described = source.get("dataset_meta")
        for place in (source, described if isinstance(described, Mapping) else {}):
            found = place.get("CLASSES") or place.get("classes")
            if isinstance(found, list | tuple) and found and all(isinstance(name, str) for name in found):
                return list(found)
    return None
