"""The committed records and what README says of them."""

from pathlib import Path

import pytest
from command_line import ROOT

from experiments.compare import verdict
from experiments.comparison import compare, holds
from experiments.leaderboard import markdown
from experiments.ranking import ranked
from experiments.record_file import open_record, read_record

RECORDS = sorted((ROOT / "experiments" / "results").rglob("*.json"))


def test_there_are_records() -> None:
    assert RECORDS


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_record_recomputes_to_its_own_summary(path: Path) -> None:
    """Reading recomputes it; here it must not lack the counts of its images."""
    record, images = open_record(path)
    assert images is not None
    assert len(images.ids) == len(set(images.ids)) == record.data.images


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_record_is_fit_to_print(path: Path) -> None:
    """Made from committed code, small, and without a path of the machine that made it."""
    assert path.with_suffix(".npz").stat().st_size < 2_000_000
    text = path.read_text()
    assert "+changes" not in text
    assert '"/' not in text


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_record_lies_with_its_data_and_suite(path: Path) -> None:
    record = read_record(path)
    assert path.parent.name == record.suite.name
    assert path.parent.parent.name == record.data.name


@pytest.mark.parametrize(
    ("a", "b", "differ"),
    [
        ("deeplabv3plus_mobilenet_v2", "fpn_mobilenet_v2", True),
        ("fpn_mobilenet_v2", "fpn_mobilenet_v2_seed1", False),
    ],
)
def test_readme_says_which_differences_hold(a: str, b: str, differ: bool) -> None:
    pair = []
    for name in (a, b):
        record, images = open_record(ROOT / "experiments/results/camvid/imagenet_c" / f"{name}.json")
        assert images is not None
        pair.append((record, images))
    found = compare(*pair)
    assert holds(found.headline.p) == differ
    assert "> " + verdict(found).replace("\n", "\n> ") in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("suite", ["imagenet_c", "camvid_dusk"])
def test_readme_shows_the_leaderboard_of_the_records(suite: str) -> None:
    camvid = [read_record(path) for path in RECORDS if path.parent == ROOT / "experiments/results/camvid" / suite]
    assert markdown(ranked(camvid)) in (ROOT / "README.md").read_text()
