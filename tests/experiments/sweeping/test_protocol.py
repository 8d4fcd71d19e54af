"""Protocols of papers against mmsegmentation's and SegFormer's, written down once more, image by image."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from published_protocols import count_confusion, keep_ratio, predict_at, slide
from sized_scenes import SEED, Scenes, ScenesDataModule, corrupt_at_own_size
from torch import Tensor, nn
from torch.nn import functional as F

from datamodules.corruptions.base import Corruption
from datamodules.corruptions.geometric import RotationMaskMoved
from datamodules.corruptions.noise import GaussianNoise
from experiments.evaluation.protocol import Protocol
from experiments.evaluation.record import hash_manifest
from experiments.sweeping import own_size, scored_parts
from experiments.sweeping.named_protocols import find_protocol, list_protocols, parse_protocol
from experiments.sweeping.protocol import apply_protocol
from experiments.sweeping.suite import Suite
from experiments.sweeping.sweep import sweep_temporarily
from experiments.sweeping.swept import Swept
from lightning_modules.metrics.counters.file_size import FileSize
from lightning_modules.metrics.counters.members import Members
from lightning_modules.metrics.sweep import make_default_counters
from lightning_modules.networks.ensembles.ensemble import Ensemble
from lightning_modules.segmentation import SegmentationModule
from user_error import UserError

SIZES = [(60, 96), (96, 60), (40, 130), (60, 96), (33, 64)]
CLASSES = ["dark", "middle", "bright"]


class Rim(nn.Module):
    """A convolution that sees where its input ends."""

    def __init__(self, num_classes: int, in_channels: int, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.layer = nn.Conv2d(in_channels, num_classes, 5, padding=2)

    def forward(self, image: Tensor) -> Tensor:
        return 20 * self.layer(image if image.is_floating_point() else image.float() / 255)


class Sized(ScenesDataModule):
    sizes: Sequence[tuple[int, int]] = SIZES


def make_data(**settings: Any) -> Sized:
    return Sized(CLASSES, **{"size": (32, 32), "num_workers": 0, "eval_batch_size": 2, **settings})


def make_suite(**settings: Any) -> Suite:
    corruptions = [GaussianNoise(), RotationMaskMoved()]
    return Suite("own", 1, corruptions, {"gaussian_noise": [3], "rotation_mask_moved": [3]}, seed=SEED, **settings)


def sweep(protocol: Protocol, network: Any = Rim, counters: Any = None, order: Any = None, **settings: Any) -> Swept:
    torch.set_num_threads(1)
    data, module, suite = make_data(**settings), SegmentationModule(partial(network), 3).eval(), make_suite()
    suite.order = order or suite.order
    suite.protocol = apply_protocol(protocol, data, module)
    return sweep_temporarily(module, data, suite, "cpu", "32-true", counters=counters)


def count_by_hand(network: nn.Module, corruption: Corruption | None, resize: Any, predict: Any) -> np.ndarray:
    """The confusion matrix of all files, at their sizes."""
    total = np.zeros((3, 3), np.int64)
    for index, name in enumerate(Scenes(SIZES).ids):
        image, mask = corrupt_at_own_size(Scenes(SIZES)[index], name, corruption, 3)
        seen = torch.from_numpy(resize(image).transpose(2, 0, 1).copy())[None]
        with torch.inference_mode():
            predicted = predict_at(predict(network, seen), SIZES[index])
        total += count_confusion(torch.from_numpy(mask), predicted, 3)
    return total


def shrink(name: str, **changes: Any) -> Protocol:
    """A protocol of the project with sizes divided by 16 and windows by 32."""
    found = find_protocol(name).model_dump()
    found["size"] = [side // 16 for side in found["size"]] if isinstance(found["size"], tuple) else found["size"]
    if found["windows"]:
        for key in ("window", "stride"):
            found["windows"][key] = [side // 32 for side in found["windows"][key]]
    if found["multiple"] > 1:
        found["multiple"] = 8
    return parse_protocol(found | changes, "here")


def predict_whole(network: nn.Module, image: Tensor) -> Tensor:
    return network(image)


def predict_slid(network: nn.Module, image: Tensor) -> Tensor:
    return slide(network, image, (32, 32), (24, 24))


def predict_views(network: nn.Module, image: Tensor) -> Tensor:
    """The mean probabilities of mirrored and scaled images, each by windows, at the size of the image."""
    found = []
    for scale in (0.5, 0.75, 1.0, 1.25, 1.5, 1.75):
        size = [max(1, round(side * scale)) for side in image.shape[2:]]
        seen = image.float() / 255
        seen = F.interpolate(seen, size, mode="bilinear", antialias=True) if scale != 1 else seen
        for flipped in (False, True):
            logits = predict_slid(network, seen.flip(-1) if flipped else seen)
            logits = logits.flip(-1) if flipped else logits
            found.append(F.interpolate(logits, image.shape[2:], mode="bilinear").softmax(1))
    return torch.stack(found).mean(0).log()


PUBLISHED = {
    "mmseg_cityscapes_slide": ((128, 64), 1, predict_slid),
    "segformer_cityscapes": ((128, 64), 1, predict_slid),
    "mmseg_cityscapes_whole": ((128, 64), 1, predict_whole),
    "mmseg_cityscapes_slide_views": ((128, 64), 1, predict_views),
    "mmseg_ade20k": ((128, 32), 1, predict_whole),
    "mmseg_voc": ((128, 32), 1, predict_whole),
    "segformer_ade20k": ((128, 32), 8, predict_whole),
    "segformer_b5_ade20k": ((128, 40), 8, predict_whole),
    "voc_whole": (None, 1, predict_whole),
    "acdc_bravo": ("squash", 1, predict_whole),
}


def test_every_protocol_is_held_against_its_source() -> None:
    assert {*PUBLISHED} == {*list_protocols()}
    assert all(find_protocol(name).source for name in PUBLISHED)


@pytest.mark.parametrize("name", PUBLISHED)
def test_counts_are_those_of_the_published_protocol(name: str) -> None:
    """Clean, under noise and under a rotation of image and mask, all drawn and scored at the size of the files."""
    scale, divisor, predict = PUBLISHED[name]

    def resize(image: np.ndarray) -> np.ndarray:
        if scale is None:
            return image
        if scale == "squash":
            shrinks = image.size > 32 * 32 * 3
            return cv2.resize(image, (32, 32), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        return keep_ratio(image, scale, divisor)

    found = sweep(shrink(name)).sums["confusion"]
    for place, corruption in enumerate((None, GaussianNoise(), RotationMaskMoved())):
        wanted = count_by_hand(Rim(3, 3), corruption, resize, predict)
        assert wanted.sum() == found[place].sum()
        moved = abs(found[place] - wanted).sum() // 2
        assert moved <= (4 if predict is predict_views else 1)  # ties of logits that were added up in another order
        assert wanted.trace() < wanted.sum()


def test_windows_and_sizes_make_a_difference() -> None:
    usual = sweep(Protocol()).sums["confusion"]
    kept = [
        sweep(shrink(name)).sums["confusion"]
        for name in ("mmseg_cityscapes_slide", "mmseg_cityscapes_whole", "mmseg_ade20k")
    ]
    assert len({one.tobytes() for one in (usual, *kept)}) == 4


@pytest.mark.parametrize("name", ["mmseg_cityscapes_slide", "segformer_ade20k", "acdc_bravo"])
def test_counts_do_not_depend_on_how_images_are_batched(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor on how many of them, or of their logits at the size of the files, are held at once."""
    wanted = sweep(shrink(name), eval_batch_size=1)
    for batch_size in (2, 5):
        monkeypatch.setattr(own_size, "LARGEST", 2**25 if batch_size == 2 else 1)
        monkeypatch.setattr(scored_parts, "LARGEST", 2**27 if batch_size == 2 else 1)
        found = sweep(shrink(name), eval_batch_size=batch_size)
        assert found.index.tolist() == wanted.index.tolist()
        assert found.digests == wanted.digests
        assert np.array_equal(found.counts["classes"], wanted.counts["classes"])
        assert all(np.array_equal(found.sums[key], wanted.sums[key]) for key in ("confusion", "calibration"))


