import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from command_line import read_refusal, run_command
from records import make_record
from reports import HOSTILE, alter_record, make_records

from experiments.commands.analyse import report
from experiments.files.tables import format_percent
from experiments.record_files.record_file import read_record


class Page(HTMLParser):
    """Elements of a page, its scripts' text, and the text of all others."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.words: list[str] = []
        self.inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside == "script":
            self.scripts[-1] += data
        elif self.inside != "style":
            self.words.append(data)

    def having(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def make_page(tmp_path: Path, paths: list[Path], *words: str) -> tuple[Page, str]:
    output = tmp_path / "report.html"
    report.main([*map(str, paths), f"--output={output}", *words])
    text = output.read_text()
    return Page(text), text


def test_everything_is_on_the_page(tmp_path: Path) -> None:
    paths = make_records(tmp_path)
    page, _ = make_page(tmp_path, paths, "--title=Three networks")
    message = " ".join(page.words)
    records = [read_record(path) for path in paths]
    assert "Three networks" in message
    for record in records:
        for key in ("clean_miou", "mean_corrupted_miou", "retention"):
            low, high = record.summary.intervals[key].edges
            assert format_percent(getattr(record.summary, key)) in message
            assert f"[{format_percent(low)}, {format_percent(high)}]" in message
        assert record.suite_hash in message
        assert f"image of {record.name}" in message
    assert "12.3 % mIoU" in message
    assert len(page.having("img")) == 3
    sections = [attributes["id"] for attributes in page.having("section")]
    assert sections == ["leaderboard", "robustness", "heat", "reliability", "classes", "pictures", "origin"]


def test_points_of_the_curves_are_the_cells(tmp_path: Path) -> None:
    paths = make_records(tmp_path, pictures=0)
    page, _ = make_page(tmp_path, paths)
    data = json.loads(page.scripts[0])
    names = [record.name for record in map(read_record, paths)]
    assert sorted(data["names"]) == sorted(names)
    fog = next(chart for chart in data["charts"] if chart["title"] == "fog")
    for record in map(read_record, paths):
        message = [text for _, _, place, text in fog["points"] if data["names"][place] == record.name]
        cells = [cell for cell in record.cells if cell.corruption in ("clean", "fog")]
        assert len(message) == len(cells) == 6
        for text, cell in zip(message, cells, strict=True):
            assert f"{format_percent(cell.miou)} %" in text
            assert (
                f"[{format_percent(cell.miou_interval.edges[0])}, {format_percent(cell.miou_interval.edges[1])}]"
                in text
            )


def test_best_is_first(tmp_path: Path) -> None:
    """The better network comes first, also where several have one name."""
    paths = make_records(tmp_path, ("same", "same", "same"), pictures=0)
    _, text = make_page(tmp_path, list(reversed(paths)))
    body = text[text.index("<tbody>") : text.index("</tbody>")]
    shown = [float(value) for value in re.findall(r'data-value="([\d.]+)"', body)]
    scores = sorted((read_record(path).summary.mean_corrupted_miou for path in paths), reverse=True)
    places = [shown.index(score) for score in scores]
    assert places == sorted(places)


def test_nothing_is_loaded_from_elsewhere(tmp_path: Path) -> None:
    page, text = make_page(tmp_path, make_records(tmp_path))
    for tag, attributes in page.elements:
        assert tag not in ("link", "iframe", "object", "embed", "base", "form")
        for name in ("src", "href", "action", "poster", "srcset"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:image/png;base64,")), (tag, value)
    assert "@import" not in text
    assert not re.search(r"url\(", text)
    (policy,) = (one["content"] for one in page.having("meta") if one.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_names_are_text(tmp_path: Path) -> None:
    """Whatever a stranger writes into a record adds no element and no attribute."""
    tame, _ = make_page(tmp_path, make_records(tmp_path, ("a", "b")))
    paths = make_records(tmp_path, HOSTILE)
    wild, text = make_page(tmp_path, paths, f"--title={HOSTILE[0]}")
    kinds = [[(tag, sorted(attributes)) for tag, attributes in page.elements] for page in (tame, wild)]
    assert kinds[0] == kinds[1]
    assert json.loads(wild.scripts[0])["names"] == [read_record(path).name for path in paths]
    assert "<script>document" not in text


def test_classes_and_manifest_are_text(tmp_path: Path) -> None:
    entries = [
        {"corruption": name, "severity": severity, "parameters": {"x": HOSTILE[0]}} for name, severity in CONDITIONS
    ]
    path = make_record(tmp_path / "a.json", cells=CONDITIONS, conditions=entries, note=HOSTILE[1])
    alter_record(path, classes=[*HOSTILE, "other"], created=HOSTILE[0])
    page, text = make_page(tmp_path, [path])
    assert HOSTILE[0] in "".join(page.words)
    assert len(page.having("script")) == 2
    assert not page.having("img")
    assert "<script>document" not in text


CONDITIONS = [("clean", 0), (HOSTILE[0], 1), (HOSTILE[1], 2)]


@pytest.mark.parametrize("cells", [[("clean", 0)], [("clean", 0), ("light=day", 0)], [("clean", 0), ("fog", 3)]])
def test_small_suites(tmp_path: Path, cells: list[tuple[str, int]]) -> None:
    page, _ = make_page(tmp_path, [make_record(tmp_path / "a.json", cells=cells)])
    assert "net" in " ".join(page.words)


def test_many_records(tmp_path: Path) -> None:
    paths = make_records(tmp_path, tuple(f"net {place}" for place in range(30)), pictures=0)
    page, _ = make_page(tmp_path, paths)
    assert len(json.loads(page.scripts[0])["names"]) == 30


def test_pictures_that_are_missing_or_altered(tmp_path: Path) -> None:
    paths = make_records(tmp_path)
    (tmp_path / "r0.worst-1.png").unlink()
    page, _ = make_page(tmp_path, paths)
    assert "r0.worst-1.png" in " ".join(page.words)
    assert len(page.having("img")) == 2
    (tmp_path / "r1.worst-1.png").write_bytes(b"other")
    assert "r1.worst-1.png" in read_refusal("report", *paths, f"--output={tmp_path / 'x.html'}")
    content = json.loads(paths[1].read_text())
    content["pictures"][0]["file"] = "../secret.png"
    paths[1].write_text(json.dumps(content))
    assert "outside its folder" in read_refusal("report", *paths, f"--output={tmp_path / 'x.html'}")
    assert not (tmp_path / "x.html").exists()


def test_further_tasks(tmp_path: Path) -> None:
    """Beside a network that has none; a condition without truth is in no mean."""
    depth = np.array([[100, 80, 0], [100, 60, 0], [0, 0, 0]])[None].repeat(6, 0)
    paths = [
        make_record(tmp_path / "one.json", "one"),
        make_record(tmp_path / "two.json", "two", tasks={"depth": depth}),
    ]
    message = " ".join(make_page(tmp_path, paths)[0].words)
    assert "Further tasks" in message
    assert "depth delta1, %" in message
    assert "80.0 → 60.0" in message
    assert "Further tasks" not in " ".join(make_page(tmp_path, paths[:1])[0].words)


def test_commands_cannot_be_led_astray(tmp_path: Path) -> None:
    path = make_record(tmp_path / "a b.json")
    content = json.loads(path.read_text())
    content["checkpoint"] = {"file": "x; rm -rf ~\nreboot", "sha256": "0"}
    content["environment"] = {"commit": "; reboot"}
    path.write_text(json.dumps(content))
    page, _ = make_page(tmp_path, [path])
    message = "".join(page.words)
    assert "--checkpoint 'x; rm -rf ~ reboot'" in message
    assert "'a b.json'" in message
    assert "git checkout ;" not in message


def test_refusals(tmp_path: Path) -> None:
    one = make_record(tmp_path / "a.json")
    other = make_record(tmp_path / "b.json", size=[1, 1])
    assert "--allow-mixed" in read_refusal("report", one, other, f"--output={tmp_path / 'x.html'}")
    make_page(tmp_path, [one, other], "--allow-mixed")
    assert "*.html" in read_refusal("report", one, f"--output={tmp_path / 'x.pdf'}")
    assert "no record" in read_refusal("report", tmp_path / "none.json")
    content = json.loads(one.read_text())
    content["cells"][2]["scores"]["ece"] += 0.01
    one.write_text(json.dumps(content))
    assert "noise, severity 5" in read_refusal("report", one, f"--output={tmp_path / 'x.html'}")


def test_as_a_user_runs_it(tmp_path: Path) -> None:
    output = tmp_path / "page.html"
    assert str(output) in run_command("report", *make_records(tmp_path), f"--output={output}").stdout
    assert output.stat().st_size > 10_000
