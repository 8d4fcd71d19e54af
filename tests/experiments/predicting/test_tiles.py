"""Large images in tiles, held against the whole."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from experiments.predicting import tiles
from experiments.predicting.segmenter import Segmenter
from experiments.predicting.tiles import require_tiles
from lightning_modules.networks.fcn import FcnNetwork
from lightning_modules.networks.wrappers.sliding_window import SlidingWindow
from lightning_modules.segmentation import SegmentationModule
from user_error import UserError


def make_network(classes: int, channels: int) -> FcnNetwork:
    return FcnNetwork(classes, channels, encoder="tu-mobilenetv3_small_050", hidden=4, skips=0)


def make_module(network: Callable[[int, int], torch.nn.Module]) -> SegmentationModule:
    torch.manual_seed(0)
    module = SegmentationModule(network, 3).eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(1.5)  # of a network that has learned nothing all classes are alike
    return module


IMAGE = np.random.default_rng(0).integers(0, 256, (150, 203, 3), dtype=np.uint8)


def test_a_tile_that_holds_the_image_changes_nothing() -> None:
    module = make_module(make_network)
    whole, tiled = (Segmenter(module, None, "squash", True, tile).predict(IMAGE, "a") for tile in (None, (192, 224)))
    np.testing.assert_array_equal(whole.mask, tiled.mask)
    np.testing.assert_array_equal(whole.tally.confidence, tiled.tally.confidence)
    np.testing.assert_array_equal(whole.maps["entropy"], tiled.maps["entropy"])


@pytest.mark.parametrize("average", ["logits", "probabilities"])
@pytest.mark.parametrize("weights", ["uniform", "gaussian"])
def test_a_network_keeps_its_own_windows(monkeypatch: pytest.MonkeyPatch, average: str, weights: str) -> None:
    """Tile by tile as at once, maps of uncertainty included."""
    options = {"window": (64, 96), "stride": (32, 64), "weights": weights, "average": average}
    module = make_module(lambda classes, channels: SlidingWindow(classes, channels, make_network, **options))
    segmenter = Segmenter(module, None, "squash", False)
    whole = segmenter.predict(IMAGE, "a")
    monkeypatch.setattr(tiles, "LARGE", 1000)
    tiled = segmenter.predict(IMAGE, "a")
    assert (whole.mask != tiled.mask).mean() < 1e-3  # ties, since sums are in another order
    np.testing.assert_allclose(whole.tally.confidence, tiled.tally.confidence, rtol=1e-3)


def test_large_images_are_cut_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    module, seen = make_module(make_network), []
    module.network.register_forward_hook(lambda network, inputs, outputs: seen.append(tuple(inputs[0].shape[2:])))
    monkeypatch.setattr(tiles, "TILE", (64, 64))
    Segmenter(module, None, "squash", False).predict(IMAGE, "a")
    assert seen == [(150, 203)]
    monkeypatch.setattr(tiles, "LARGE", 150 * 203 - 1)
    seen.clear()
    found = Segmenter(module, None, "squash", True).predict(IMAGE, "a", torch.float32)
    assert set(seen) <= {(64, 64), (64, 43), (54, 64), (54, 43)}
    assert len(seen) > 9
    assert int(found.tally.pixels.sum()) == found.mask.size
    assert found.maps["entropy"].min() >= 0
    assert found.maps["entropy"].max() <= 1
    seen.clear()
    Segmenter(module, (32, 32), "squash", False).predict(IMAGE, "a")
    assert seen == [(32, 32)]  # what is resized needs no tiles


@pytest.mark.parametrize(
    ("size", "tile", "overlap", "says"),
    [
        ((32, 32), (64, 64), None, "pass --native-size, too"),
        (None, (8, 64), None, "at least 32 pixels"),
        (None, (64, 64), 0.9, "from 0 to 0.75"),
    ],
)
def test_refusals(size: tuple, tile: tuple, overlap: float | None, says: str) -> None:
    with pytest.raises(UserError, match=says):
        require_tiles(make_module(make_network), size, tile, overlap)


def test_windows_of_its_own_take_no_others() -> None:
    module = make_module(lambda classes, channels: SlidingWindow(classes, channels, make_network, window=(64, 64)))
    with pytest.raises(UserError, match="has windows of its own"):
        require_tiles(module, None, (64, 64), None)


def test_by_the_command_line(predict_levels: Callable, tmp_path: Path) -> None:
    """A network that looks at single pixels sees no seam at all."""
    Image.fromarray(IMAGE).save(tmp_path / "a.png")
    found = predict_levels(
        [tmp_path / "a.png"], tmp_path / "out", "--tile", "64", "64", "--overlap", "0.5", "--uncertainty"
    )
    assert found.status == 0, found.err
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / "out/a_mask.png")), IMAGE[..., 0] > 127)
    assert Image.open(tmp_path / "out/a_entropy.png").size == (203, 150)
