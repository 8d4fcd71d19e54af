from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from command_line import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from experiments.measuring.photographs import load_photographs
from experiments.sweeping.suite import Suite
from experiments.sweeping.suites import find_suite
from experiments.upkeep.feature_stability import (
    CORRELATION,
    COSINE,
    DESCRIPTORS,
    REPEATABILITY,
    FeatureStability,
    Row,
    average_rows,
    correlation,
    cosine,
    extract_encoder_stages,
    read_network,
    read_pictures,
    repeatability,
)
from lightning_modules.networks.features.base import to_gray
from lightning_modules.networks.features.edges import Edges
from lightning_modules.networks.features.hog import Hog
from lightning_modules.networks.features.lbp import Lbp
from lightning_modules.networks.features.orb import Orb
from lightning_modules.networks.features.sift import Sift
from lightning_modules.networks.fusion.middle import MiddleFusionNetwork
from lightning_modules.networks.smp import SmpNetwork
from user_error import UserError

SMALL = "tu-mobilenetv3_small_050"
ALL = {"hog": Hog(), "sift": Sift(), "orb": Orb(), "edges": Edges(), "lbp": Lbp()}
POINTS = arrays(float, st.tuples(st.integers(1, 12), st.just(2)), elements=st.integers(0, 40).map(float))
MAPS = arrays(np.float32, (2, 4, 5), elements=st.floats(0, 1, width=16))


@pytest.fixture(scope="module")
def network() -> SmpNetwork:
    torch.manual_seed(0)
    return SmpNetwork(2, encoder=SMALL).eval()


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return load_photographs(1, 96)[0]


def compute_by_loop(clean: np.ndarray, found: np.ndarray, radius: float) -> float:
    again = 0
    for row, column in clean:
        again += any(np.hypot(row - r, column - c) <= radius for r, c in found[: len(clean)])
    return again / len(clean)


@given(clean=POINTS, found=POINTS, radius=st.floats(0.5, 20))
def test_repeatability_is_that_of_a_plain_loop(clean: np.ndarray, found: np.ndarray, radius: float) -> None:
    assert repeatability(clean, found, radius) == pytest.approx(compute_by_loop(clean, found, radius))
    assert repeatability(clean, clean, radius) == 1
    assert repeatability(clean, found, radius) <= repeatability(clean, found, radius + 1)


def test_repeatability_by_hand() -> None:
    clean = np.array([[0, 0], [10, 0], [20, 0], [30, 0]])
    found = np.array([[0, 3], [10, 3.01], [29, 2], [100, 100], [20, 0]])
    assert repeatability(clean, found) == 0.5  # the fifth is one too many
    assert repeatability(clean, np.empty((0, 2))) == 0
    assert np.isnan(repeatability(np.empty((0, 2)), found))


@given(first=MAPS, second=MAPS)
@settings(max_examples=50)
def test_correlation_is_that_of_numpy(first: np.ndarray, second: np.ndarray) -> None:
    a, b = ((maps.astype(float) - maps.astype(float).mean((1, 2), keepdims=True)).ravel() for maps in (first, second))
    value = correlation(first, second)
    assert -1 <= value <= 1
    assert value == correlation(second, first)
    if not np.array_equal(first, second) and min(a.std(), b.std()) > 1e-3:
        assert value == pytest.approx(np.corrcoef(a, b)[0, 1])
    assert correlation(first, first) == 1


def test_correlation_does_not_see_the_scale_and_the_offset_of_maps() -> None:
    maps = np.random.default_rng(0).random((3, 8, 8))
    assert correlation(maps, 3 * maps + np.arange(3)[:, None, None]) == pytest.approx(1)
    assert correlation(maps, -maps) == pytest.approx(-1)
    assert correlation(maps, np.ones((3, 8, 8))) == 0


def test_cosine_by_hand() -> None:
    first = np.array([1.0, 0.0])
    assert cosine(first, np.array([1.0, 1.0])) == pytest.approx(np.sqrt(0.5))
    assert cosine(first, -first) == -1
    assert cosine(first, np.zeros(2)) == 0
    assert cosine(np.zeros(2), np.zeros(2)) == 1


