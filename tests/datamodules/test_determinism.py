"""The pixels of a sweep follow from (seed, image id, corruption, severity) alone, however the images come in."""

import json
import subprocess
import sys
from functools import cache

import pytest
from command_line import ROOT
from pixel_digests import IMAGES, compute_pixel_digests, compute_scene_digest
from scenes import SUITES
from threads import threads

NAMES = sorted(path.stem for path in SUITES if "shifts:" not in path.read_text())
every_suite = pytest.mark.parametrize("suite", NAMES)


@cache
def expected(suite: str) -> dict[str, dict[str, str]]:
    return compute_pixel_digests(suite)


@every_suite
def test_batches_of_one(suite: str) -> None:
    assert len(expected(suite)) == IMAGES
    assert compute_pixel_digests(suite, batch_size=1) == expected(suite)


@every_suite
def test_threads(suite: str) -> None:
    with threads(2):
        assert compute_pixel_digests(suite, batch_size=4) == expected(suite)


@pytest.mark.parametrize("suite", ["imagenet_c"])
def test_loader_processes(suite: str) -> None:
    assert compute_pixel_digests(suite, workers=2, batch_size=4) == expected(suite)


@every_suite
def test_a_resumed_sweep(suite: str) -> None:
    """The second of three batches is what an interrupted sweep had not seen."""
    rest = compute_pixel_digests(suite, batch_size=3, done=frozenset({0, 2}))
    assert rest == {name: expected(suite)[name] for name in sorted(expected(suite))[3:6]}


def test_two_processes() -> None:
    """They draw the same scenes as this one, and share the images of a sweep among them."""
    suites = ["imagenet_c", "imagenet_c_extra"]
    found: dict[str, dict[str, dict[str, str]]] = {suite: {} for suite in suites}
    commands = [[sys.executable, str(ROOT / "tests" / "pixel_digests.py"), rank, *suites] for rank in "01"]
    environment = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) for command in commands]
    for process in running:
        printed, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        message = json.loads(printed)
        assert message["scene"] == compute_scene_digest()
        for suite, ratio in message["swept"].items():
            assert not found[suite].keys() & ratio.keys()
            found[suite] |= ratio
    assert found == {suite: expected(suite) for suite in suites}
