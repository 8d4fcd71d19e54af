"""Corruption before the resize: the pixels, whatever the batches, and the manifests of both orders."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from command_line import ROOT
from golden_run import Thresholds
from own_conditions import GradientSign, Learning
from sized_scenes import SEED, SIZES, Scenes, ScenesDataModule, corrupt_at_own_size
from torch import Tensor

from datamodules.base import SegmentationDataModule
from datamodules.corruptions.base import Corruption
from datamodules.corruptions.conditions import Clean, Corrupted, Shifted
from datamodules.corruptions.digital import JpegCompression
from datamodules.corruptions.geometric import RotationMaskMoved
from datamodules.corruptions.localised import Localised
from datamodules.corruptions.modality import MissingChannels
from datamodules.corruptions.noise import GaussianNoise
from datamodules.dataset import Sample
from experiments.evaluation.order import ORDERS, Order
from experiments.evaluation.record import hash_manifest
from experiments.record_files.record_file import read_record
from experiments.sweeping import own_size
from experiments.sweeping.counters import find_counters
from experiments.sweeping.own_size import apply_at_own_size, draw_region_at_own_size
from experiments.sweeping.suite import Suite
from experiments.sweeping.suites import find_suite
from experiments.sweeping.sweep import sweep_temporarily
from experiments.sweeping.swept import Swept
from lightning_modules.networks.base import SegmentationNetwork
from lightning_modules.segmentation import SegmentationModule

SIZE = (48, 48)


class Linear(SegmentationNetwork):
    """Of each pixel by itself."""

    def __init__(self, num_classes: int, in_channels: int = 3) -> None:
        super().__init__(num_classes, in_channels, stride=1)
        self.norm = torch.nn.BatchNorm2d(in_channels)
        self.layer = torch.nn.Conv2d(in_channels, num_classes, 1)

    def compute_logits(self, x: Tensor) -> Tensor:
        return self.layer(self.norm(x))


def make_data(**settings: Any) -> ScenesDataModule:
    return ScenesDataModule(["dark", "middle", "bright"], **{"size": SIZE, "num_workers": 0, **settings})


def make_suite(order: Order, **settings: Any) -> Suite:
    suite = Suite(
        "orders",
        1,
        [GaussianNoise(), RotationMaskMoved()],
        {"gaussian_noise": [2, 4], "rotation_mask_moved": [3]},
        seed=SEED,
        order=order,
        missing=MissingChannels(fills=["noise"]),
        **settings,
    )
    return suite.adapt_to_data(["red", "green", "blue"], {})


def make_module() -> SegmentationModule:
    return SegmentationModule(partial(Thresholds), 3)


def sweep(order: Order = "corrupt_then_resize", **settings: Any) -> Swept:
    torch.set_num_threads(1)
    return sweep_temporarily(make_module(), make_data(**settings), make_suite(order), "cpu", "32-true")


def read_batches(data: SegmentationDataModule, own: bool = True) -> list[dict[str, Any]]:
    return [data.on_after_batch_transfer(one, 0) for one in data.make_evaluation_dataloader("test", own_size=own)]


def corrupt_by_hand(sample: Sample, image_id: str, corruption: Corruption, severity: int) -> tuple[Any, Any]:
    """The corruption alone on the image as it is, and OpenCV's resize after it."""
    pixels, classes = corrupt_at_own_size(sample, image_id, corruption, severity)
    return (
        cv2.resize(pixels, SIZE[::-1], interpolation=cv2.INTER_AREA),
        cv2.resize(classes, SIZE[::-1], interpolation=cv2.INTER_NEAREST_EXACT),
    )


@pytest.mark.parametrize("corruption", [GaussianNoise(), JpegCompression(), RotationMaskMoved()], ids=lambda c: c.name)
def test_pixels_are_corrupted_as_the_file_has_them_and_then_resized(corruption: Corruption) -> None:
    data, dataset = make_data(eval_batch_size=4), Scenes()
    found = 0
    for batch in read_batches(data):
        images, masks = apply_at_own_size(Corrupted(corruption, 3), batch, SEED, data.batch_resize)
        assert (images.dtype, masks.dtype) == (torch.uint8, torch.int64)
        for image, mask, name, index in zip(images, masks, batch["id"], batch["index"].tolist(), strict=True):
            if name:
                wanted, moved = corrupt_by_hand(dataset[index], name, corruption, 3)
                assert np.array_equal(image.permute(1, 2, 0).numpy(), wanted)
                assert np.array_equal(mask.numpy(), moved)
                found += 1
    assert found == len(SIZES)


