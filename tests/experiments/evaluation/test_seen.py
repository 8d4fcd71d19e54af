"""What a training has met of the corruptions that it is swept over."""

from typing import Any

import albumentations
import numpy as np
import pytest
import yaml
from command_line import ROOT
from family_classes import list_family_classes

from datamodules import corruptions
from datamodules.corruptions.base import Corruption
from experiments.evaluation import seen
from experiments.evaluation.seen import compute_part_means, find_met_by_one, find_seen, split_by_seen
from experiments.sweeping.suites import find_suite

CONFIGS = ROOT / "experiments" / "configs"
PLAIN = {"class_path": "datamodules.transforms.FlipScaleCrop", "init_args": {"brightness": 0.0, "scale": [1.0, 1.0]}}


def make_recipe(augmentation: Any, **model: Any) -> dict[str, Any]:
    return {"data": {"init_args": {"augmentation": augmentation}}, "model": {"init_args": model}}


def test_every_transform_and_every_corruption_of_the_table_exists() -> None:
    paths = (CONFIGS / "batch_transform").glob("*.yaml")
    transforms = {yaml.safe_load(path.read_text())["class_path"].rpartition(".")[2] for path in paths}
    assert all(hasattr(albumentations, name) or name in transforms for name in seen.EQUIVALENTS)
    suites = ("imagenet_c", "imagenet_c_extra", "imagenet_c_procedural_frost", "lighting", "occlusion", "geometric")
    further = ("imagenet_c_bar", "endoscopy", "microscopy", "mri", "radiology")
    known = {one.name for suite in (*suites, *further) for one in find_suite(suite).corruptions} | {"missing_channels"}
    named = frozenset().union(*seen.EQUIVALENTS.values(), *seen.RELATIVES)
    assert named <= known | {"quantum_noise"}


@pytest.mark.parametrize(
    ("further", "met"),
    [
        ([{"GaussNoise": {"p": 0.3}}], seen.NOISE),
        ([{"GaussianBlur": {}}, {"ImageCompression": {"quality_range": [20, 90]}}], seen.BLUR | {"jpeg_compression"}),
        ([{"HorizontalFlip": {}}, {"GaussNoise": {"p": 0}}], frozenset()),
        ([{"OneOf": {"transforms": [{"RandomFog": {}}]}}], {"fog", "smoke"}),
        (None, frozenset()),
    ],
)
def test_transforms_of_albumentations_are_met(further: Any, met: frozenset[str]) -> None:
    recipe = make_recipe({**PLAIN, "init_args": {**PLAIN["init_args"], "further": further}})  # type: ignore[dict-item]
    assert find_seen(recipe) == met


def test_jitter_scale_and_classes_of_ours_are_met() -> None:
    assert find_seen(make_recipe({"class_path": "datamodules.transforms.FlipScaleCrop"})) == seen.LIGHT | seen.SCALE
    ours = {
        "class_path": "mine.Corrupted",
        "init_args": {"one": {"class_path": "datamodules.corruptions.noise.ShotNoise"}},
    }
    assert find_seen(make_recipe(ours)) == seen.NOISE
    assert find_seen(make_recipe(None, batch_transforms=[ours])) == seen.NOISE
    consistency = {
        "class_path": "mine.Consistency",
        "init_args": {"views": [ours], "inner": {"class_path": "mine.Plain"}},
    }
    assert find_seen(make_recipe(None, objective=consistency)) == seen.NOISE
    within = {"class_path": "mine.Outer", "init_args": {"views": [], "inner": consistency}}
    assert find_seen(make_recipe(None, objective=within)) == seen.NOISE
    assert find_seen(make_recipe(None, objective={"class_path": "mine.Plain"})) == frozenset()
    assert find_seen({}) == frozenset()
    trained_on = {"trained_on": make_recipe(ours)["data"], "data": make_recipe(None)["data"]}
    assert find_seen(trained_on) == seen.NOISE


@pytest.mark.parametrize(
    ("stem", "met"),
    [
        ("gaussian_noise", seen.NOISE),
        ("speckle_noise", seen.NOISE),
        ("patch_gaussian", seen.NOISE),
        ("cutout", seen.OCCLUSION),
        ("corrupted", seen.NOISE | seen.BLUR | {"jpeg_compression"}),
        ("mixup", frozenset()),
    ],
)
def test_batch_transforms_are_met(stem: str, met: frozenset[str]) -> None:
    """Unless their probability is 0."""
    component = yaml.safe_load((CONFIGS / "batch_transform" / f"{stem}.yaml").read_text())
    assert find_seen(make_recipe(None, batch_transforms=[component])) == met
    never = {**component, "init_args": {**component.get("init_args", {}), "probability": 0.0}}
    assert find_seen(make_recipe(None, batch_transforms=[never])) == frozenset()


def test_every_corruption_that_is_handed_over_is_met_by_its_name() -> None:
    """Of every file of ours, as its class spells it or as the table says; and as it is named where it is made."""
    classes = list_family_classes(corruptions, Corruption)
    named = [(f"{one.__module__}.{one.__qualname__}", one.name) for one in classes if hasattr(one, "name")]
    assert len(named) > 70
    for path, name in named:
        handed = {"class_path": "any.Corrupted", "init_args": {"corruptions": [{"class_path": path}]}}
        assert name in find_seen(make_recipe(None, batch_transforms=[handed])), path
    adapter = "datamodules.corruptions.albumentations_adapter.AlbumentationsCorruption"
    rain = {"class_path": adapter, "init_args": {"name": "my_rain", "transform": "RandomRain", "severities": [{}] * 5}}
    of_it = {"class_path": "any.Corrupted", "init_args": {"corruptions": [rain]}}
    assert find_seen(make_recipe(None, batch_transforms=[of_it])) == {"my_rain", "spatter"}


