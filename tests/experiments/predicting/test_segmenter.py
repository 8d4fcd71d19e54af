from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules.aspect import Aspect
from datamodules.reading.image_reading import COLOURS
from experiments.predicting.level_rules import LevelRules, make_reading
from experiments.predicting.picture_source import PictureSource
from experiments.predicting.segmenter import Segmenter
from experiments.predicting.source import Look
from user_error import UserError


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    for name in "ab":
        Image.fromarray(np.full((5, 7, 3), ord(name), np.uint8)).save(tmp_path / f"photos/{name}.png")
    return tmp_path / "photos"


def test_a_second_call_segments_the_same_images(photos: Path, predict: Callable) -> None:
    """Its own results lie among them, and are replaced when asked to."""
    assert predict([photos], photos, "--uncertainty").status == 0
    written = {path: path.stat().st_mtime_ns for path in photos.iterdir()}
    assert len(written) == 9
    refused = predict([photos], photos)
    assert refused.status == 2
    assert "a_mask.png' is there (and 3 more), from an earlier predict: pass --overwrite" in refused.err
    assert {path: path.stat().st_mtime_ns for path in photos.iterdir()} == written
    again = predict([photos], photos, "--overwrite")
    assert again.status == 0
    assert "left out: 6 files from an earlier predict" in again.out
    changed = {path.name for path in photos.iterdir() if path.stat().st_mtime_ns != written.get(path)}
    assert changed == {"a_mask.png", "a_overlay.png", "b_mask.png", "b_overlay.png", "predictions.csv"}


@pytest.mark.parametrize(
    ("described", "wanted"),
    [
        ({}, (COLOURS, None, None)),
        ({"window": [0, 9], "channels": ["r", "g", "b"]}, (("r", "g", "b"), (0.0, 9.0), None)),
        ({"window": [5, 6], "reading": {"channels": ["x"] * 3, "mode": "RGB"}}, (("x",) * 3, None, "RGB")),
    ],
)
def test_checkpoints_of_all_ages_are_read(described: dict, wanted: tuple) -> None:
    found = make_reading(described, 3)
    assert (found.channels, found.window, found.mode) == wanted


def write(network: torch.nn.Module, file: Path, place: Path, size: tuple[int, int] | None, aspect: Aspect) -> None:
    """Segment a picture by a network that is no checkpoint's."""
    segmenter = Segmenter(network, size, aspect, uncertainty=not isinstance(network, TooLarge))  # type: ignore[arg-type]
    look = Look(["ground", "thing"], np.zeros((2, 3), np.uint8))
    rules = LevelRules(make_reading({}, 3))
    assert [*PictureSource(file, place, place.name).write(segmenter, rules, look, [])] == [1]


class TooLarge(torch.nn.Module):
    device, network = torch.device("cpu"), torch.nn.Identity()

    def predict_logits(self, image: torch.Tensor) -> torch.Tensor:
        raise torch.OutOfMemoryError


def test_an_image_that_does_not_fit_is_named(photos: Path) -> None:
    with pytest.raises(UserError, match=r"a.png' \(5 x 7\) is too large for the memory: leave out --native-size"):
        write(TooLarge(), photos / "a.png", photos / "a", None, "squash")


def test_a_name_that_is_too_long_stops_no_other(photos: Path, predict: Callable, tmp_path: Path) -> None:
    (photos / "a.png").rename(photos / f"{'a' * 245}.png")
    (tmp_path / "out").mkdir()
    found = predict([photos], tmp_path / "out")
    assert found.status == 2
    assert "too long for their folder" in found.err
    assert "1 of 2 images could not be segmented" in found.err
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"b_mask.png", "b_overlay.png", "predictions.csv"}


def test_what_is_no_number_is_no_class(photos: Path) -> None:
    network = Bright()
    network.predict_logits = lambda image: torch.full((1, 2, *image.shape[2:]), torch.nan)  # type: ignore[method-assign]
    with pytest.raises(UserError, match=r"logits of the image .*a.png are not all finite numbers"):
        write(network, photos / "a.png", photos / "a", None, "squash")


class Bright(torch.nn.Module):
    """Says that the upper half of all levels is class 1, and keeps the sizes that it was shown."""

    device, num_classes = torch.device("cpu"), 2

    def __init__(self) -> None:
        super().__init__()
        self.network = torch.nn.Identity()
        self.sizes: list[tuple[int, ...]] = []

    def predict_logits(self, image: torch.Tensor) -> torch.Tensor:
        self.sizes.append(tuple(image.shape[2:]))
        level = image[:, :1].float() / 255 - 0.5
        return torch.cat([-level, level], 1)


@pytest.mark.parametrize(
    ("aspect", "size", "seen"),
    [
        ("pad", (30, 20), (16, 16)),
        ("pad", (9, 37), (16, 16)),
        ("crop", (30, 20), (24, 16)),
        ("crop", (10, 40), (16, 64)),
    ],
)
def test_what_was_padded_or_cut_is_undone(
    tmp_path: Path, aspect: Aspect, size: tuple[int, int], seen: tuple[int, int]
) -> None:
    """Of the image's own size, every pixel where it was."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    truth = (rows > size[0] / 3) & (columns < size[1] / 2)
    Image.fromarray(np.repeat(255 * truth[..., None], 3, 2).astype(np.uint8)).save(tmp_path / "a.png")
    network = Bright()
    write(network, tmp_path / "a.png", tmp_path / "a", (16, 16), aspect)
    assert set(network.sizes) == {seen}
    mask = np.array(Image.open(tmp_path / "a_mask.png"))
    assert mask.shape == size
    near = np.zeros(size, bool)  # an edge falls between pixels of the smaller image
    for axis in (0, 1):
        for step in (-2, -1, 1, 2):
            near |= np.roll(truth, step, axis) != truth
    np.testing.assert_array_equal(mask[~near], truth[~near])
    assert np.array(Image.open(tmp_path / "a_entropy.png")).shape == size