def test_clean_images_are_the_same_in_both_orders() -> None:
    before, after = sweep("corrupt_then_resize"), sweep("resize_then_corrupt")
    assert before.digests == after.digests
    assert np.array_equal(before.counts["classes"][:, 0], after.counts["classes"][:, 0])
    names = [one.name for one in make_suite("corrupt_then_resize").conditions]
    for place in range(1, len(names)):
        same = np.array_equal(before.counts["classes"][:, place], after.counts["classes"][:, place])
        assert not same, names[place]
    for batch, plain in zip(read_batches(make_data()), read_batches(make_data(), own=False), strict=True):
        assert torch.equal(batch["image"], plain["image"])
        assert torch.equal(batch["mask"], plain["mask"])


def test_an_image_that_has_the_size_is_the_same_in_both_orders() -> None:
    before, after = sweep("corrupt_then_resize"), sweep("resize_then_corrupt")
    (place,) = [at for at, size in enumerate(SIZES) if size == SIZE]
    assert np.array_equal(before.counts["classes"][place], after.counts["classes"][place])


def assert_same(one: Swept, other: Swept) -> None:
    for name, part in one.counts.items():
        assert np.array_equal(part, other.counts[name]), name
    assert np.array_equal(one.changed, other.changed)


@pytest.mark.parametrize("settings", [{"eval_batch_size": 1}, {"eval_batch_size": 3}, {"num_workers": 2}], ids=str)
@pytest.mark.parametrize("aspect", [None, "pad", "crop"])
def test_batches_change_nothing(settings: dict[str, Any], aspect: str | None) -> None:
    assert_same(sweep(aspect=aspect), sweep(aspect=aspect, **settings))


def test_how_many_are_corrupted_at_once_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = sweep(eval_batch_size=7)
    groups: list[int] = []
    group = own_size._group_by_size

    def watch(images: Sequence[Tensor]) -> list[list[int]]:
        found = [*group(images)]
        groups.extend(map(len, found))
        return found

    monkeypatch.setattr(own_size, "_group_by_size", watch)
    assert_same(wanted, sweep(eval_batch_size=7))
    assert max(groups) == 3  # images of one size meet the corruption together
    groups.clear()
    monkeypatch.setattr(own_size, "LARGEST", 100)
    assert_same(wanted, sweep(eval_batch_size=7))
    assert set(groups) == {1}


def test_what_is_left_is_the_very_tensor() -> None:
    """An image that is not changed is not predicted again."""
    data = make_data()
    (batch,) = read_batches(data)
    images, masks = apply_at_own_size(Clean(), batch, 0, data.batch_resize)
    assert images is batch["image"]
    assert masks is batch["mask"]
    shown = Shifted("light", "day", frozenset([batch["id"][0]]))
    images, masks = apply_at_own_size(shown, batch, 0, data.batch_resize)
    assert images is batch["image"]
    assert torch.equal(masks, shown(batch["image"], batch["mask"], batch["id"], 0)[1])