@pytest.mark.parametrize(
    ("kind", "met"), [("HardShadow", seen.SHADOW), ("UnevenIllumination", seen.LIGHT | seen.SHADOW)]
)
def test_one_of_several_kinds_has_relatives_in_each(kind: str, met: frozenset[str]) -> None:
    handed = {"class_path": "any.Corrupted", "init_args": {"one": {"class_path": f"{seen.CORRUPTIONS}lighting.{kind}"}}}
    assert find_seen(make_recipe(None, batch_transforms=[handed])) == met


def test_part_of_an_image_counts_as_the_whole() -> None:
    """Both ways: where the whole image was trained on, and where a part of it was."""
    conditions = [("localised_shot_noise", 1), ("shot_noise", 1), ("localised_fog", 2)]
    assert split_by_seen(conditions, seen.NOISE) == (["localised_shot_noise", "shot_noise"], ["localised_fog"])
    inner = {"class_path": f"{seen.CORRUPTIONS}noise.ShotNoise"}
    part = {"class_path": f"{seen.CORRUPTIONS}localised.Localised", "init_args": {"corruption": inner}}
    assert find_seen(make_recipe(None, batch_transforms=[part])) >= seen.NOISE


@pytest.mark.parametrize("name", ["adversarial.AdversarialTraining", "trades.Trades"])
def test_attacked_images_are_relatives_of_no_corruption(name: str) -> None:
    attack = {"class_path": "lightning_modules.attacks.pgd.Pgd", "init_args": {"start": "gaussian"}}
    objective = {"class_path": f"lightning_modules.objectives.{name}", "init_args": {"attack": attack}}
    assert find_seen(make_recipe(PLAIN, objective=objective)) == frozenset()


def test_changes_of_style_show_light_and_colour_and_mixed_maps_nothing() -> None:
    for name in ("random_convolution.RandomConvolution", "fourier_mixing.FourierMixing"):
        transform = {"class_path": f"lightning_modules.batch_transforms.{name}"}
        assert find_seen(make_recipe(None, batch_transforms=[transform])) == seen.LIGHT | seen.COLOUR
    network = yaml.safe_load((ROOT / "experiments/configs/network/unet_mix_style.yaml").read_text())
    assert find_seen(make_recipe(None, network=network)) == frozenset()


def test_parts_have_means_of_their_own() -> None:
    conditions = [("clean", 0), ("gaussian_noise", 1), ("gaussian_noise", 2), ("fog", 1), ("frost", 1)]
    scores = np.array([[0.9, 0.2, 0.4, 0.6, 0.8]])
    assert split_by_seen(conditions, seen.NOISE) == (["gaussian_noise"], ["fog", "frost"])
    found = compute_part_means(scores, conditions, seen.NOISE)
    assert found == {"seen": pytest.approx([0.3]), "unseen": pytest.approx([0.7])}
    assert compute_part_means(scores, conditions, frozenset()) == {}


def test_what_one_training_alone_has_met() -> None:
    plain = make_recipe(PLAIN)
    noisy = make_recipe({**PLAIN, "init_args": {**PLAIN["init_args"], "further": [{"GaussNoise": {}}]}})  # type: ignore[dict-item]
    assert find_met_by_one([plain, noisy]) == seen.NOISE
    assert find_met_by_one([noisy, noisy]) == frozenset()


@pytest.mark.parametrize(
    ("name", "settings", "met"),
    [
        ("augmix.AugMix", {}, seen.LIGHT),
        ("augmix.AugMix", {"geometric_severity": 0.0}, seen.LIGHT),
        ("augmix.AugMix", {"geometric_severity": 0.3}, seen.LIGHT | seen.BLUR),
        ("pixmix.PixMix", {}, seen.LIGHT | seen.FROZEN | {"fog"}),
        ("pixmix.PixMix", {"geometric_severity": 1}, seen.LIGHT | seen.FROZEN | seen.BLUR | {"fog"}),
    ],
)
def test_chains_of_operations_are_met(name: str, settings: dict[str, Any], met: frozenset[str]) -> None:
    one = {"class_path": f"lightning_modules.batch_transforms.{name}", "init_args": settings}
    assert find_seen(make_recipe(None, batch_transforms=[one])) == met
    assert (
        find_seen(make_recipe(None, objective={"class_path": "any.Consistency", "init_args": {"views": [one]}})) == met
    )


@pytest.mark.parametrize("name", ["randaugment.RandAugment", "trivial_augment.TrivialAugment"])
def test_of_imagenet_c_randaugment_leaves_noise_weather_and_compression_unseen(name: str) -> None:
    one = {"class_path": f"lightning_modules.batch_transforms.{name}"}
    met = find_seen(make_recipe(None, batch_transforms=[one]))
    names = {corruption.name for corruption in find_suite("imagenet_c").corruptions}
    weather = {"snow", "frost", "fog"}
    noise = {"gaussian_noise", "shot_noise", "impulse_noise"}
    assert names - met == noise | weather | {"elastic_transform", "pixelate", "jpeg_compression"}
    assert met >= {"rotation_mask_moved", "translation_mask_moved", "shear_mask_moved"}
    assert "magnification_mask_moved" not in met
