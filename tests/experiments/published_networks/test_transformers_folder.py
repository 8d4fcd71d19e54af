"""A folder of Transformers becomes a checkpoint that answers as the library itself does."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import read_refusal, run_command
from published_folders import CONFIGS, make_transformers
from torch import Tensor

from experiments.checkpoints.checkpoint import load_module, read_checkpoint

ORDER = [2, 1, 3, 0]
"""Where the data's classes stand among the networks'."""
UNIVERSAL = ("maskformer", "mask2former", "oneformer", "eomt")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Folders by type, each made once, with the networks that they hold."""
    made: dict[str, tuple[Path, Any]] = {}

    def make(kind: str) -> tuple[Path, Any]:
        if kind not in made:
            folder = tmp_path_factory.mktemp(kind)
            made[kind] = (folder, make_transformers(folder, kind))
        return made[kind]

    return make


def draw(size: tuple[int, int]) -> Tensor:
    """Two images."""
    return torch.randint(0, 256, (2, 3, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@torch.inference_mode()
def infer(folder: Path, model: Any, images: Tensor, **options: Any) -> tuple[Tensor, Tensor]:
    """The library's own inference: scores (B, L, H, W) and segmentation (B, H, W) at the images' size."""
    import transformers

    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    inputs = {"pixel_values": processor(list(images), return_tensors="pt", **options)["pixel_values"]}
    if model.config.model_type == "oneformer":
        both = transformers.OneFormerProcessor(processor, transformers.CLIPTokenizer.from_pretrained(folder))
        inputs["task_inputs"] = both(list(images), ["semantic"] * len(images), return_tensors="pt")["task_inputs"]
    sizes = [tuple(images.shape[2:])] * len(images)
    found = processor.post_process_semantic_segmentation(
        model(**inputs), target_sizes=sizes, return_segmentation_scores=True
    )
    return torch.stack([one.segmentation_scores for one in found]), torch.stack([one.segmentation for one in found])


@torch.inference_mode()
def require_equal(checkpoint: Path, images: Tensor, scores: Tensor, segmentation: Tensor, universal: bool) -> None:
    """The checkpoint's logits are the library's scores, in the order of the data's classes."""
    logits = load_module(checkpoint)(images)
    torch.testing.assert_close(logits.exp() if universal else logits, scores[:, ORDER], rtol=1e-5, atol=1e-6)
    assert torch.equal(torch.tensor(ORDER)[logits.argmax(1)], segmentation)


@pytest.mark.parametrize("kind", CONFIGS)
def test_pixel_for_pixel(kind: str, published: Any, words: list[str], tmp_path: Path) -> None:
    folder, model = published(kind)
    checkpoint = tmp_path / "run" / "best.ckpt"
    run_command("convert", f"--source={folder}", f"--output={checkpoint}", *words, "--data.init_args.size=[64,64]")
    images = draw((64, 64))
    scores, segmentation = infer(folder, model, images, do_resize=False)
    require_equal(checkpoint, images, scores, segmentation, kind in UNIVERSAL)


@pytest.mark.parametrize("kind", ["segformer", "maskformer", "mask2former"])
def test_at_another_size(kind: str, published: Any, words: list[str], tmp_path: Path) -> None:
    """Networks of any size answer as the library does where nothing is resized."""
    folder, model = published(kind)
    checkpoint = tmp_path / "run" / "best.ckpt"
    run_command("convert", f"--source={folder}", f"--output={checkpoint}", *words)
    images = draw((64, 96))
    scores, segmentation = infer(folder, model, images, do_resize=False)
    require_equal(checkpoint, images, scores, segmentation, kind in UNIVERSAL)


def test_a_network_of_one_size_resizes_as_the_processor_does(published: Any, words: list[str], tmp_path: Path) -> None:
    folder, model = published("dpt")
    checkpoint = tmp_path / "run" / "best.ckpt"
    said = run_command("convert", f"--source={folder}", f"--output={checkpoint}", *words).stdout
    assert "takes images of 64 x 64 alone" in said
    images = draw((48, 80))
    require_equal(checkpoint, images, *infer(folder, model, images), universal=False)


def test_masks_at_the_images_size(published: Any, words: list[str], tmp_path: Path) -> None:
    """The paper's own order: masks are brought to the image's size, then scored."""
    folder, model = published("mask2former")
    checkpoint = tmp_path / "run" / "best.ckpt"
    run_command("convert", f"--source={folder}", f"--output={checkpoint}", "--masks-at=image", *words)
    images = draw((64, 96))
    with torch.inference_mode():
        mean, std = (torch.tensor(levels).view(1, 3, 1, 1) for levels in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
        found = model((images / 255 - mean) / std)
        masks = torch.nn.functional.interpolate(found.masks_queries_logits, (64, 96), mode="bilinear")
        scores = torch.einsum("bqk,bqhw->bkhw", found.class_queries_logits.softmax(-1)[..., :-1], masks.sigmoid())
    require_equal(checkpoint, images, scores, scores.argmax(1), universal=True)


def test_what_a_checkpoint_records(published: Any, words: list[str], tmp_path: Path) -> None:
    folder, _ = published("segformer")
    checkpoint = tmp_path / "run" / "best.ckpt"
    said = run_command("convert", f"--source={folder}", f"--output={checkpoint}", *words).stdout
    assert "its processor resizes images to 512 x 512, and the data have 48 x 64" in said
    (step,) = read_checkpoint(checkpoint)["derived_from"]
    assert step["verb"] == "convert"
    assert step["sources"] == [hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()]
    facts = step["settings"]
    assert facts["source"] == folder.name
    assert facts["processor"]["reduced_labels"] is True
    assert facts["processor"]["size"] == {"height": 512, "width": 512}
    assert facts["classes"]["person"] == ["person, individual"]
    output = tmp_path / "record.json"
    run_command("benchmark", f"--checkpoint={checkpoint}", "--suite=smoke", f"--output={output}", "--pictures=0")
    assert len(json.loads(output.read_text())["cells"]) == 5


def test_reduced_labels_shift_no_logit(published: Any) -> None:
    """With `do_reduce_labels`, label 1 of the file is class 0 of the network, whose name is that of label 1.

    The processor of the folder makes the training's labels, and the network's names are matched to them.
    """
    import transformers

    folder, model = published("segformer")
    file_labels = torch.tensor([[0, 1], [2, 4]])
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    learned = processor(
        torch.zeros(3, 2, 2, dtype=torch.uint8), segmentation_maps=file_labels, do_resize=False, return_tensors="pt"
    )["labels"][0]
    assert learned.tolist() == [[255, 0], [1, 3]]
    listed = [
        "other",
        "road",
        "traffic light",
        "sky",
        "person, individual",
    ]  # as ADE20K lists them, by the file's labels
    for before, after in zip(file_labels.flatten().tolist(), learned.flatten().tolist(), strict=True):
        assert after == 255 or model.config.id2label[after] == listed[before]


def change(folder: Path, copy: Path, name: str = "config.json", **entries: Any) -> Path:
    """A copy of a folder with entries of a file changed; ``None`` removes one."""
    import shutil

    shutil.copytree(folder, copy)
    content = json.loads((copy / name).read_text())
    content = {key: value for key, value in {**content, **entries}.items() if value is not None}
    (copy / name).write_text(json.dumps(content))
    return copy


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "code": ("config.json", {"auto_map": {"AutoModel": "x--y.Z"}}, "asks for code of its repository"),
    "code of the processor": ("preprocessor_config.json", {"auto_map": {"AutoImageProcessor": "y.Z"}}, "asks for code"),
    "another task": ("config.json", {"model_type": "bert"}, "no network for semantic segmentation"),
    "another head": ("config.json", {"architectures": ["SegformerModel"]}, "segments nothing"),
    "quantised": ("config.json", {"quantization_config": {"quant_method": "x"}}, "is quantised"),
    "no type": ("config.json", {"model_type": None}, "neither `model_type`"),
    "another depth": ("config.json", {"depths": [2, 1, 1, 1]}, "they lack"),
    "another width": ("config.json", {"decoder_hidden_size": 24}, "have another shape of"),
    "wrong setting": ("config.json", {"depths": "many"}, "cannot read the config.json"),
    "no names": ("config.json", {"id2label": None, "label2id": None, "num_labels": 4}, "names none of them"),
    "a gap": (
        "config.json",
        {"id2label": {"0": "road", "1": "sky", "3": "person", "4": "car"}},
        "but not the number 2",
    ),
    "an empty name": (
        "config.json",
        {"id2label": {"0": "road", "1": " ", "2": "person", "3": "car"}},
        "but not the number 1",
    ),
    "a negative width": ("config.json", {"hidden_sizes": [-8, 8, 8, 8]}, "cannot build 'segformer'"),
    "too wide": ("config.json", {"hidden_sizes": [10**7] * 4}, "cannot build 'segformer'"),
    "too deep": ("config.json", {"depths": [10**8, 1, 1, 1]}, "has 100000000 as depths"),
    "unknown activation": ("config.json", {"hidden_act": "no_such"}, "it knows no 'no_such'"),
    "wrong mean": ("preprocessor_config.json", {"image_mean": [1, 2]}, "as image_mean"),
    "wrong std": ("preprocessor_config.json", {"image_std": [1, 0, 1]}, "not above 0"),
    "wrong size": ("preprocessor_config.json", {"size": {"side": 3}}, "no height and width"),
    "wrong factor": ("preprocessor_config.json", {"rescale_factor": "x"}, "which is no number"),
    "wrong resample": ("preprocessor_config.json", {"resample": 17}, "no method of resizing"),
    "wrong processor": ("preprocessor_config.json", {"image_processor_type": "os.system"}, "no image processor"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(case: str, published: Any, words: list[str], tmp_path: Path) -> None:
    name, entries, message = REFUSED[case]
    folder = change(published("segformer")[0], tmp_path / "copy", name, **entries)
    output = tmp_path / "run" / "best.ckpt"
    assert message in read_refusal("convert", f"--source={folder}", f"--output={output}", *words)
    assert not output.exists()


def test_a_backbone_that_only_the_hub_describes(
    published: Any, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    folder = change(published("upernet")[0], tmp_path / "copy", backbone="someone/net", backbone_config=None)
    call = ("convert", f"--source={folder}", f"--output={tmp_path / 'run' / 'best.ckpt'}", *words)
    assert "is built on 'someone/net' of the hub" in read_refusal(*call)
