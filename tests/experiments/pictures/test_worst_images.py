import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from datamodules.base import SegmentationDataModule, Split
from datamodules.corruptions.geometric import RotationMaskMoved
from datamodules.corruptions.noise import GaussianNoise
from datamodules.dataset import Sample, SegmentationDataset
from datamodules.datasets.synthetic import SyntheticDataModule
from experiments.commands.evaluate import benchmark
from experiments.evaluation.images import Images
from experiments.files.digest import compute_sha256
from experiments.pictures.worst_images import GAP, draw, draw_worst, find_largest_drops
from experiments.record_files.record_file import open_record
from experiments.sweeping.suite import Suite
from experiments.sweeping.suites import find_suite

CONDITIONS = [("clean", 0), ("light=dusk", 0), ("noise", 1), ("noise", 5), ("blur", 3)]


def of_iou(hits: Sequence[Sequence[int]]) -> np.ndarray:
    """Counts of one class, 10 pixels in mask and prediction each, `hits` in common; the other class is nowhere."""
    hit = np.array(hits)
    return np.stack([np.stack([hit, np.full_like(hit, 10), np.full_like(hit, 10)], -1), np.zeros((*hit.shape, 3))], -2)


def chosen(hits: Sequence[Sequence[int]], number: int = 6) -> list[tuple[int, int]]:
    return [(fall.image, fall.condition) for fall in find_largest_drops(of_iou(hits), CONDITIONS, number)]


def test_every_image_and_every_corruption_once() -> None:
    """Image 0 falls hardest under everything; the shift falls further and does not count."""
    hits = [[10, 0, 1, 2, 3], [10, 0, 4, 3, 5], [10, 0, 9, 9, 9]]
    assert chosen(hits) == [(0, 2), (1, 4)]
    assert chosen(hits, 1) == [(0, 2)]
    assert chosen(hits, 0) == []


def test_rises_and_standstills_are_no_falls() -> None:
    assert chosen([[5, 0, 5, 6, 7], [5, 0, 5, 5, 5]]) == []
    assert chosen([[5, 0, 5, 6, 7], [5, 0, 5, 5, 4]]) == [(1, 4)]


def test_equal_falls_keep_their_order() -> None:
    assert chosen([[5, 5, 2, 2, 2]] * 4) == [(0, 2), (1, 4)]


def test_images_without_a_score_are_left_out() -> None:
    """One image has no counted pixel at all, another none under a condition that moved its mask away."""
    classes = of_iou([[10, 0, 1, 1, 1], [10, 0, 9, 9, 9], [10, 0, 9, 9, 8]])
    classes[0] = 0
    classes[1, 2:] = 0
    assert [(fall.image, fall.condition) for fall in find_largest_drops(classes, CONDITIONS)] == [(2, 4)]


def test_scores_are_means_over_the_classes_that_occur() -> None:
    """Clean: one class, 10 of 10. Noise: it keeps 5 of 10, and the 5 others are of a class that is not there."""
    classes = np.zeros((1, 2, 3, 3), int)
    classes[0, 0, 0], classes[0, 1, 0], classes[0, 1, 1] = (10, 10, 10), (5, 5, 10), (0, 5, 0)
    (fall,) = find_largest_drops(classes, [("clean", 0), ("noise", 1)])
    assert (fall.clean_miou, fall.miou) == (1.0, 0.25)


hit = st.integers(0, 10)


@given(st.lists(st.lists(hit, min_size=5, max_size=5), max_size=9), st.integers(0, 4))
def test_choice_is_greedy(hits: list[list[int]], number: int) -> None:
    """Against a search through all pairs that are left, in whole numbers: IoU grows with the hits of 20 - hits."""
    shares = [[hit / (20 - hit) for hit in row] for row in hits]
    wanted: list[tuple[int, int]] = []
    while len(wanted) < number:
        left = [
            (image, place)
            for image in range(len(hits))
            for place in (2, 3, 4)
            if all(image != one and CONDITIONS[place][0] != CONDITIONS[other][0] for one, other in wanted)
            and hits[image][0] > hits[image][place]
        ]
        if not left:
            break
        wanted.append(max(left, key=lambda pair: shares[pair[0]][0] - shares[pair[0]][pair[1]]))  # the first of equals
    classes = of_iou(hits) if hits else np.zeros((0, 5, 2, 3), int)
    assert [(fall.image, fall.condition) for fall in find_largest_drops(classes, CONDITIONS, number)] == wanted


def tiles(picture: np.ndarray) -> list[np.ndarray]:
    """The four tiles, of equal width, between white gaps."""
    width = (picture.shape[1] - 3 * GAP) // 4
    starts = [place * (width + GAP) for place in range(4)]
    for start in starts[1:]:
        assert (picture[:, start - GAP : start] == 255).all()
    return [picture[:, start : start + width] for start in starts]


def painted(image: np.ndarray, tile: np.ndarray, palette: Sequence[Sequence[int]]) -> np.ndarray:
    """Class of each pixel of an overlay, 255 where it is uncoloured: whose colour, half and half, gives the tile."""
    found = np.full(tile.shape[:2], 254)
    found[(tile == image).all(-1)] = 255
    for number, colour in enumerate(palette):
        found[(tile == np.rint(image / 2 + np.array(colour) / 2)).all(-1)] = number
    assert (found != 254).all()
    return found