def test_padding_is_cut_off_before_logits_grow() -> None:
    found = sweep(Protocol(scored_at="file"), aspect="pad").sums["confusion"][0]

    def predict(network: nn.Module, image: Tensor) -> Tensor:
        return network(image)

    total = np.zeros((3, 3), np.int64)
    for index, (height, width) in enumerate(SIZES):
        sample, factor = Scenes(SIZES)[index], min(32 / height, 32 / width)
        rows, columns = round(height * factor), round(width * factor)
        scaled = cv2.resize(sample["image"], (columns, rows), interpolation=cv2.INTER_AREA)
        framed = np.empty((32, 32, 3), np.uint8)
        framed[...] = np.rint(scaled.mean((0, 1)))
        top, left = round((32 - rows) / 2), round((32 - columns) / 2)
        framed[top : top + rows, left : left + columns] = scaled
        with torch.inference_mode():
            logits = Rim(3, 3)(torch.from_numpy(framed.transpose(2, 0, 1).copy())[None])
        inside = logits[..., top : top + rows, left : left + columns]
        total += count_confusion(torch.from_numpy(sample["mask"]), predict_at(inside, SIZES[index]), 3)
    assert np.array_equal(found, total)


def test_members_are_counted_at_the_size_of_the_files() -> None:
    def make(classes: int, channels: int) -> nn.Module:
        return Ensemble(classes, channels, [Rim, lambda *sizes: Rim(*sizes, seed=1)], average="logits")

    counters = [*make_default_counters(), Members()]
    for protocol in (shrink("mmseg_cityscapes_slide"), shrink("acdc_bravo")):
        found = sweep(protocol, make, counters)
        pairs = found.counts["pairwise_dice"]
        assert pairs.shape == (5, 3, 3, 2)
        assert (pairs[..., 1].max(-1) == 1).all()
        single = sweep(protocol, make)
        assert np.array_equal(found.sums["confusion"], single.sums["confusion"])


