"""Corruptions by the depth of each pixel in a sweep: at the size of files and after the resize, and what is refused."""

from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from command_line import ROOT, read_refusal, run_command
from doc_blocks import find_blocks
from golden_run import Thresholds
from photographs import make_photographs, name_photographs
from PIL import Image
from sized_scenes import SEED, SIZES, Scenes, ScenesDataModule
from torch.utils.data import DataLoader

from datamodules.base import Split
from datamodules.corruptions import corrupt
from datamodules.dataset import Sample
from datamodules.datasets.synthetic import SyntheticDataModule, SyntheticScenes
from experiments.__main__ import main
from experiments.checkpoints.checkpoint import load_module
from experiments.evaluation.order import ORDERS, Order
from experiments.library import sweep as sweep_loader
from experiments.measuring import sweep_plan
from experiments.pictures.gallery import make_tiles, read_sample
from experiments.record_files.record_file import open_record
from experiments.sweeping.own_size import apply_at_own_size
from experiments.sweeping.suite import Suite
from experiments.sweeping.suites import find_suite
from experiments.sweeping.sweep import sweep_temporarily
from lightning_modules.segmentation import SegmentationModule
from user_error import UserError

SIZE = (48, 48)


class DeepScenes(Scenes):
    """Scenes on a floor under a sky without depth."""

    def __getitem__(self, index: int) -> Sample:
        sample = super().__getitem__(index)
        height, width = sample["mask"].shape
        depth = np.linspace(12, 1 + index, height, dtype=np.float32)[:, None].repeat(width, 1)
        depth[:5] = np.nan
        return Sample(**sample, depth=depth)


class DeepDataModule(ScenesDataModule):
    def make_dataset(self, split: Split) -> DeepScenes:
        return DeepScenes(self.sizes)


def make_data(kind: type[ScenesDataModule] = DeepDataModule, **settings: Any) -> ScenesDataModule:
    settings = {"size": SIZE, "num_workers": 0, "eval_batch_size": 4, **settings}
    return kind(["dark", "middle", "bright"], **settings)


def make_suite(order: Order) -> Suite:
    suite = find_suite("common_3d")
    suite.seed, suite.order = SEED, order
    return suite


def resize(sample: Sample) -> Sample:
    nearest = {"dsize": SIZE[::-1], "interpolation": cv2.INTER_NEAREST_EXACT}
    return Sample(
        image=cv2.resize(sample["image"], SIZE[::-1], interpolation=cv2.INTER_AREA),
        mask=cv2.resize(sample["mask"], **nearest),
        depth=cv2.resize(sample["depth"], **nearest),
    )