def test_pictures_show_what_the_sweep_met(tiny_record: Path) -> None:
    """Pixel for pixel: image, corruption and truth anew, and the prediction as it was counted."""
    record, images = open_record(tiny_record)
    assert images is not None
    settings = {key: value for key, value in record.recipe["data"]["init_args"].items() if key != "augmentation"}
    data = SyntheticDataModule(**settings)
    dataset, suite = data.make_dataset("test"), find_suite("smoke")
    falls = find_largest_drops(images.counts["classes"], record.conditions)
    assert len(record.pictures) == len(falls) > 0
    for picture, fall in zip(record.pictures, falls, strict=True):
        file = tiny_record.parent / picture.file
        assert picture.sha256 == compute_sha256(file)
        assert (picture.id, picture.clean_miou, picture.miou) == (dataset.ids[fall.image], *fall[2:])
        assert (picture.corruption, picture.severity) == record.conditions[fall.condition]
        sample = dataset[fall.image]
        batch = torch.from_numpy(sample["image"].transpose(2, 0, 1).copy())[None]
        met, _ = suite.conditions[fall.condition](MODULE.network, batch, torch.zeros(1, 64, 64).long(), [picture.id], 0)
        clean, corrupted, truth, predicted = tiles(np.array(Image.open(file)))
        np.testing.assert_array_equal(clean, sample["image"])
        np.testing.assert_array_equal(corrupted, met[0].permute(1, 2, 0).numpy())
        assert data.palette is not None
        np.testing.assert_array_equal(painted(corrupted, truth, data.palette), sample["mask"])
        guess = painted(corrupted, predicted, data.palette)
        hit, guessed, true = images.counts["classes"][fall.image, fall.condition].T
        np.testing.assert_array_equal(np.bincount(guess.ravel(), minlength=5), guessed)
        np.testing.assert_array_equal(np.bincount(guess[guess == sample["mask"]], minlength=5), hit)
        np.testing.assert_array_equal(np.bincount(sample["mask"].ravel(), minlength=5), true)


class OneScan(SegmentationDataset):
    """A grey image whose left half is of class 1, with a margin that is ignored."""

    ids = ("scan",)

    def __getitem__(self, index: int) -> Sample:
        mask = np.zeros((40, 48), np.uint8)
        mask[:, :24], mask[:4] = 1, 255
        return Sample(image=np.random.default_rng(0).integers(0, 256, (40, 48, 1), np.uint8), mask=mask)


class Scans(SegmentationDataModule):
    def make_dataset(self, split: Split) -> OneScan:
        return OneScan()


def scans() -> Scans:
    return Scans(["rest", "organ"], ["grey"], palette=[[0, 0, 250], [250, 0, 0]], eval_batch_size=3)


SUITE = Suite("test", 1, [RotationMaskMoved(), GaussianNoise()])


def everything_is_organ(images: Tensor) -> Tensor:
    assert images.dtype == torch.uint8
    assert len(images) == 3  # as in the sweep
    return torch.stack([torch.zeros(images[:, 0].shape), torch.ones(images[:, 0].shape)], 1)


MODULE = SimpleNamespace(device=torch.device("cpu"), predict_logits=everything_is_organ, network=None)


def test_moved_masks_ignored_pixels_and_grey_images() -> None:
    data = scans()
    sample = OneScan()[0]
    place = next(k for k, one in enumerate(SUITE.conditions) if (one.name, one.severity) == ("rotation_mask_moved", 5))
    image = torch.from_numpy(sample["image"].transpose(2, 0, 1).copy())[None]
    met, moved = SUITE.conditions[place](
        MODULE.network, image, torch.from_numpy(sample["mask"]).long()[None], ["scan"], 0
    )
    assert not torch.equal(moved[0], torch.from_numpy(sample["mask"]).long())
    clean, corrupted, truth, predicted = tiles(draw(MODULE, data, SUITE, 0, place))
    np.testing.assert_array_equal(clean, sample["image"].repeat(3, -1))
    np.testing.assert_array_equal(corrupted, met[0].permute(1, 2, 0).numpy().repeat(3, -1))
    np.testing.assert_array_equal(painted(corrupted, truth, data.palette), moved[0])
    assert (painted(corrupted, predicted, data.palette) == 1).all()


def test_pictures_of_an_earlier_sweep_go(tmp_path: Path) -> None:
    """Those of this record alone: its name may hold what a pattern would read as one."""
    data, record = scans(), tmp_path / "a[1].json"
    conditions = len(SUITE.conditions)
    classes = of_iou([[10] + [5] * (conditions - 1)])
    kept = ["a1.worst-1.png", "a[1].worst-x.png", "b.worst-1.png", "a[1].worst-1.png.txt"]
    for name in [*kept, *(f"a[1].worst-{number}.png" for number in range(1, 4))]:
        (tmp_path / name).write_text("old")
    pictures = draw_worst(MODULE, data, SUITE, Images(["scan"], {"classes": classes}), record)
    assert [picture.file for picture in pictures] == ["a[1].worst-1.png"]
    assert {path.name for path in tmp_path.iterdir()} == {*kept, "a[1].worst-1.png"}
    assert (tmp_path / "a[1].worst-1.png").read_bytes()[:4] == b"\x89PNG"
    assert draw_worst(MODULE, data, SUITE, Images(["scan"], {"classes": classes}), record, 0) == []
    assert {path.name for path in tmp_path.iterdir()} == set(kept)


@pytest.mark.parametrize("number", [0, 1])
def test_option(tiny_run: Path, tmp_path: Path, number: int) -> None:
    """As many as were asked for, and a record that can be read without them."""
    path = tmp_path / "record.json"
    benchmark.main(
        [f"--checkpoint={tiny_run / 'best.ckpt'}", "--suite=smoke", f"--output={path}", f"--pictures={number}"]
    )
    files = sorted(tmp_path.glob("*.png"))
    assert [picture["file"] for picture in json.loads(path.read_text())["pictures"]] == [file.name for file in files]
    assert len(files) == number
    for file in files:
        file.unlink()
    assert len(open_record(path)[0].pictures) == number
