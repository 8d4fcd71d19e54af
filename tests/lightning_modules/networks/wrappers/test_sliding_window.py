"""Windows of an image against mmsegmentation's inference, written down again, and by hand."""

from typing import Any

import pytest
import torch
from members import Linear, images, small
from published_protocols import slide
from torch import Tensor, nn

from lightning_modules.metrics.counters.base import Prediction
from lightning_modules.metrics.counters.members import Members
from lightning_modules.multiply_adds import count_multiply_adds
from lightning_modules.networks.base import SegmentationNetwork
from lightning_modules.networks.ensembles.combination import find_combination, watch_members
from lightning_modules.networks.ensembles.ensemble import Ensemble
from lightning_modules.networks.wrappers.sliding_window import SlidingWindow, list_corners, make_gaussian
from lightning_modules.networks.wrappers.temperature import TemperatureScaled
from user_error import UserError


class Rim(nn.Module):
    """Sees where the border of its input lies, as every network with padding does."""

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__()
        torch.manual_seed(num_classes)
        self.layer = nn.Conv2d(in_channels, num_classes, 7, padding=3)

    def forward(self, image: Tensor) -> Tensor:
        """Logits."""
        return self.layer(image.float() / 255)


class Fixed(Rim):
    """Takes images of one size alone."""

    def forward(self, image: Tensor) -> Tensor:
        """Logits of (32, 48)."""
        assert image.shape[-2:] == (32, 48)
        return super().forward(image)


@pytest.mark.parametrize("size", [(70, 91), (32, 48), (33, 48), (20, 100), (20, 30), (64, 96)])
@pytest.mark.parametrize("stride", [(24, 36), (32, 48), (9, 7)])
@torch.inference_mode()
def test_windows_are_those_of_mmsegmentation(size: tuple[int, int], stride: tuple[int, int]) -> None:
    """To the last digit for one image and one window at a time, and to rounding for many."""
    network = SlidingWindow(4, 3, Rim, window=(32, 48), stride=stride, at_once=1).eval()
    batch = images(3, size=size)
    wanted = torch.cat([slide(network.network, one[None], (32, 48), stride) for one in batch])
    assert torch.equal(network(batch), wanted)
    for at_once in (2, 7):
        network.at_once = at_once
        torch.testing.assert_close(network(batch), wanted, rtol=1e-5, atol=1e-5)


@torch.inference_mode()
def test_what_looks_at_single_pixels_sees_no_windows() -> None:
    image = images(size=(50, 61))
    for settings in ({"weights": "gaussian", "overlap": 0.3}, {"average": "probabilities"}, {"overlap": 0.0}):
        network = SlidingWindow(3, 3, Linear, window=(16, 24), **settings).eval()
        torch.testing.assert_close(network(image).softmax(1), network.network(image).softmax(1))


@torch.inference_mode()
def test_weights_of_overlaps_by_hand() -> None:
    """Two windows of four columns that share two; the second ends with the image."""
    image = images(1, size=(4, 6))
    for weights, average in (("uniform", "probabilities"), ("gaussian", "logits"), ("gaussian", "probabilities")):
        network = SlidingWindow(3, 3, Rim, (4, 4), (4, 2), weights=weights, average=average).eval()
        first, second = network.network(image[..., :4]), network.network(image[..., 2:])
        if average == "probabilities":
            first, second = first.softmax(1), second.softmax(1)
        weight = torch.ones(4, 4) if weights == "uniform" else make_gaussian((4, 4))
        shared = (first[..., 2:] * weight[:, 2:] + second[..., :2] * weight[:, :2]) / (weight[:, 2:] + weight[:, :2])
        wanted = torch.cat([first[..., :2], shared, second[..., 2:]], -1)
        wanted = wanted.softmax(1) if average == "logits" else wanted
        torch.testing.assert_close(network(image).softmax(1), wanted)


def test_gaussian_weights_are_those_of_nnu_net() -> None:
    from scipy.ndimage import gaussian_filter  # nnU-Net filters a single 1 in the middle

    peak = torch.zeros(33, 17)
    peak[16, 8] = 1
    filtered = gaussian_filter(peak.numpy(), [33 / 8, 17 / 8], mode="constant", truncate=8)
    torch.testing.assert_close(
        make_gaussian((33, 17)), torch.from_numpy(filtered / filtered.max()), rtol=1e-4, atol=1e-6
    )
    assert make_gaussian((1000, 2)).min() > 0


def test_the_grid_covers_an_image_and_stays_within() -> None:
    for size, window, stride in (
        ((1024, 2048), (1024, 1024), (768, 768)),
        ((7, 5), (3, 5), (2, 1)),
        ((9, 9), (2, 2), (2, 2)),
    ):
        seen = torch.zeros(size)
        for top, left in list_corners(size, window, stride):
            assert top + window[0] <= size[0]
            assert left + window[1] <= size[1]
            seen[top : top + window[0], left : left + window[1]] = 1
        assert seen.all()
    assert list_corners((1024, 2048), (1024, 1024), (768, 768)) == [(0, 0), (0, 768), (0, 1024)]


