import json
from pathlib import Path

import pytest
import torch

from datamodules.corruptions.blur import DefocusBlur
from datamodules.corruptions.digital import JpegCompression
from datamodules.corruptions.noise import GaussianNoise
from datamodules.corruptions.suite import ConditionStream, Suite
from experiments.record import manifest_hash
from user_error import UserError

CONFIGS = Path(__file__).parents[3] / "experiments" / "configs" / "suite"


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
    ],
)
def test_refuses_what_makes_no_suite(changes, message):
    with pytest.raises(UserError, match=message):
        small(**changes)


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
        ("version: 1", "version: one", 'key "version"'),
        ("name: smoke", "", "name"),
        ("GaussianNoise", "Gauss", 'key "corruptions".*Gauss'),
        ("gaussian_noise: [1, 5]", "gaussian_noise: [1, 6]", "severities.*gaussian_noise"),
        ("gaussian_noise: [1, 5]", "gaussian_noise: 1", 'key "severities"'),
        ("name: smoke", "name: [", "line"),
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


def test_manifest_tells_what_decides_the_pixels(monkeypatch):
    monkeypatch.setattr("datamodules.corruptions.suite.version", lambda name: "4.11.0+cpu")
    manifest = small(severities={"gaussian_noise": [2], "jpeg_compression": [3]}).manifest((256, 192))
    assert json.loads(json.dumps(manifest)) == manifest
    assert manifest == {
        "name": "small",
        "version": 1,
        "seed": 0,
        "size": [256, 192],
        "order": "resize, corrupt, normalise",
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
    assert small().manifest(None)["size"] == "native"
    assert Suite("clean", 1, []).manifest(None)["libraries"] == {}


def test_manifest_hash_follows_content_alone():
    manifest = small().manifest((64, 64))
    assert manifest_hash(manifest) == manifest_hash(dict(reversed(manifest.items())))
    others = [small(seed=1), small(version=2), small(name="other"), small(severities={"gaussian_noise": [1]})]
    hashes = {manifest_hash(suite.manifest((64, 64))) for suite in others} | {manifest_hash(small().manifest(None))}
    assert len(hashes | {manifest_hash(manifest)}) == 6


def test_stream_is_lazy_and_reports_what_counts():
    images = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8)
    masks = torch.zeros(3, 32, 32, dtype=torch.long)
    told: list[int] = []
    suite = small(corruptions=[DefocusBlur()])
    stream = ConditionStream(suite, images, masks, ["a", "b", ""], told.append)
    assert len(stream) == 6
    for position, (index, corrupted, same_masks) in enumerate(stream):
        assert index == position == len(told)
        assert same_masks is masks
        assert (corrupted is images) == (index == 0)
    assert told == [2] * 6


def test_stream_draws_from_seed_and_id_alone():
    images = torch.full((2, 3, 32, 32), 90, dtype=torch.uint8)
    masks = torch.zeros(2, 32, 32, dtype=torch.long)

    def pixels(ids: list[str], seed: int = 0) -> torch.Tensor:
        suite = small(corruptions=[GaussianNoise()], severities={"gaussian_noise": [2]}, seed=seed)
        return [corrupted for _, corrupted, _ in ConditionStream(suite, images, masks, ids)][1]

    assert torch.equal(pixels(["a", "b"]), pixels(["b", "a"]).flip(0))
    assert not torch.equal(pixels(["a", "b"])[0], pixels(["a", "b"])[1])
    assert not torch.equal(pixels(["a", "b"]), pixels(["a", "b"], seed=1))
