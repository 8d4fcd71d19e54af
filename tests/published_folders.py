"""Folders and files of networks as others publish them, with random weights and tiny configurations."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

NAMES = ("road", "traffic light", "sky", "person, individual")
"""Classes of the networks."""

SWIN = {
    "model_type": "swin",
    "image_size": 64,
    "depths": [1, 1, 1, 1],
    "embed_dim": 16,
    "num_heads": [1, 1, 2, 2],
    "window_size": 4,
    "out_features": ["stage1", "stage2", "stage3", "stage4"],
}
VIT = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 32, "image_size": 64}
DECODER = {
    **dict.fromkeys(("feature_size", "mask_feature_size", "hidden_dim"), 32),
    **dict.fromkeys(("encoder_feedforward_dim", "dim_feedforward"), 16),
    **{"encoder_layers": 1, "decoder_layers": 3, "num_attention_heads": 2, "num_queries": 6},
}
DETR = dict.fromkeys(("encoder_ffn_dim", "decoder_ffn_dim"), 16) | {
    **{"d_model": 32, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2, "num_queries": 6}
}
CONFIGS: dict[str, dict[str, Any]] = {
    "segformer": {"depths": [1] * 4, "hidden_sizes": [8, 16, 40, 64], "decoder_hidden_size": 16},
    "upernet": {"backbone_config": SWIN, "hidden_size": 16, "auxiliary_channels": 8, "pool_scales": [1, 2]},
    "dpt": {
        **VIT,
        "backbone_out_indices": [0, 1, 2, 3],
        "neck_hidden_sizes": [8, 8, 16, 16],
        "fusion_hidden_size": 16,
    },
    "beit": {**VIT, "out_indices": [1, 2, 3, 4], "pool_scales": [1, 2], "use_relative_position_bias": True},
    "mobilevit": {
        "hidden_sizes": [16, 16, 16],
        "neck_hidden_sizes": [8, 8, 16, 16, 16, 16, 32],
        "num_attention_heads": 2,
        "aspp_out_channels": 16,
    },
    "maskformer": {"backbone_config": SWIN, "fpn_feature_size": 32, "mask_feature_size": 32},
    "mask2former": {"backbone_config": SWIN, **DECODER},
    "oneformer": {
        "backbone_config": SWIN,
        "conv_dim": 32,
        "mask_dim": 32,
        "hidden_dim": 32,
        "encoder_feedforward_dim": 16,
        "dim_feedforward": 16,
        **{"encoder_layers": 1, "decoder_layers": 2, "num_attention_heads": 2, "num_queries": 6},
        **{"text_encoder_width": 16, "text_encoder_num_layers": 1, "text_encoder_vocab_size": 64},
    },
    "eomt": {
        "hidden_size": 32,
        "num_hidden_layers": 4,
        "num_attention_heads": 2,
        "image_size": 64,
        "num_blocks": 1,
        "num_upscale_blocks": 1,
        "num_queries": 6,
    },
}
"""A small configuration of each type of Transformers."""

SQUARE = {"height": 64, "width": 64}
PROCESSORS: dict[str, tuple[str, dict[str, Any]]] = {
    "segformer": ("SegformerImageProcessor", {"image_mean": [0.4, 0.5, 0.6], "do_reduce_labels": True}),
    "upernet": ("SegformerImageProcessor", {"rescale_factor": 1 / 128, "image_std": [0.3, 0.2, 0.1]}),
    "dpt": ("DPTImageProcessor", {"size": SQUARE}),
    "beit": ("BeitImageProcessor", {"size": SQUARE, "do_center_crop": False}),
    "mobilevit": ("MobileViTImageProcessor", {"do_center_crop": False}),
    "maskformer": ("MaskFormerImageProcessor", {}),
    "mask2former": ("Mask2FormerImageProcessor", {}),
    "oneformer": ("OneFormerImageProcessor", {}),
    "eomt": ("EomtImageProcessor", {"size": {"shortest_edge": 64, "longest_edge": 64}}),
}
"""The class and settings of each type's image processor."""


def build_transformers(kind: str, names: Sequence[str] = NAMES) -> Any:
    """A network of Transformers with random weights, in evaluation mode; none of its numbers is at its default."""
    import transformers

    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(
        kind, num_labels=len(names), id2label=dict(enumerate(names)), **CONFIGS[kind]
    )
    universal = kind in ("maskformer", "mask2former", "oneformer", "eomt")
    auto = (
        transformers.AutoModelForUniversalSegmentation if universal else transformers.AutoModelForSemanticSegmentation
    )
    model = auto.from_config(config).eval()
    disturb(model)
    return model


@torch.no_grad()
def disturb(model: nn.Module) -> None:
    """Move all weights and statistics, so that one that is not loaded changes the answer."""
    generator = torch.Generator().manual_seed(1)
    for name, value in model.state_dict().items():
        if value.is_floating_point() and "index" not in name:
            value *= 1 + 0.2 * torch.rand(value.shape, generator=generator)
            value += 0.02 * torch.rand(value.shape, generator=generator) - (0 if "var" in name else 0.01)


def build_processor(kind: str, **settings: Any) -> Any:
    """The image processor of a type."""
    import transformers

    name, own = PROCESSORS[kind]
    return getattr(transformers, name)(**own, **settings)


def make_transformers(folder: Path, kind: str, names: Sequence[str] = NAMES) -> Any:
    """A folder that ``save_pretrained`` wrote; the network in it."""
    model = build_transformers(kind, names)
    model.save_pretrained(folder)
    if kind == "oneformer":
        make_tokenizer(folder)
        (folder / "classes.json").write_text(json.dumps({"0": {"name": "road", "isthing": 0}}))
        text = {
            "image_processor_type": "OneFormerImageProcessor",
            "image_mean": [0.4, 0.5, 0.6],
            "repo_path": str(folder),
            "class_info_file": "classes.json",
            "num_text": 6,
        }
        (folder / "preprocessor_config.json").write_text(json.dumps(text))
    else:
        build_processor(kind).save_pretrained(folder)
    return model


def make_tokenizer(folder: Path) -> None:
    """The files of a CLIP tokenizer of single letters."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: index for index, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    ends = {"bos_token": words[-2], "eos_token": words[-1], "unk_token": words[-1], "pad_token": words[-1]}
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "CLIPTokenizer", **ends}))


def describe_data(root: Path) -> list[str]:
    """Options for a folder of images."""
    return [
        "--data=datamodules.datasets.folder.FolderDataModule",
        f"--data.init_args.root={root}",
        "--data.init_args.num_workers=0",
    ]