@torch.inference_mode()
def test_a_network_of_one_size_gets_windows_of_that_size() -> None:
    network = SlidingWindow(4, 3, Fixed, window=(32, 48), pad=True).eval()
    assert network(images(size=(20, 100))).shape == (2, 4, 20, 100)
    image = images(size=(20, 30))
    repeated = torch.cat([image, image[..., -1:, :].expand(-1, -1, 12, -1)], 2)
    repeated = torch.cat([repeated, repeated[..., -1:].expand(-1, -1, -1, 18)], 3)
    assert torch.equal(network(image), network.network(repeated)[..., :20, :30])


class Resized(SegmentationNetwork):
    """A network that resizes images to the one size of its graph."""

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__(num_classes, in_channels, stride=1)
        self.layer = nn.Conv2d(in_channels, num_classes, 1)

    def find_fixed_size(self, x: Tensor) -> tuple[int, int]:
        """As an ONNX graph has it."""
        return (32, 48)

    def compute_logits(self, x: Tensor) -> Tensor:
        """Logits."""
        return self.layer(x)


@torch.inference_mode()
def test_windows_that_a_network_of_one_size_would_resize_are_refused() -> None:
    fitting = SlidingWindow(4, 3, Resized, window=(32, 48), pad=True).eval()
    assert fitting(images(size=(20, 100))).shape == (2, 4, 20, 100)
    for settings, size in (({"window": (32, 32)}, (64, 64)), ({"window": (32, 48)}, (20, 100))):
        with pytest.raises(UserError, match="sees images of 32 x 48 alone"):
            SlidingWindow(4, 3, Resized, **settings).eval()(images(size=size))


@torch.inference_mode()
def test_members_are_seen_over_the_complete_image() -> None:
    """Each as if its windows were slid alone, and none of the last window."""
    ensemble = Ensemble(4, 3, [Rim, Linear], average="logits").eval()
    network = SlidingWindow(4, 3, lambda *_: ensemble, window=(16, 16), stride=(8, 8)).eval()
    image = images(size=(40, 33))
    alone = [SlidingWindow(4, 3, lambda *_, one=one: one, (16, 16), (8, 8)).eval()(image) for one in ensemble.members]
    scaled = TemperatureScaled(4, 3, lambda *_: network).eval()
    with watch_members(scaled) as members:
        logits = scaled(image)
    assert [one.shape for one in members] == [(2, 40, 33)] * 2
    for one, other in zip(members, alone, strict=True):
        assert (one == other.argmax(1)).float().mean() > 0.999
    torch.testing.assert_close(logits, torch.stack(alone).mean(0))
    assert find_combination(scaled) is network
    for one, other in zip(network.compute_member_logits(image), alone, strict=True):
        torch.testing.assert_close(one, other)
    seen = Prediction(logits, logits.argmax(1), torch.zeros(2, 40, 33).long(), 4, members)
    assert Members().count(seen)["pairwise_dice"].any()
    single = SlidingWindow(4, 3, Rim, window=(16, 16)).eval()
    assert find_combination(single) is None
    assert network.compute_uncertainty(image).entropy.shape == (2, 40, 33)


def test_training_sees_the_image_alone() -> None:
    network = SlidingWindow(4, 3, Rim, window=(16, 16)).train()
    image = images(size=(40, 33))
    assert torch.equal(network(image), network.network(image))
    (logits,) = network.compute_training_outputs(image)["segmentation"]
    assert torch.equal(logits, network.network(image))


def test_multiply_adds_are_those_of_all_windows() -> None:
    image = images(1, size=(96, 128))
    network = SlidingWindow(3, 3, small, window=(64, 64), stride=(32, 32), at_once=4).eval()
    one = count_multiply_adds(lambda: network.network(image[..., :64, :64]))
    assert count_multiply_adds(lambda: network(image)) == 6 * one


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"window": (0, 64)}, "at least 1 pixel"),
        ({"window": (64, -32)}, "at least 1 pixel"),
        ({"window": (64,)}, "a height and a width"),
        ({"stride": (65, 64)}, "leave gaps"),
        ({"stride": (0, 64)}, "at least 1 pixel"),
        ({"stride": (32, 32), "overlap": 0.5}, "give one"),
        ({"overlap": 1.0}, "below 1"),
        ({"overlap": -0.1}, "below 1"),
        ({"overlap": float("nan")}, "below 1"),
        ({"overlap": 0.0, "weights": "gaussian"}, "do not overlap"),
        ({"weights": "hann"}, "one of uniform, gaussian"),
        ({"average": "votes"}, "one of"),
        ({"at_once": 0}, "at least 1 window"),
        ({"window": (64, 100)}, "multiples of 32"),
    ],
)
def test_refusals(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        SlidingWindow(3, 3, small, **{"window": (64, 64), **settings})
