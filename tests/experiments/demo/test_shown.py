"""What is shown, against the sweep: the same pixels, the same predictions, the same counts."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from golden_run import Thresholds
from PIL import Image
from sized_scenes import SEED, ScenesDataModule
from torch import Tensor

from datamodules.corruptions.digital import JpegCompression
from datamodules.corruptions.geometric import RotationMaskMoved
from datamodules.corruptions.modality import MissingChannels
from datamodules.corruptions.noise import GaussianNoise
from datamodules.corruptions.occlusion import BackgroundReplaced
from datamodules.dataset import OWN
from experiments.demo.shown import NONE, Viewer
from experiments.evaluation.order import ORDERS, Order
from experiments.evaluation.scores.overlap import mean_iou
from experiments.predicting.uncertainty_maps import compute_uncertainty_maps
from experiments.sweeping.condition_loop import ConditionLoop
from experiments.sweeping.suite import Suite
from lightning_modules.segmentation import SegmentationModule
from user_error import UserError


class Watched(Thresholds):
    """Keeps what it is shown."""

    def __init__(self, num_classes: int, in_channels: int = 3) -> None:
        super().__init__(num_classes, in_channels)
        self.shown: list[Tensor] = []

    def forward(self, image: Tensor) -> Tensor:
        self.shown.append(image)
        return super().forward(image)


def make_data(**settings: Any) -> ScenesDataModule:
    given = {"size": (48, 48), "num_workers": 0, "eval_batch_size": 4, **settings}
    return ScenesDataModule(["dark", "middle", "bright"], **given)


def make_suite(order: Order = "corrupt_then_resize") -> Suite:
    corruptions = [GaussianNoise(), JpegCompression(), RotationMaskMoved()]
    suite = Suite("shown", 1, corruptions, seed=SEED, order=order, missing=MissingChannels(fills=["noise"]))
    return suite.adapt_to_data(["red", "green", "blue"], {})


def make_module() -> SegmentationModule:
    return SegmentationModule(partial(Watched), 3).eval()


def make_viewer(order: Order = "corrupt_then_resize", **settings: Any) -> Viewer:
    return Viewer({"one": make_module(), "two": make_module()}, make_data(**settings), make_suite(order))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("settings", [{}, {"aspect": "pad"}, {"aspect": "crop"}], ids=str)
def test_pixels_masks_and_counts_are_those_of_the_sweep(order: Order, settings: dict[str, Any]) -> None:
    """Of every image under every condition, in whichever batch the sweep draws it."""
    viewer, module, suite, data = (
        make_viewer(order, **settings),
        make_module(),
        make_suite(order),
        make_data(**settings),
    )
    loop = ConditionLoop(module, suite, resize=data.batch_resize)
    conditions = [(one.name.replace("clean", NONE), one.severity or 1) for one in suite.conditions]
    met = 0
    for batch in data.make_evaluation_dataloader("test", own_size=suite.corrupts_files(data.resizes)):
        assert (f"{OWN}image" in batch) == (order == "corrupt_then_resize")
        module.network.shown.clear()
        counts = loop.count(data.on_after_batch_transfer(batch, 0)).counts["classes"].numpy()
        drawn = torch.stack(module.network.shown).permute(0, 1, 3, 4, 2).numpy()
        for position, (name, index) in enumerate(zip(batch["id"], batch["index"].tolist(), strict=True)):
            if not name:
                continue
            for place, (condition, severity) in enumerate(conditions):
                found = viewer.show(index, condition, severity)
                assert found.image_id == name
                assert np.array_equal(found.pixels, drawn[place, position])
                for one in found.networks:
                    assert np.array_equal(one.counts, counts[place, position])
                    assert np.array_equal(one.clean_counts, counts[0, position])
                    assert one.miou == mean_iou(counts[place, position])
                met += 1
    assert met == len(viewer.ids) * len(conditions)


def test_the_uncertainty_is_that_of_predict() -> None:
    viewer = make_viewer()
    found = viewer.show(3, "gaussian_noise", 4)
    module = make_module()
    image = torch.from_numpy(found.pixels.transpose(2, 0, 1).copy())[None]
    maps = compute_uncertainty_maps(module.network, module.predict_logits(image), image)
    shown = found.networks[1].uncertainty
    assert shown.keys() == maps.keys() == {"entropy"}
    assert np.array_equal(shown["entropy"], (255 * maps["entropy"][0]).round().byte().numpy())
    assert len(np.unique(shown["entropy"])) > 1


def test_an_uploaded_image_is_drawn_like_one_of_the_data_with_its_name(tmp_path: Path) -> None:
    """Its name decides the draw, as an id does in a sweep; there is no mask, and so no score."""
    viewer = make_viewer()
    sample = viewer.dataset[0]
    Image.fromarray(sample["image"]).save(tmp_path / f"{viewer.ids[0]}.png")
    for condition in ((NONE, 1), ("gaussian_noise", 5), ("jpeg_compression", 2)):
        picked, uploaded = viewer.show(0, *condition), viewer.show(tmp_path / f"{viewer.ids[0]}.png", *condition)
        assert uploaded.image_id == viewer.ids[0]
        assert np.array_equal(uploaded.pixels, picked.pixels)
        assert np.array_equal(uploaded.networks[0].mask, picked.networks[0].mask)
        assert (uploaded.truth, uploaded.truth_overlay) == (None, None)
        assert not uploaded.networks[0].counts.any()
        assert picked.truth is not None


def test_a_moved_mask_is_the_truth() -> None:
    viewer = make_viewer()
    clean, moved = viewer.show(0), viewer.show(0, "rotation_mask_moved", 5)
    assert clean.truth is not None
    assert moved.truth is not None
    assert not np.array_equal(clean.truth, moved.truth)
    assert np.array_equal(moved.networks[0].clean_counts, clean.networks[0].counts)


def test_what_can_be_chosen() -> None:
    viewer = make_viewer()
    conditions = viewer.list_conditions()
    assert next(iter(conditions)) == NONE
    assert conditions["gaussian_noise"] == (1, 2, 3, 4, 5)
    assert conditions["without_red_noise"] == ()
    swept = {one.name for one in viewer.suite.conditions} - {"clean"}
    assert set(conditions) == {NONE, *swept}


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ((99,), "no image 99"),
        ((-1,), "no image -1"),
        ((0, "fog", 3), "no 'fog' at severity 3"),
        ((0, "gaussian_noise", 6), "at severity 6"),
        ((0, "clean", 0), "no 'clean'"),
    ],
)
def test_what_is_not_there_is_refused(chosen: Any, words: str) -> None:
    with pytest.raises(UserError, match=words):
        make_viewer().show(*chosen)


def test_a_corruption_that_reads_the_mask_is_refused_for_an_upload(tmp_path: Path) -> None:
    suite = Suite("masked", 1, [BackgroundReplaced(), GaussianNoise()])
    viewer = Viewer({"one": make_module()}, make_data(), suite)
    Image.fromarray(viewer.dataset[0]["image"]).save(tmp_path / "x.png")
    viewer.show(0, "background_replaced", 2)
    viewer.show(tmp_path / "x.png", "gaussian_noise", 2)
    with pytest.raises(UserError, match="background_replaced is drawn by the mask"):
        viewer.show(tmp_path / "x.png", "background_replaced", 2)


def test_too_little_memory_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    viewer = make_viewer()

    def fail(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(viewer.dataset.__class__, "__getitem__", fail)
    with pytest.raises(UserError, match="too large for the memory"):
        viewer.show(0)
