"""Records of anybody into one tree: what is right is taken, what is wrong is named, nothing leaves its folder."""

import json
import os
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import read_refusal, run_command
from records import make_record

from experiments.record_files import record_archive
from experiments.record_files.record_file import open_record, read_record


def test_records_are_gathered_with_their_counts(tmp_path: Path) -> None:
    paths = [make_record(tmp_path / name / "record-test.json", name, seed) for seed, name in enumerate(("a net", "b"))]
    run_command("collect", *paths, f"--output={tmp_path / 'all'}")
    before, _ = open_record(paths[0])
    folder = tmp_path / "all" / before.data.name / before.suite.name
    assert sorted(path.name for path in folder.iterdir()) == ["a_net.json", "a_net.npz", "b.json", "b.npz"]
    after, images = open_record(folder / "a_net.json")
    assert images is not None
    assert after.cells == before.cells
    assert after.summary == before.summary
    assert (folder / "a_net.npz").read_bytes() == paths[0].with_suffix(".npz").read_bytes()


def collect(*words: str | Path, status: int = 0) -> list[str]:
    """What became of each record."""
    result = run_command("collect", *words, check=False)
    assert result.returncode == status, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    return result.stdout.splitlines()


def list_files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_what_is_there_is_kept(tmp_path: Path) -> None:
    one, other = (make_record(tmp_path / name / "record.json", "same", seed) for seed, name in enumerate("ab"))
    output = f"--output={tmp_path / 'all'}"
    copy = tmp_path / "copy.json"
    copy.write_bytes(one.read_bytes())
    first, second = collect(one, copy, output)
    assert ": taken: " in first
    assert "already there: it is" in second
    before = read_record(tmp_path / "all/scenes/test/same.json")
    assert ["already there" in line for line in collect(one, output)] == [True]
    (line,) = collect(other, output, status=2)
    assert "another record of this name" in line
    assert read_record(tmp_path / "all/scenes/test/same.json").cells == before.cells
    assert ": taken: " in collect(other, output, "--replace")[0]
    assert read_record(tmp_path / "all/scenes/test/same.json").cells != before.cells


def test_counts_of_images_may_come_later(tmp_path: Path) -> None:
    path = make_record(tmp_path / "record.json")
    counts = path.with_suffix(".npz").read_bytes()
    path.with_suffix(".npz").unlink()
    output = f"--output={tmp_path / 'all'}"
    assert "without the counts of its images" in collect(path, output)[0]
    place = tmp_path / "all/scenes/test/net.json"
    assert open_record(place)[1] is None
    path.with_suffix(".npz").write_bytes(counts)
    assert ": taken: " in collect(path, output)[0]
    assert open_record(place)[1] is not None


def alter(path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c["summary"].update(clean_miou=1.0), "clean_miou"),
        (lambda c: c["cells"][0]["scores"].update(miou=0.9), "states miou"),
        (lambda c: c.update(suite_hash="0"), "suite_hash"),
        (lambda c: c["per_image"].update(file="../../secret.npz"), "outside its folder"),
        (lambda c: c.update(name="a\x1b[2Jb"), "printable"),
        (lambda c: c.update(name="a\u202eb"), "printable"),
        (lambda c: c.update(name="a\nb"), "printable"),
        (lambda c: c.update(name=" "), "printable"),
        (lambda c: c.update(name="n" * 999), "printable"),
    ],
)
def test_what_is_wrong_is_not_taken(tmp_path: Path, change: Callable[[dict[str, Any]], object], said: str) -> None:
    good = make_record(tmp_path / "good.json", "good")
    wrong = alter(make_record(tmp_path / "wrong.json", "wrong"), change)
    first, second = collect(wrong, good, f"--output={tmp_path / 'all'}", status=3)
    assert ": wrong: " in first
    assert said in first
    assert ": taken: " in second
    assert list_files(tmp_path / "all") == ["scenes/test/good.json", "scenes/test/good.npz"]


@pytest.mark.parametrize(
    "name", ["../../../escaped", "/etc/passwd", "..", "a/b\\c", "<img src=x onerror=alert(1)>", "."]
)
def test_names_stay_in_the_tree(tmp_path: Path, name: str) -> None:
    path = make_record(tmp_path / "in" / "record.json", name)
    collect(path, f"--output={tmp_path / 'all'}")
    assert {file.split("/")[:2][1] for file in list_files(tmp_path / "all")} == {"test"}
    assert len(list_files(tmp_path)) == 4
    assert read_record(next((tmp_path / "all/scenes/test").glob("*.json"))).name == name


def test_a_link_in_the_tree_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "all").mkdir()
    (tmp_path / "all" / "scenes").symlink_to(tmp_path / "elsewhere")
    assert "leads out of" in collect(make_record(tmp_path / "r.json"), f"--output={tmp_path / 'all'}", status=2)[0]
    assert not [*(tmp_path / "elsewhere").iterdir()]


def test_a_zip_is_unpacked_under_names_of_ours(tmp_path: Path) -> None:
    paths = [make_record(tmp_path / name / "record.json", name, seed) for seed, name in enumerate("ab")]
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for path, folder in zip(paths, ("../../up", "/abs"), strict=True):
            for ending in (".json", ".npz"):
                archive.write(path.with_suffix(ending), f"{folder}/record{ending}")
        archive.writestr("notes.txt", "hello")
    archive_lines = collect(tmp_path / "all.zip", f"--output={tmp_path / 'out'}")
    assert [": taken: " in line for line in archive_lines] == [True, True]
    assert list_files(tmp_path / "out") == [
        f"scenes/test/{name}{ending}" for name in "ab" for ending in (".json", ".npz")
    ]
    assert open_record(tmp_path / "out/scenes/test/b.json")[1] is not None
    assert not (tmp_path.parent / "up").exists()


def test_a_zip_of_another_kind_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = f"--output={tmp_path / 'out'}"

    def pack(**contents: str | bytes) -> Path:
        with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in contents.items():
                archive.writestr(name.replace("_", "."), content)
        return tmp_path / "x.zip"

    assert "holds no record" in read_refusal("collect", pack(a_json="{}"), output)
    (tmp_path / "y.zip").write_bytes(b"PK\x03\x04 no zip")
    assert "no zip that can be read" in read_refusal("collect", tmp_path / "y.zip", output)
    assert "there is no" in read_refusal("collect", tmp_path / "none.zip", output)
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as archive:
        link = zipfile.ZipInfo("a.json")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    assert "holds a link" in read_refusal("collect", tmp_path / "link.zip", output)
    monkeypatch.setattr(record_archive, "LARGEST", 2**20)
    assert "unpacks to 1 files" in read_refusal("collect", pack(a_json=b" " * 2**21), output)
    assert not (tmp_path / "out").exists()


def test_refusals(tmp_path: Path) -> None:
    one, other = (make_record(tmp_path / name / "record.json", "same", seed) for seed, name in enumerate("ab"))
    assert "tell them apart" in read_refusal("collect", one, other, f"--output={tmp_path / 'all'}")
    (tmp_path / "text.json").write_text("{}")
    assert "is not a record" in read_refusal("collect", tmp_path / "text.json", f"--output={tmp_path / 'all'}")
    assert not (tmp_path / "all").exists()
    if os.path.exists("/dev/zero"):
        assert "larger than" in read_refusal("collect", "/dev/zero", f"--output={tmp_path / 'all'}")
