import json
from pathlib import Path

import pytest
from scenes import SUITES

from datamodules.corruptions.digital import JpegCompression
from datamodules.corruptions.modality import MissingChannels
from datamodules.corruptions.noise import GaussianNoise
from experiments.evaluation.record import hash_manifest
from experiments.sweeping.suite import Suite
from user_error import UserError

CONFIGS = Path(__file__).parents[3] / "experiments" / "configs" / "suite"
HELD = json.loads((Path(__file__).parent / "golden_manifests.json").read_text(encoding="utf-8"))


def small(**changes) -> Suite:
    arguments = {"name": "small", "version": 1, "corruptions": [GaussianNoise(), JpegCompression()]} | changes
    return Suite(**arguments)


def test_conditions_are_clean_then_corruption_by_corruption():
    suite = small(severities={"gaussian_noise": [5, 1]})
    assert [(c.name, c.severity) for c in suite.conditions] == [
        ("clean", 0), ("gaussian_noise", 1), ("gaussian_noise", 5), *[("jpeg_compression", s) for s in range(1, 6)]
    ]  # fmt: skip
    assert [str(c) for c in suite.conditions[:2]] == ["clean", "gaussian_noise at severity 1"]
    assert [c.name for c in small(corruptions=[]).conditions] == ["clean"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"corruptions": [GaussianNoise(), GaussianNoise()]}, "gaussian_noise twice"),
        ({"severities": {"fog": [1]}}, "fog, which is none of its corruptions"),
        ({"severities": {"gaussian_noise": [0, 1]}}, "list some of 1 to 5"),
        ({"severities": {"gaussian_noise": [6]}}, "list some of 1 to 5"),
        ({"severities": {"gaussian_noise": []}}, "list some of 1 to 5"),
        ({"parameters": {"fog": {"density": [1, 2, 3, 4, 5]}}}, "parameters of suite 'small' names fog, which is none"),
        ({"parameters": {"gaussian_noise": {"sigma": [1, 2, 3, 4, 5]}}}, "gaussian_noise has no parameter 'sigma'"),
    ],
)
def test_refuses_what_makes_no_suite(changes, message):
    with pytest.raises(UserError, match=message):
        small(**changes)


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_manifests_state_what_they_stated(path):
    """What decides the place of a record; the photographs of frost are those of the machine."""
    conditions = [condition.manifest_entry for condition in Suite.from_yaml(path).conditions]
    for condition in conditions:
        condition["parameters"].pop("photos", None)
    digest = hash_manifest({"conditions": conditions})
    assert digest == HELD.get(path.stem, digest)  # a new one is held once it is written down


def test_yamls():
    core = Suite.from_yaml(CONFIGS / "core.yaml")
    assert (core.name, core.version, core.seed, len(core.conditions)) == ("core", 1, 0, 26)
    smoke = Suite.from_yaml(str(CONFIGS / "smoke.yaml"))
    assert [(c.name, c.severity) for c in smoke.conditions] == [
        ("clean", 0), ("gaussian_noise", 1), ("gaussian_noise", 5), ("jpeg_compression", 1), ("jpeg_compression", 5)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("version", "verzion", "verzion"),
        ("version: 1", "version: one", "version"),
        ("name: smoke", "", "name"),
        ("GaussianNoise", "Gauss", "corruptions.*Gauss"),
        ("gaussian_noise: [1, 5]", "gaussian_noise: [1, 6]", "severities.*gaussian_noise"),
        ("gaussian_noise: [1, 5]", "gaussian_noise: 1", "severities"),
        ("name: smoke", "name: [", "line"),
        ("severities:", "parameters:\n  gaussian_noise: [1, 2]\nseverities:", "parameters"),
        ("severities:", "parameters: {gaussian_noise: {standard_deviation: [1, 2]}}\nseverities:", "list five values"),
    ],
)
def test_a_mistake_is_one_sentence_with_file_and_key(tmp_path, old, new, message):
    path = tmp_path / "mine.yaml"
    path.write_text((CONFIGS / "smoke.yaml").read_text().replace(old, new))
    with pytest.raises(UserError, match=message) as caught:
        Suite.from_yaml(path)
    assert "mine.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(UserError, match=r"no suite at .*none\.yaml"):
        Suite.from_yaml(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("order", "stated"),
    [
        ("corrupt_then_resize", "corrupt, resize, normalise"),
        ("resize_then_corrupt", "resize, corrupt, normalise"),
    ],
)
def test_manifest_tells_what_decides_the_pixels(monkeypatch, order, stated):
    monkeypatch.setattr("experiments.sweeping.suite.version", lambda name: "4.11.0+cpu")
    manifest = small(order=order, severities={"gaussian_noise": [2], "jpeg_compression": [3]}).make_manifest((256, 192))
    assert json.loads(json.dumps(manifest)) == manifest
    assert manifest == {
        "name": "small",
        "version": 1,
        "seed": 0,
        "size": [256, 192],
        "order": stated,
        "conditions": [
            {"corruption": "clean", "family": None, "severity": 0, "parameters": {}},
            {
                "corruption": "gaussian_noise",
                "family": "noise",
                "severity": 2,
                "parameters": {"standard_deviation": 0.12},
            },
            {"corruption": "jpeg_compression", "family": "digital", "severity": 3, "parameters": {"quality": 15}},
        ],
        "libraries": {"opencv-python-headless": "4.11.0"},
    }
    assert small().make_manifest(None)["size"] == "native"
    assert Suite("clean", 1, []).make_manifest(None)["libraries"] == {}