@pytest.mark.parametrize("name", ["mmseg_ade20k", "acdc_bravo"])
def test_both_sizes_are_counted_in_one_pass(name: str) -> None:
    protocol, counters = shrink(name), [*make_default_counters(), FileSize()]
    passes: list[int] = []

    class Watched(Rim):
        def forward(self, image: Tensor) -> Tensor:
            passes.append(len(image))
            return super().forward(image)

    both = sweep(protocol.model_copy(update={"scored_at": "network", "ignored": ["dark"]}), Watched, counters)
    number = len(passes)
    at_network = sweep(protocol.model_copy(update={"scored_at": "network", "ignored": ["dark"]}), Watched)
    assert len(passes) == 2 * number
    at_file = sweep(protocol.model_copy(update={"ignored": ["dark"]}))
    assert np.array_equal(both.counts["classes"], at_network.counts["classes"])
    assert np.array_equal(both.counts["file_classes"], at_file.counts["classes"])
    assert both.digests == at_network.digests
    for further in ({"order": "resize_then_corrupt"}, {"aspect": "crop"}):
        with pytest.raises(UserError, match="file_size"):
            sweep(Protocol(), Rim, counters, **further)


def test_classes_that_are_not_scored_are_in_no_mean_and_stay_in_the_confusion() -> None:
    whole, some = sweep(Protocol()), sweep(Protocol(classes=["dark", "bright"]))
    assert np.array_equal(whole.sums["confusion"], some.sums["confusion"])
    for name in ("classes", "boundary"):
        assert not some.counts[name][:, :, 1].any()
        assert np.array_equal(some.counts[name][:, :, [0, 2]], whole.counts[name][:, :, [0, 2]])


@pytest.mark.parametrize("at", ["network", "file"])
def test_pixels_of_ignored_classes_are_not_counted(at: Any) -> None:
    whole = sweep(Protocol(scored_at=at)).sums["confusion"]
    ignored = sweep(Protocol(scored_at=at, ignored=["dark"]))
    assert not ignored.sums["confusion"][:, 0].any()
    assert np.array_equal(ignored.sums["confusion"][:, 1:], whole[:, 1:])  # predictions of it are wrong
    assert ignored.sums["confusion"][:, :, 0].any()
    assert not ignored.counts["classes"][:, :, 0].any()
    excluded = sweep(Protocol(scored_at=at, ignored=["dark"], ignored_predictions="excluded"))
    assert not excluded.sums["confusion"][:, :, 0].any()
    assert excluded.sums["confusion"].sum() == ignored.sums["confusion"].sum()

    class Others(Rim):
        def forward(self, image: Tensor) -> Tensor:
            return super().forward(image)[:, 1:]

    data = make_data()
    wanted = np.zeros((2, 2), np.int64)
    for batch in data.make_evaluation_dataloader("test", own_masks=True):
        with torch.inference_mode():
            logits = Others(3, 3)(batch["image"])
        for place, name in enumerate(batch["id"]):
            if name:
                mask = (batch["own_mask"] if at == "file" else batch["mask"])[place].long()
                truth = torch.where((mask == 0) | (mask == 255), 255, mask - 1)
                wanted += count_confusion(truth, predict_at(logits[place : place + 1], tuple(mask.shape)), 2)
    assert np.array_equal(excluded.sums["confusion"][0][1:, 1:], wanted)


