"""A static site of records: grouped as leaderboards group them, the same bytes each time, nothing that runs or leaves."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from command_line import read_refusal, run_command
from records import make_record
from reports import CELLS, HOSTILE, make_records

from experiments.evaluation.comparison import compare
from experiments.record_files.record_file import open_record


def make_tree(folder: Path) -> Path:
    make_records(folder / "a" / "fog")
    make_record(folder / "b.json", "other suite", 5, seed_of_suite=3)
    make_record(folder / "c.json", HOSTILE[0], 6, 24, CELLS, noise=0.9)
    make_record(folder / "d.json", "../../index", 7, 24, CELLS, noise=1.1)
    make_record(folder / "e.json", "NET 10", 8, 24, CELLS, noise=1.2)  # one page with "net 10" where case is no matter
    (folder / "costs.json").write_text("{}")
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    text = run_command("site", make_tree(folder / "results"), f"--output={folder / 'site'}", "--repository=a/b").stdout
    assert "records: 7, leaderboards: 2" in text
    return folder / "site"


def read_all(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_records_give_the_same_bytes(site: Path) -> None:
    before = read_all(site)
    run_command("site", site.parent / "results", f"--output={site}", "--repository=a/b")
    assert read_all(site) == before


class Links(HTMLParser):
    """Addresses that a page leads to or takes something from."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in ("href", "src", "action")]
        assert tag not in ("link", "iframe", "form", "base")
        assert not [name for name, _ in attrs if name.startswith("on")]


def test_links_are_relative_and_lead_to_files(site: Path) -> None:
    pages = [*site.rglob("*.html")]
    assert len(pages) == 2 + 2 + 7
    for page in pages:
        links = Links()
        links.feed(page.read_text())
        for address in links.found:
            if not address.startswith(("#", "data:image/png;base64,")):
                assert not re.match(r"[a-z]+:|/", address)
                target = (page.parent / address).resolve()
                assert target.is_relative_to(site.resolve())
                assert target.is_file(), address


def test_names_do_not_run_and_stay_in_their_folder(site: Path) -> None:
    for page in site.rglob("*.html"):
        assert HOSTILE[0] not in page.read_text()
    names = {path.name.lower() for path in site.rglob("*.html")}
    assert len(names) == len([*site.rglob("*.html")]) - 2  # the two leaderboards, and the index, are called alike
    assert {path.parent.parent.name for path in site.rglob("leaderboard.json")} == {"scenes"}


def test_leaderboards_are_those_of_the_verb(site: Path) -> None:
    index = json.loads((site / "site.json").read_text())
    assert [board["records"] for board in index["leaderboards"]] in ([6, 1], [1, 6])
    board = next(one for one in index["leaderboards"] if one["records"] == 6)
    rows = json.loads((site / board["json"]).read_text())["rows"]
    paths = [path for path in (site.parent / "results").rglob("*.json") if path.stem not in ("b", "costs")]
    expected = json.loads(run_command("leaderboard", *sorted(paths), "--format=json").stdout)
    assert [(row["name"], row["rank"], row["mean_corrupted_miou"]) for row in rows] == [
        (row["name"], row["rank"], row["mean_corrupted_miou"]) for row in expected
    ]
    first, second = (open_record((site / board["page"]).parent / row["record"])[0] for row in rows[:2])
    by_name = {one.name: (one, images) for one, images in map(open_record, paths)}
    found = compare(by_name[first.name], by_name[second.name], permutations=10)  # type: ignore[arg-type]
    line = next(line for line in found.overall if line.name == "corrupted mIoU" or "corrupted" in line.name)
    np.testing.assert_allclose(
        [rows[1]["behind"][key] for key in ("value", "low", "high")], [line.difference, line.low, line.high]
    )
    assert {check["state"] for check in rows[0]["checks"]} <= {"holds", "not checked"}


def test_refusals(site: Path, tmp_path: Path) -> None:
    assert "pass records" in read_refusal("site", tmp_path / "none", f"--output={tmp_path / 'x'}")
    assert "no records" in read_refusal("site", tmp_path, f"--output={tmp_path / 'x'}")
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "notes.txt").write_text("mine")
    results = site.parent / "results"
    assert "did not write" in read_refusal("site", results, f"--output={tmp_path / 'kept'}")
    altered = make_record(tmp_path / "r.json")
    altered.write_text(altered.read_text().replace('"clean_miou": 0', '"clean_miou": 1'))
    assert "clean_miou" in read_refusal("site", altered, f"--output={tmp_path / 'x'}")
    assert not (tmp_path / "x").exists()


def test_the_same_file_is_shown_once(tmp_path: Path) -> None:
    path = make_record(tmp_path / "a.json")
    (tmp_path / "0.json").write_bytes(path.read_bytes())  # without the counts of its images
    words = ["site", tmp_path, f"--output={tmp_path / 'site'}"]
    text = run_command(*words).stdout
    assert text.count("is the same record as") == 1
    (board,) = (tmp_path / "site").rglob("leaderboard.json")
    before, checks = read_all(tmp_path / "site"), json.loads(board.read_text())["rows"][0]["checks"]
    assert {"what": "intervals", "state": "holds"}.items() <= checks[2].items()
    assert run_command(*words).stdout == text  # its own copies are no records of others
    assert read_all(tmp_path / "site") == before
    assert "records: 1," in text


def test_protocols_are_stated(tmp_path: Path) -> None:
    make_record(tmp_path / "a.json")
    words = ["site", tmp_path, f"--output={tmp_path / 'site'}"]
    run_command(*words)
    assert "--protocol" not in (tmp_path / "site" / "submit.html").read_text()
    make_record(tmp_path / "b.json", protocol={"scored_at": "file"})
    run_command(*words)
    for page in ("index.html", "submit.html"):
        assert (tmp_path / "site" / page).read_text().count(">scored at the size of the file</span>") == 1
    assert "--protocol" in (tmp_path / "site" / "submit.html").read_text()
    stated = [one["protocol"] for one in json.loads((tmp_path / "site" / "site.json").read_text())["leaderboards"]]
    assert sorted(stated) == ["", "scored at the size of the file"]