def test_an_image_is_as_stable_as_can_be_to_itself(network: SmpNetwork, image: np.ndarray) -> None:
    stability = FeatureStability(ALL, network)
    values = stability.compare(stability.make_reference(image), image.copy())
    perfect = {REPEATABILITY: 1, DESCRIPTORS: 0, CORRELATION: 1, COSINE: 1}
    assert values == {place: perfect[place[1]] for place in values}
    assert {name for name, measure in values if measure == CORRELATION} == set(ALL)
    assert {name for name, measure in values if measure in (REPEATABILITY, DESCRIPTORS)} == {"sift", "orb"}
    assert {name for name, measure in values if measure == COSINE} == {f"network, stage {n}" for n in range(1, 6)}


def test_a_shift_loses_keypoints_beyond_the_radius(image: np.ndarray) -> None:
    """Reflected borders apart, every keypoint moves by as much as the image."""
    large = cv2.copyMakeBorder(image, 32, 32, 32, 32, cv2.BORDER_REFLECT)
    moved = np.roll(large, 8, axis=1)
    near, far = (FeatureStability({"sift": Sift()}, radius=radius) for radius in (1.0, 9.0))
    lost = near.compare(near.make_reference(large), moved)
    found = far.compare(far.make_reference(large), moved)
    assert found["sift", REPEATABILITY] > 0.9
    assert lost["sift", REPEATABILITY] < 0.4
    assert found["sift", DESCRIPTORS] > 0.1


def test_only_the_strongest_keypoints_count(image: np.ndarray) -> None:
    stability = FeatureStability({"orb": Orb()}, keypoints=7)
    reference = stability.make_reference(image)
    strongest = stability.features["orb"].detect(to_gray(image))[:7]  # type: ignore[attr-defined]
    assert [one.pt for one in reference.keypoints["orb"]] == [one.pt for one in strongest]


def test_a_flat_image_has_nothing_to_repeat() -> None:
    flat, stability = np.full((64, 64, 3), 9, np.uint8), FeatureStability({"sift": Sift(), "orb": Orb(), "hog": Hog()})
    values = stability.compare(stability.make_reference(flat), load_photographs(1, 64)[0])
    assert np.isnan(
        [values[name, measure] for name in ("sift", "orb") for measure in (REPEATABILITY, DESCRIPTORS)]
    ).all()
    assert values["hog", CORRELATION] == 0


def test_every_condition_of_a_suite_is_measured(network: SmpNetwork) -> None:
    suite = find_suite("smoke")
    images = read_pictures(None, 2, (96, 96))
    rows = FeatureStability(ALL, network).measure(images, suite)
    conditions = {(row.corruption, row.severity) for row in rows}
    assert conditions == {(name, severity) for name in ("gaussian_noise", "jpeg_compression") for severity in (1, 5)}
    assert len(rows) == 4 * (5 + 2 * 2 + 5)
    value = {row[:4]: row.value for row in rows}
    for row in rows:
        light, strong = (value[*row[:3], severity] for severity in (1, 5))
        assert 0 <= row.value <= 1
        assert light < strong if row.measure == DESCRIPTORS else light > strong
    assert rows == FeatureStability(ALL, network).measure(images, suite)


def test_the_mean_is_over_images(image: np.ndarray) -> None:
    suite, stability = find_suite("smoke"), FeatureStability({"hog": Hog(), "sift": Sift()})
    images = {"a": image, "b": image[::-1].copy(), "flat": np.full((96, 96, 3), 50, np.uint8)}
    together = stability.measure(images, suite)
    alone = [stability.measure({name: one}, suite) for name, one in images.items()]
    for place, row in enumerate(together):
        values = [rows[place].value for rows in alone]
        assert np.isnan(values[2]) == (row.measure in (REPEATABILITY, DESCRIPTORS))
        assert row.value == pytest.approx(np.nanmean(values))


def test_the_pixels_are_those_of_a_sweep(image: np.ndarray) -> None:
    suite, stability = find_suite("smoke"), FeatureStability({"lbp": Lbp()})
    rows = stability.measure({"photo": image}, suite)
    images = torch.from_numpy(image.transpose(2, 0, 1).copy())[None]
    for row, condition in zip(rows, suite.conditions[1:], strict=True):
        masks = torch.zeros(1, 96, 96, dtype=torch.int64)
        corrupted = condition(torch.nn.Identity(), images, masks, ["photo"], suite.seed)[0]
        expected = stability.compare(stability.make_reference(image), corrupted[0].permute(1, 2, 0).numpy())
        assert row.value == expected["lbp", CORRELATION]