def state(**settings: Any) -> dict[str, Any]:
    return apply_protocol(Protocol(**settings), make_data(), SegmentationModule(partial(Rim), 3)).entry


def test_manifests_state_what_departs_from_the_usual() -> None:
    suite = make_suite()
    usual = hash_manifest(suite.make_manifest((32, 32)))
    suite.protocol = apply_protocol(Protocol(), make_data(), SegmentationModule(partial(Rim), 3))
    assert "protocol" not in suite.make_manifest((32, 32))
    assert hash_manifest(suite.make_manifest((32, 32))) == usual
    assert state(windows={"window": [16, 32], "overlap": 0.5}) == {
        "windows": {"window": [16, 32], "stride": [8, 16], "weights": "uniform", "average": "logits", "pad": False}
    }
    assert state(scored_at="file", aspect="keep", size=(16, 32)) == {"scored_at": "file", "aspect": "keep"}
    assert state(size="native", scored_at="file") == {}  # where nothing is resized, both sizes are one
    assert state(ignored=["dark"]) == {"ignored": ["dark"]}
    assert state(ignored=["dark"], ignored_predictions="excluded")["ignored_predictions"] == "excluded"
    assert state(classes=["bright", "dark"]) == {"classes": ["dark", "bright"]}
    assert state(classes=CLASSES) == {}
    suite.protocol = apply_protocol(Protocol(scored_at="file"), make_data(), SegmentationModule(partial(Rim), 3))
    assert hash_manifest(suite.make_manifest((32, 32))) != usual


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"windows": {"window": [0, 4]}}, "windows.window.0"),
        ({"windows": {"window": [4, 4], "strides": [4, 4]}}, "'windows.strides' is no setting"),
        ({"window": [4, 4]}, r"'window' is no setting of it.*windows"),
        ({"scored_at": "disk"}, "scored_at"),
        ({"multiple": 0}, "multiple"),
        ({"views": {"scales": []}}, "views.scales"),
        ({"views": {"scales": [0]}}, "views.scales"),
        ([1, 2], "no protocol"),
        ({"size": [4]}, "size"),
    ],
)
def test_settings_that_there_are_not(settings: Any, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        parse_protocol(settings, "here")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"windows": {"window": [8, 8], "stride": [8, 9]}}, "leave gaps"),
        ({"windows": {"window": [8, 8], "overlap": 0.0, "weights": "gaussian"}}, "do not overlap"),
        ({"windows": {"window": [64, 64]}, "size": [32, 64]}, "no window slides over them"),
        ({"views": {"flips": "none"}}, "the network as it is"),
        ({"classes": ["dark", "red"]}, "'red', which is no class"),
        ({"ignored": ["red"]}, "'red', which is no class"),
        ({"classes": ["dark"]}, "at least 2"),
        ({"ignored": ["dark", "middle"]}, "at least 2"),
        ({"classes": ["dark", "bright"], "ignored": ["dark"]}, "keep one"),
        ({"multiple": 32}, "goes with the aspect keep"),
        ({"aspect": "keep", "size": "native"}, "keep their own size"),
        ({"aspect": "crop", "scored_at": "file"}, "not seen as a whole"),
    ],
)
def test_settings_that_do_not_go_together(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        state(**settings)


def test_masks_that_move_after_the_resize_have_no_place_in_the_file() -> None:
    with pytest.raises(UserError, match="leave out --order"):
        sweep(Protocol(scored_at="file"), order="resize_then_corrupt")


def test_files_that_are_no_protocol(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no protocol 'nowhere'"):
        find_protocol("nowhere")
    path = tmp_path / "own.yaml"
    for text in ("[1, 2]", "scored_at: [", "frames: 3", "source: 3"):
        path.write_text(text)
        with pytest.raises(UserError, match=r"own\.yaml"):
            find_protocol(str(path))