def test_a_suite_may_have_strengths_of_its_own():
    suite = small(parameters={"gaussian_noise": {"standard_deviation": [0.1, 0.2, 0.3, 0.4, 0.5]}})
    entries = suite.make_manifest(None)["conditions"]
    assert entries[3]["parameters"] == {"standard_deviation": 0.3}
    assert entries[6] == small().make_manifest(None)["conditions"][6]
    assert small().make_manifest(None)["conditions"][3]["parameters"] == {"standard_deviation": 0.18}


def test_manifest_hash_follows_content_alone():
    manifest = small().make_manifest((64, 64))
    assert hash_manifest(manifest) == hash_manifest(dict(reversed(manifest.items())))
    others = [
        small(seed=1),
        small(version=2),
        small(name="other"),
        small(order="resize_then_corrupt"),
        small(severities={"gaussian_noise": [1]}),
    ]
    hashes = {hash_manifest(suite.make_manifest((64, 64))) for suite in others} | {
        hash_manifest(small().make_manifest(None))
    }
    assert len(hashes | {hash_manifest(manifest)}) == 7


META = {"a": {"light": "day", "drive": "1"}, "b": {"light": "dusk", "drive": "1"}, "c": {"light": "day", "drive": "2"}}


def test_conditions_that_depend_on_the_data():
    suite = small(corruptions=[GaussianNoise()], severities={"gaussian_noise": [2]}, shifts={"light": ["dusk", "day"]})
    suite.missing = MissingChannels()
    bound = suite.adapt_to_data(["T1", "FLAIR"], META)
    assert [(c.name, c.severity, c.family) for c in bound.conditions] == [
        ("clean", 0, None),
        ("light=dusk", 0, "shift"),
        ("light=day", 0, "shift"),
        ("gaussian_noise", 2, "noise"),
        ("without_t1", 1, "modality"),
        ("without_flair", 1, "modality"),
    ]
    assert [c.name for c in suite.conditions] == ["clean", "gaussian_noise"]
    described = bound.make_manifest(None)["conditions"]
    assert described[2]["parameters"]["images"] == 2
    assert described[4]["parameters"] == {"channels": [0], "fill": "zero"}


def test_shifts_that_the_data_state():
    suite = small(shifts="stated").adapt_to_data([], META, ["light"])
    assert [c.name for c in suite.conditions if c.kind == "shift"] == ["light=day", "light=dusk"]
    named = small(shifts={"light": ["day", "dusk"]}).adapt_to_data([], META)
    assert suite.make_manifest(None) == named.make_manifest(None)
    assert len(small(shifts="stated").adapt_to_data([], META).conditions) == len(small().conditions)


def test_manifest_knows_which_images_a_shift_selects():
    suite = small(shifts={"light": ["day"]})
    other = {**META, "b": {"light": "day"}}
    hashes = {hash_manifest(suite.adapt_to_data([], meta).make_manifest(None)) for meta in (META, other)}
    assert len(hashes) == 2


@pytest.mark.parametrize(
    ("shifts", "meta", "message"),
    [
        ({"weather": ["rain"]}, META, r"know no 'weather'.*drive, light"),
        ({"light": ["night"]}, META, r"has light 'night'.*day, dusk"),
        ({"light": ["day"]}, {}, r"know no 'light'.*none"),
    ],
)
def test_refuses_shifts_that_the_data_do_not_have(shifts, meta, message):
    with pytest.raises(UserError, match=message):
        small(shifts=shifts).adapt_to_data([], meta)