def test_an_attack_meets_the_resized_images(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = set()
    perturb = GradientSign.perturb

    def watch(self: Any, network: Any, images: Tensor, *further: Any) -> Tensor:
        shapes.add(tuple(images.shape[1:]))
        return perturb(self, network, images, *further)

    monkeypatch.setattr(GradientSign, "perturb", watch)
    suite = make_suite("corrupt_then_resize", network_conditions=[GradientSign(levels=0)])
    module = SegmentationModule(partial(Linear), 3)
    found = sweep_temporarily(module, make_data(), suite, "cpu", "32-true").counts["classes"]
    assert shapes == {(3, *SIZE)}
    assert np.array_equal(found[:, 0], found[:, -1])  # of no strength, it leaves the clean image


def test_what_learns_meets_the_same_images_in_passes_of_its_own() -> None:
    """Without a step it predicts, on clean images and under each corruption, what the network does."""
    suite = make_suite("corrupt_then_resize", network_conditions=[Learning(rate=0)])
    data = make_data(eval_batch_size=4)
    found = sweep_temporarily(SegmentationModule(partial(Linear), 3), data, suite, "cpu", "32-true").counts["classes"]
    names = [(one.name, one.severity) for one in suite.conditions]
    learning = [at for at, (name, _) in enumerate(names) if name.startswith("learning")]
    assert len(learning) == 4
    for at in learning:
        name = names[at][0].removeprefix("learning_under_").replace("learning", "clean")
        plain = names.index((name, 0 if name == "clean" else names[at][1]))
        assert np.array_equal(found[:, at], found[:, plain])


@pytest.mark.parametrize("record", ["kvasir_seg/imagenet_c_middle", "camvid/imagenet_c"])
def test_the_earlier_order_has_the_manifest_of_committed_records(record: str) -> None:
    """The photographs of frost, and the versions of libraries, are those of the machine."""
    path = next(iter(sorted((ROOT / "experiments/results" / record).glob("*.json"))))
    stored = read_record(path)
    suite = find_suite(stored.suite.name)
    suite.order, suite.seed = "resize_then_corrupt", (stored.suite.model_extra or {})["seed"]
    size = (stored.suite.model_extra or {})["size"]
    manifest = suite.make_manifest(tuple(size))
    kept = {entry["corruption"]: entry for entry in stored.suite.conditions if "photos" in entry.get("parameters", {})}
    for entry in manifest["conditions"]:  # type: ignore[union-attr]
        if entry["corruption"] in kept:  # type: ignore[index, call-overload]
            entry["parameters"]["photos"] = kept[entry["corruption"]]["parameters"]["photos"]  # type: ignore
    manifest["libraries"] = (stored.suite.model_extra or {})["libraries"]
    assert json.dumps(manifest) == json.dumps(
        {key: stored.suite.model_dump()[key] for key in manifest}
    )  # in the order of its keys, too
    assert hash_manifest(manifest) == stored.suite_hash
    suite.order = "corrupt_then_resize"
    assert hash_manifest({**manifest, "order": suite.make_manifest(tuple(size))["order"]}) != stored.suite_hash


def test_without_a_resize_both_orders_have_one_manifest() -> None:
    suites = [make_suite(order) for order in ORDERS]
    for arguments in ((None,), (None, False), (SIZE, False)):
        one, other = (suite.make_manifest(*arguments) for suite in suites)
        assert one == other
        assert one["order"] == "resize, corrupt, normalise"
    assert [suite.make_manifest(SIZE)["order"] for suite in suites] == [*ORDERS.values()]


def test_images_of_the_evaluation_size_are_met_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are not carried, corrupted or resized a second time."""
    monkeypatch.setattr(ScenesDataModule, "sizes", [SIZE] * 5)
    assert all("own_image" not in batch for batch in read_batches(make_data(eval_batch_size=2)))
    assert_same(sweep("corrupt_then_resize"), sweep("resize_then_corrupt"))


def test_yamls_take_the_default(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    text = (ROOT / "experiments/configs/suite/smoke.yaml").read_text()
    path.write_text(text)
    assert Suite.from_yaml(path).order == "corrupt_then_resize"
    path.write_text(f"{text}\norder: resize_then_corrupt\n")
    assert Suite.from_yaml(path).order == "resize_then_corrupt"
    path.write_text(f"{text}\norder: never\n")
    with pytest.raises(Exception, match="order"):
        Suite.from_yaml(path)


def test_regions_are_resized_like_masks() -> None:
    data, condition = make_data(eval_batch_size=4), Corrupted(Localised(GaussianNoise(), 0.2), 3)
    for batch in read_batches(data):
        found = draw_region_at_own_size(condition, batch, SEED, data.batch_resize)
        assert found is not None
        for place, (image, name) in enumerate(zip(batch["own_image"], batch["id"], strict=True)):
            own = condition.draw_region(image[None], [name], SEED)
            assert own is not None
            wanted = cv2.resize(own[0].numpy().astype(np.uint8), SIZE[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
            assert np.array_equal(found[place].numpy(), wanted == 1)
        assert draw_region_at_own_size(Corrupted(GaussianNoise(), 3), batch, SEED, data.batch_resize) is None
    batch = read_batches(data, own=False)[0]
    found = draw_region_at_own_size(condition, batch, SEED, data.batch_resize)
    assert torch.equal(found, condition.draw_region(batch["image"], batch["id"], SEED))


def test_a_sweep_counts_inside_and_outside_of_each_region() -> None:
    suite = Suite("local", 1, [Localised(GaussianNoise()), GaussianNoise()], {"gaussian_noise": [5]}, seed=SEED)
    assert suite.counters == ["regions"]
    swept = sweep_temporarily(
        make_module(), make_data(), suite, "cpu", "32-true", counters=find_counters(suite.counters)
    )
    inside, outside, classes = (swept.counts[name].sum(0) for name in ("inside", "outside", "classes"))
    local = slice(1, 6)
    assert np.array_equal((inside + outside)[local], classes[local])
    assert np.allclose(inside[local, :, 2].sum(-1) / classes[local, :, 2].sum(-1), 0.25, atol=0.02)
    for place in (0, 6):  # clean, and noise everywhere
        assert np.array_equal(inside[place], outside[place])
        assert np.array_equal(inside[place], classes[place])
