"""What a training has met of the corruptions that it is swept over."""

from typing import Any

import albumentations
import numpy as np
import pytest

from experiments.evaluation import seen
from experiments.evaluation.seen import compute_part_means, find_met_by_one, find_seen, split_by_seen
from experiments.sweeping.suites import find_suite

PLAIN = {"class_path": "datamodules.transforms.FlipScaleCrop", "init_args": {"brightness": 0.0, "scale": [1.0, 1.0]}}


def make_recipe(augmentation: Any, **model: Any) -> dict[str, Any]:
    return {"data": {"init_args": {"augmentation": augmentation}}, "model": {"init_args": model}}


def test_every_transform_and_every_corruption_of_the_table_exists() -> None:
    assert all(hasattr(albumentations, name) for name in seen.EQUIVALENTS)
    suites = ("imagenet_c", "imagenet_c_extra", "imagenet_c_procedural_frost", "lighting", "occlusion", "geometric")
    further = ("endoscopy", "microscopy", "mri", "radiology")
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