def test_means_group_and_leave_out_what_is_unknown() -> None:
    rows = [Row("sift", "m", "fog", 1, 0.2), Row("sift", "m", "fog", 2, 0.6), Row("orb", "m", "fog", 1, float("nan"))]
    assert average_rows(rows[:2], "feature") == {("sift",): pytest.approx(0.4)}
    assert average_rows(rows[1:], "corruption", "measure") == {("fog", "m"): 0.6}
    assert np.isnan(average_rows(rows, "feature")["orb",])


def test_stages_are_those_of_the_encoder(network: SmpNetwork, image: np.ndarray) -> None:
    stages = extract_encoder_stages(network, image)
    with torch.inference_mode():
        batch = torch.from_numpy(image.transpose(2, 0, 1).copy())[None]
        expected = network.encoder(network.pad(network.normalise(batch)))[1:]
    assert list(stages) == [f"stage {number}" for number in range(1, 6)]
    for found, maps in zip(stages.values(), expected, strict=True):
        np.testing.assert_array_equal(found, maps[0].numpy())
    assert not network.encoder._forward_hooks


def test_networks_without_one_encoder_are_named(network: SmpNetwork, image: np.ndarray) -> None:
    with pytest.raises(UserError, match="MiddleFusionNetwork has not one encoder"):
        extract_encoder_stages(MiddleFusionNetwork(2, encoder=SMALL), image)
    with pytest.raises(UserError, match="takes 3 channels, but the image has 1"):
        extract_encoder_stages(network, image[..., :1])


def test_a_suite_without_corruptions_is_named(image: np.ndarray) -> None:
    with pytest.raises(UserError, match="'bare' has no corruptions"):
        FeatureStability({"hog": Hog()}).measure({"photo": image}, Suite("bare", 1))


def test_pictures_of_a_folder(tmp_path: Path) -> None:
    levels = np.random.default_rng(0).integers(0, 256, (3, 48, 64, 3), dtype=np.uint8)
    for name, one in zip("cab", levels, strict=True):
        Image.fromarray(one).save(tmp_path / f"{name}.png")
    (tmp_path / "notes.txt").write_text("no image")
    found = read_pictures(tmp_path, 2, (48, 64))
    assert list(found) == ["a", "b"]
    np.testing.assert_array_equal(found["a"], levels[1])
    assert read_pictures(tmp_path, 1, (40, 32))["a"].shape == (40, 32, 3)


@pytest.mark.parametrize("folder", ["empty", "missing"])
def test_a_folder_without_images_is_named(folder: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"no images in|does not exist"):
        read_pictures(tmp_path / folder, 2, (48, 64))


def test_a_network_of_a_yaml_is_the_same_every_time(image: np.ndarray) -> None:
    path = ROOT / "experiments/configs/network/fpn.yaml"
    state = torch.random.get_rng_state()
    first: Any = read_network(path, 3, seed=1)
    assert torch.equal(torch.random.get_rng_state(), state)
    again, other = read_network(str(path), 3, seed=1), read_network(path, 3, seed=2)
    assert first.encoder_name == "mobilenet_v2"
    assert not first.training
    stages = [extract_encoder_stages(one, image)["stage 3"] for one in (first, again, other)]
    np.testing.assert_array_equal(stages[0], stages[1])
    assert not np.array_equal(stages[0], stages[2])


def test_a_network_of_a_checkpoint(tiny_run: Path) -> None:
    one: Any = read_network(tiny_run / "last.ckpt")
    weights = torch.load(tiny_run / "last.ckpt", weights_only=True)["state_dict"]
    assert not one.training
    for name, value in one.state_dict().items():
        assert torch.equal(value, weights[f"network.{name}"])


@pytest.mark.parametrize("name", ["missing.yaml", "loss/dice.yaml", "suite/core.yaml", "missing.ckpt"])
def test_a_file_that_is_no_network_is_named(name: str) -> None:
    with pytest.raises(UserError, match="pass "):
        read_network(ROOT / "experiments/configs" / name)
