"""The committed records and what the pages say of them."""

import functools
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import ROOT, run_command
from PIL import Image

from experiments.record_files import measured_records, record_file
from experiments.sweeping.suites import find_suite
from experiments.upkeep.fill import OPENED, fill_text

MAKEFILE = (ROOT / "Makefile").read_text()
RECORDS = sorted(path for path in (ROOT / "experiments/results").rglob("*.json") if not path.stem.startswith("costs"))
PAGES = [path for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) if OPENED in path.read_text()]

FIGURES = [
    shlex.split(line.replace("$(RESULTS)", "experiments/results"))
    for line in re.findall(r"^\t\$\(RUN\) (\S+ .*\.png)$", MAKEFILE.replace("\\\n\t\t", ""), re.MULTILINE)
    if "$(RESULTS)" in line
]
"""The commands of `make results` that draw, with the picture as their last word."""

LARGEST_CELL = 180
"""Bytes that the counts of an image under a condition may take: all counters, with eleven classes, take 156 to 163."""

STUDIES = ("order_of_operations", "robust_training", "robust_seeds", "exported")
"""Folders of records that belong together, beside those that are named after a suite."""


opened = functools.lru_cache(maxsize=160)(record_file.open_record)
find_suite_once = functools.cache(find_suite)


@pytest.fixture(autouse=True)
def records_are_opened_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the tables of a page that tell of them."""
    for module in (record_file, measured_records):
        monkeypatch.setattr(module, "open_record", lambda path: opened(path.resolve()))


def make_id(path: Path) -> str:
    return "-".join(path.with_suffix("").parts[-3:])


@pytest.fixture(scope="module", params=RECORDS, ids=make_id)
def path(request: pytest.FixtureRequest) -> Path:
    """A record; its tests follow one another, so that it is opened once."""
    return request.param


def test_there_are_records() -> None:
    assert RECORDS
    assert ROOT / "README.md" in PAGES
    assert FIGURES


def test_record_recomputes_to_its_own_summary(path: Path) -> None:
    """Reading recomputes it; here it must not lack the counts of its images, and lie with its data and suite."""
    record, images = opened(path)
    assert images is not None
    assert len(images.ids) == len(set(images.ids)) == record.data.images
    assert path.parent.name in (record.suite.name, *STUDIES)
    assert path.parent.parent.name == record.data.name


def test_record_is_fit_to_print(path: Path) -> None:
    """Made from committed code, small for what it counts, and without a path of the machine that made it."""
    record = opened(path)[0]
    assert path.with_suffix(".npz").stat().st_size < LARGEST_CELL * record.data.images * len(record.cells)
    text = path.read_text()
    assert "+changes" not in text
    assert '"/' not in text


def test_suites_are_those_of_the_records(path: Path) -> None:
    """The corruptions of today's YAML under the parameters of the record: a new sweep ranks beside it."""
    stored = opened(path)[0].suite
    suite = find_suite_once(stored.name)
    if stored.version == suite.version:
        today = [condition.manifest_entry for condition in suite.conditions]
        stated = [one for one in stored.conditions if one["family"] not in ("shift", "modality")]
        for one, other in zip(stated, today, strict=True):
            assert {**one, "parameters": without_photos(one)} == {**other, "parameters": without_photos(other)}


def without_photos(condition: Mapping[str, Any]) -> dict[str, Any]:
    """The photographs of frost are those of the machine."""
    return {name: value for name, value in condition["parameters"].items() if name != "photos"}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_pages_say_what_the_records_say(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`make results` would change nothing; that the records agree with themselves is tested above."""
    monkeypatch.setattr(record_file, "require_agreement", lambda *_: None)
    monkeypatch.setattr(record_file, "require_intervals", lambda *_: None)
    monkeypatch.chdir(ROOT)
    assert fill_text(page.read_text()) == page.read_text()


@pytest.mark.parametrize("command", FIGURES, ids=lambda words: words[-1])
def test_figures_show_the_records(command: list[str], tmp_path: Path) -> None:
    """Up to the smoothing of edges, which is the machine's."""
    *words, name = command
    arguments = [str(path) for word in words for path in (sorted(ROOT.glob(word)) if set("*[") & set(word) else [word])]
    run_command(*arguments, str(tmp_path / "drawn.png"))
    drawn, committed = (
        np.asarray(Image.open(path).convert("RGB"), float) for path in (tmp_path / "drawn.png", ROOT / name)
    )
    assert drawn.shape == committed.shape
    assert np.abs(drawn - committed).mean() < 0.1