def corrupt_by_hand(sample: Sample, name: str, image_id: str, severity: int, order: Order) -> np.ndarray:
    if order == "resize_then_corrupt":
        sample = resize(sample)
    drawn = corrupt(sample["image"], name, severity, seed=SEED, image_id=image_id, depth=sample["depth"])
    return drawn if order == "resize_then_corrupt" else cv2.resize(drawn, SIZE[::-1], interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize("order", ORDERS)
def test_pixels_are_those_of_the_corruption_alone(order: Order) -> None:
    data, suite, dataset, found = make_data(), make_suite(order), DeepScenes(), 0
    own_size = suite.corrupts_files(data.resizes)
    for loaded in data.make_evaluation_dataloader("test", own_size=own_size, needs=suite.needs):
        batch = data.on_after_batch_transfer(loaded, 0)
        assert ("own_depth" in batch) == own_size
        for condition in suite.corrupted_conditions[1::2]:
            images, _ = apply_at_own_size(condition, batch, SEED, data.batch_resize)
            for image, name, index in zip(images, batch["id"], batch["index"].tolist(), strict=True):
                if name:
                    wanted = corrupt_by_hand(dataset[index], condition.name, name, condition.severity, order)
                    assert np.array_equal(image.permute(1, 2, 0).numpy(), wanted)
                    found += 1
    assert found == 7 * len(SIZES)


@pytest.mark.parametrize("aspect", [None, "pad"])
@pytest.mark.parametrize("order", ORDERS)
def test_a_loader_has_the_counts_of_a_data_module(order: Order, aspect: Any) -> None:
    torch.set_num_threads(1)
    module, suite = SegmentationModule(partial(Thresholds), 3), make_suite(order)
    expected = sweep_temporarily(module, make_data(aspect=aspect), suite, "cpu", "32-true")
    loader = DataLoader(DeepScenes(), batch_size=4, collate_fn=collate_by_hand)
    options: dict[str, Any] = {} if aspect is None else {"aspect": aspect}
    found = sweep_loader(module, loader, suite, size=SIZE, seed=SEED, order=order, progress=False, **options)
    for name, counts in expected.counts.items():
        assert np.array_equal(found.images.counts[name], counts), name
    assert len(np.unique(expected.counts["classes"][:, :, 0], axis=1)) > 1


def collate_by_hand(samples: list[Sample]) -> dict[str, Any]:
    return {
        "image": [torch.from_numpy(one["image"].transpose(2, 0, 1).copy()) for one in samples],
        "mask": [torch.from_numpy(one["mask"]) for one in samples],
        "depth": [torch.from_numpy(one["depth"]) for one in samples],
        "id": [f"scene {next(at for at in range(7) if same(one, DeepScenes()[at]))}" for one in samples],
    }


def same(one: Sample, other: Sample) -> bool:
    return np.array_equal(one["image"], other["image"])


def test_data_without_depth_are_refused_before_and_in_a_sweep() -> None:
    data, suite = make_data(ScenesDataModule), make_suite("corrupt_then_resize")
    with pytest.raises(
        UserError, match=r"the suite 'common_3d' needs the depth of each pixel, which the data do not have"
    ):
        suite.require_targets(Scenes()[0])
    for own_size in (True, False):
        with pytest.raises(UserError, match="'scene 0' has no target 'depth': let the data hand it over"):
            next(iter(data.make_evaluation_dataloader("test", own_size=own_size, needs=suite.needs)))
    module = SegmentationModule(partial(Thresholds), 3)
    images, masks = torch.zeros(2, 3, 40, 40, dtype=torch.uint8), torch.zeros(2, 40, 40).long()
    for batch, sentence in (
        ((images, masks), r"by the depth of each pixel: let the loader give batches"),
        (
            {"image": images, "mask": masks, "depth": masks},
            "a depth that is not one floating-point number for each pixel",
        ),
        (
            {"image": images, "mask": masks, "depth": torch.ones(2, 9, 9)},
            "a depth that is not one floating-point number",
        ),
    ):
        with pytest.raises(UserError, match=sentence):
            sweep_loader(module, [batch], suite, progress=False)


def test_suites_without_such_corruptions_take_nothing_further() -> None:
    assert find_suite("imagenet_c").needs == []
    assert find_suite("common_3d").needs == ["depth"]
    batch = next(iter(make_data().make_evaluation_dataloader("test", own_size=True)))
    assert "own_depth" not in batch


def test_the_command_line_sweeps_scenes_with_depth(tiny_run: Path, tmp_path: Path) -> None:
    """The record of `benchmark` has the counts of the corruptions alone under the same network; `verify` sweeps it again."""
    output = tmp_path / "deep.json"
    words = (f"--checkpoint={tiny_run / 'best.ckpt'}", "--data.init_args.test=5")
    run_command("benchmark", *words, "--suite=common_3d", f"--output={output}", OMP_NUM_THREADS="1")
    record, images = open_record(output)
    assert images is not None
    assert [cell.corruption for cell in record.cells[1::5]] == ["fog_3d", "near_focus", "far_focus"]
    assert len(record.cells) == 16
    data = SyntheticDataModule(size=(64, 64), test=5, eval_batch_size=4, num_workers=0)
    scenes = data.make_dataset("test")
    assert isinstance(scenes, SyntheticScenes)
    samples = [scenes[place] for place in range(5)]
    for cell in record.cells[1::4]:
        drawn = [
            corrupt(one["image"], cell.corruption, cell.severity, image_id=name, depth=one["depth"])
            for name, one in zip(scenes.ids, samples, strict=True)
        ]
        assert predict_confusion(tiny_run, drawn, [one["mask"] for one in samples]) == cell.counts["confusion"]
    verified = run_command("verify", output, *words, "--conditions=4", OMP_NUM_THREADS="1").stdout
    assert "holds" in verified


def predict_confusion(run: Path, drawn: list[np.ndarray], masks: list[np.ndarray]) -> list[list[int]]:
    network = load_module(run / "best.ckpt").network.eval()
    padded = [*drawn, drawn[4], drawn[4], drawn[4]]  # batches of four, whose size decides the last digits
    batches = torch.from_numpy(np.stack(padded).transpose(0, 3, 1, 2).copy()).split(4)
    with torch.inference_mode():
        found = torch.cat([network(batch).argmax(1) for batch in batches])[:5].numpy()
    truth = np.stack(masks)
    classes = 5
    return np.bincount((truth * classes + found).ravel(), minlength=classes**2).reshape(classes, classes).tolist()


def test_the_command_line_refuses_data_without_depth(tiny_run: Path, tmp_path: Path) -> None:
    folder = make_photographs(tmp_path / "photographs")
    words = [f"--checkpoint={tiny_run / 'best.ckpt'}", "--suite=common_3d", f"--output={tmp_path / 'no.json'}"]
    refusal = read_refusal("benchmark", *words, *name_photographs(folder))
    assert "the suite 'common_3d' needs the depth of each pixel, which the data do not have" in refusal
    assert not (tmp_path / "no.json").exists()


@pytest.mark.parametrize("order", ORDERS)
def test_a_plan_needs_no_data(
    tiny_run: Path, order: Order, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_plan, "_measure_start", lambda: 5.0)
    words = ["--images=4", "--size", "64", "64", "--file-size", "72", "80", "--rounds=1", "--batch-size=2"]
    main(["plan", f"--checkpoint={tiny_run / 'best.ckpt'}", "--suite=common_3d", f"--order={order}", *words])
    assert "under the 16 conditions of common_3d: 64 forward passes" in capsys.readouterr().out


def test_a_gallery_draws_by_depth_what_it_is_given(tmp_path: Path) -> None:
    sample = SyntheticScenes("val", 1, (72, 96), 4, 0.5, 0)[0]
    Image.fromarray(sample["image"]).save(tmp_path / "room.png")
    np.save(tmp_path / "room.npy", sample["depth"])
    read = read_sample(tmp_path / "room.png", depth=tmp_path / "room.npy")
    for order in ORDERS:
        suite = make_suite(order)
        for tile in make_tiles(read, suite, "room", SIZE)[::7]:
            assert tile.image is not None
            assert np.array_equal(tile.image, corrupt_by_hand(sample, tile.name, "room", tile.severity, order))
        lacking = make_tiles(Sample(image=sample["image"]), suite, "room", SIZE)
        assert {(tile.image, tile.lacking) for tile in lacking} == {(None, "depth")}


@pytest.mark.parametrize(
    ("depth", "sentence"),
    [
        (np.ones((9, 9)), r"holds float64 of shape \(9, 9\) for an image of 40 x 48: give floats in metres"),
        (np.ones((40, 48), int), r"holds int64 of shape \(40, 48\)"),
        (None, "is no array of depths .*: write a .npy file of floats, one a pixel"),
    ],
)
def test_files_of_other_depths_are_refused(tmp_path: Path, depth: np.ndarray | None, sentence: str) -> None:
    Image.new("RGB", (48, 40)).save(tmp_path / "room.png")
    path = tmp_path / "room.npy"
    path.write_text("metres") if depth is None else np.save(path, depth)
    with pytest.raises(UserError, match=sentence):
        read_sample(tmp_path / "room.png", depth=path)


def test_a_folder_gets_depth_as_the_page_shows(tiny_run: Path, tmp_path: Path) -> None:
    (block,) = [one for one in find_blocks(ROOT / "docs/own_data.md", "python") if "RoomsDataModule" in one]
    (tmp_path / "mypackage.py").write_text(block)
    folder, output = make_photographs(tmp_path / "photographs"), tmp_path / "rooms.json"
    (folder / "depth").mkdir()
    for path in (folder / "test/images").iterdir():
        width, height = Image.open(path).size
        np.save(folder / f"depth/{path.stem}.npy", np.linspace(6, 1, height)[:, None].repeat(width, 1))
    (tmp_path / "suite.yaml").write_text(
        "name: rooms\nversion: 1\ncorruptions: [{class_path: datamodules.corruptions.depth.Fog3D}]\n"
    )
    words = ["--data=mypackage.RoomsDataModule", *name_photographs(folder)[1:], f"--suite={tmp_path / 'suite.yaml'}"]
    network = f"--checkpoint={tiny_run / 'best.ckpt'}"
    run_command("benchmark", network, *words, f"--output={output}", fresh=True, PYTHONPATH=tmp_path)
    record, _ = open_record(output)
    assert len({str(cell.counts["confusion"]) for cell in record.cells}) == 6
    assert (record.suite.model_extra or {})["order"] == "corrupt, resize, normalise"
