"""State dicts of SegFormer in the names of its authors and of mmsegmentation."""

import re
from pathlib import Path
from typing import Any

import torch
from command_line import read_refusal, run_command
from published_folders import NAMES, build_transformers, disturb
from torch import Tensor, nn
from torch.nn import functional as F

from experiments.checkpoints.checkpoint import load_module

ORDER = [2, 1, 3, 0]
IMAGES = torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
X = (IMAGES / 255 - torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)) / torch.tensor([0.229, 0.224, 0.225]).view(
    1, 3, 1, 1
)


def name_as_authors(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state of Transformers in the names of https://github.com/NVlabs/SegFormer, written down by hand."""
    found: dict[str, Tensor] = {}
    for name, value in state.items():
        stage = re.match(r"segformer\.stages\.(\d)\.(.*)", name)
        if not stage:
            new = re.sub(r"linear_projections\.(\d)", lambda match: f"linear_c{int(match[1]) + 1}", name)
            new = new.replace("linear_fuse.", "linear_fuse.conv.").replace("batch_norm.", "linear_fuse.bn.")
            found[new.replace("classifier.", "linear_pred.")] = value
            continue
        number, rest = int(stage[1]) + 1, stage[2]
        rest = rest.replace("layernorm_before", "norm1").replace("layernorm_after", "norm2")
        rest = rest.replace("attention.sequence_reduction.sequence_reduction", "attn.sr")
        rest = rest.replace("attention.sequence_reduction.layer_norm", "attn.norm").replace("attention.", "attn.")
        rest = rest.replace("attn.q_proj", "attn.q").replace("attn.o_proj", "attn.proj")
        rest = re.sub(r"^patch_embeddings\.layer_norm", f"patch_embed{number}.norm", rest)
        rest = re.sub(r"^patch_embeddings", f"patch_embed{number}", rest)
        rest = re.sub(r"^layer_norm", f"norm{number}", rest)
        rest = re.sub(r"^blocks", f"block{number}", rest)
        found[f"backbone.{rest}"] = value
    for name in [name for name in found if ".attn.k_proj." in name]:
        found[name.replace("k_proj", "kv")] = torch.cat([found.pop(name), found.pop(name.replace("k_proj", "v_proj"))])
    return found


@torch.inference_mode()
def test_the_authors_names(words: list[str], tmp_path: Path) -> None:
    model = build_transformers("segformer")
    state = name_as_authors(model.state_dict())
    assert "backbone.block1.0.attn.kv.weight" in state
    extra = {"decode_head.conv_seg.weight": torch.zeros(4, 128, 1, 1), "decode_head.conv_seg.bias": torch.zeros(4)}
    torch.save({"state_dict": {**state, **extra}, "meta": {"CLASSES": NAMES, "epoch": 1}}, tmp_path / "net.pth")
    checkpoint = tmp_path / "run" / "best.ckpt"
    run_command("convert", f"--source={tmp_path / 'net.pth'}", f"--output={checkpoint}", *words)
    expected = F.interpolate(model(X).logits, (64, 96), mode="bilinear")[:, ORDER]
    torch.testing.assert_close(load_module(checkpoint)(IMAGES), expected, rtol=1e-5, atol=1e-6)


class Attention(nn.Module):
    """mmsegmentation's efficient attention on PyTorch's own."""

    def __init__(self, size: int, heads: int, ratio: int) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(size, heads, batch_first=True)
        self.ratio = ratio
        if ratio > 1:
            self.sr = nn.Conv2d(size, size, ratio, ratio)
            self.norm = nn.LayerNorm(size, eps=1e-6)

    def forward(self, x: Tensor, shape: tuple[int, int]) -> Tensor:
        seen = x
        if self.ratio > 1:
            maps = self.sr(x.transpose(1, 2).unflatten(2, shape))
            seen = self.norm(maps.flatten(2).transpose(1, 2))
        return self.attn(x, seen, seen, need_weights=False)[0]


class Block(nn.Module):
    """A layer of the encoder."""

    def __init__(self, size: int, heads: int, ratio: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(size, eps=1e-6), nn.LayerNorm(size, eps=1e-6)
        self.attn = Attention(size, heads, ratio)
        inner = 4 * size
        layers = [nn.Conv2d(size, inner, 1), nn.Conv2d(inner, inner, 3, 1, 1, groups=inner), nn.GELU(), nn.Dropout(0)]
        self.ffn = nn.Module()
        self.ffn.layers = nn.Sequential(*layers, nn.Conv2d(inner, size, 1))

    def forward(self, x: Tensor, shape: tuple[int, int]) -> Tensor:
        x = x + self.attn(self.norm1(x), shape)
        maps = self.norm2(x).transpose(1, 2).unflatten(2, shape)
        return x + self.ffn.layers(maps).flatten(2).transpose(1, 2)


class Mmseg(nn.Module):
    """SegFormer as mmsegmentation names and computes it, independently of Transformers."""

    def __init__(self) -> None:
        super().__init__()
        sizes, heads, ratios = (8, 16, 40, 64), (1, 2, 5, 8), (8, 4, 2, 1)
        self.backbone, self.decode_head = nn.Module(), nn.Module()
        stages, before = [], 3
        for place, size in enumerate(sizes):
            patch = nn.Module()
            kernel, stride = (7, 4) if place == 0 else (3, 2)
            patch.projection = nn.Conv2d(before, size, kernel, stride, kernel // 2)
            patch.norm = nn.LayerNorm(size, eps=1e-5)
            block = nn.ModuleList([Block(size, heads[place], ratios[place])])
            stages.append(nn.ModuleList([patch, block, nn.LayerNorm(size, eps=1e-6)]))
            before = size
        self.backbone.layers = nn.ModuleList(stages)
        self.decode_head.convs = nn.ModuleList([self.convolve(size) for size in sizes])
        self.decode_head.fusion_conv = self.convolve(64)
        self.decode_head.conv_seg = nn.Conv2d(16, 4, 1)

    @staticmethod
    def convolve(size: int) -> nn.Module:
        one = nn.Module()
        one.conv, one.bn = nn.Conv2d(size, 16, 1, bias=False), nn.BatchNorm2d(16)
        return one

    def forward(self, x: Tensor) -> Tensor:
        maps: list[Tensor] = []
        for patch, blocks, norm in self.backbone.layers:  # type: ignore[union-attr, misc]
            x = patch.projection(x)
            shape = tuple(x.shape[2:])
            tokens = patch.norm(x.flatten(2).transpose(1, 2))
            for block in blocks:
                tokens = block(tokens, shape)
            x = norm(tokens).transpose(1, 2).unflatten(2, shape)
            maps.append(x)
        head: Any = self.decode_head
        brought = [
            F.interpolate(one.bn(one.conv(seen)).relu(), maps[0].shape[2:], mode="bilinear")
            for one, seen in zip(head.convs, maps, strict=True)
        ]
        return head.conv_seg(head.fusion_conv.bn(head.fusion_conv.conv(torch.cat(brought, 1))).relu())


@torch.inference_mode()
def test_the_names_of_mmsegmentation(words: list[str], tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = Mmseg().eval()
    disturb(model)
    extra = {"auxiliary_head.conv_seg.bias": torch.zeros(4)}
    content = {"state_dict": {**model.state_dict(), **extra}, "meta": {"dataset_meta": {"classes": NAMES}}}
    torch.save(content, tmp_path / "net.pth")
    checkpoint = tmp_path / "run" / "best.ckpt"
    run_command("convert", f"--source={tmp_path / 'net.pth'}", f"--output={checkpoint}", *words)
    expected = F.interpolate(model(X), (64, 96), mode="bilinear")[:, ORDER]
    torch.testing.assert_close(load_module(checkpoint)(IMAGES), expected, rtol=1e-5, atol=1e-5)


def test_refusals(words: list[str], tmp_path: Path) -> None:
    state = name_as_authors(build_transformers("segformer").state_dict())
    call = ("convert", f"--source={tmp_path / 'net.pth'}", f"--output={tmp_path / 'run' / 'best.ckpt'}", *words)
    for changed, message in (
        (
            {"backbone.stem.0.weight": torch.zeros(1), "decode_head.conv_seg.weight": torch.zeros(4, 3, 1, 1)},
            "is no SegFormer",
        ),
        ({name: one for name, one in state.items() if "block2" not in name}, "lacks parts of a SegFormer"),
        ({name: one for name, one in state.items() if "linear_pred" not in name}, "lacks the last convolution"),
        ({name: one for name, one in state.items() if "norm3" not in name or "block" in name}, "lacks parts"),
        (state, "names none of them"),
    ):
        torch.save({"state_dict": changed}, tmp_path / "net.pth")
        assert message in read_refusal(*call)
