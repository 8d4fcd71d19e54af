"""What a trial was made of: its options, and the content of all files that they lead to."""

import json
from pathlib import Path

import pytest

from experiments.ablation.fingerprint import find_differences, make_fingerprint, parse_options, read_fingerprint
from experiments.ablation.sweep_file import Trial
from experiments.ablation.trial_folder import TrialFolder
from user_error import UserError


@pytest.fixture
def arguments(tmp_path: Path) -> dict:
    """A recipe that leads to a network and back, a loss in a list, and values that are no files."""
    (tmp_path / "network").mkdir()
    (tmp_path / "recipe").mkdir()
    (tmp_path / "recipe" / "a.yaml").write_text("model: {network: ../network/b.yaml, loss: [../loss.yaml]}\n")
    (tmp_path / "network" / "b.yaml").write_text("class_path: x  # of ../recipe/a.yaml\n")
    (tmp_path / "loss.yaml").write_text("class_path: y\n")
    (tmp_path / "start.ckpt").write_bytes(b"weights")
    (tmp_path / "suite.yaml").write_text("name: own\n")
    (tmp_path / "part.yaml").write_text("class_path: z\n")
    named = {"config": str(tmp_path / "recipe" / "a.yaml"), "start": str(tmp_path / "start.ckpt")}
    named |= {"suite": str(tmp_path / "suite.yaml"), "parts": [str(tmp_path / "part.yaml")]}
    return named | {"lr": 0.1, "size": [8, 8], "none": None}


def find_changes(arguments: dict, path: Path) -> list[str]:
    """What changed since the fingerprint at a path was written."""
    before = read_fingerprint(path)
    assert before is not None
    return find_differences(before, make_fingerprint(Trial("", arguments).words))


@pytest.fixture
def fingerprint_file(arguments: dict, tmp_path: Path) -> Path:
    make_fingerprint(Trial("", arguments).words).write(tmp_path / "trial.json")
    return tmp_path / "trial.json"


def test_nothing_changed(arguments: dict, fingerprint_file: Path) -> None:
    assert find_changes(arguments, fingerprint_file) == []
    assert read_fingerprint(fingerprint_file.with_name("none.json")) is None


@pytest.mark.parametrize(
    "name", ["recipe/a.yaml", "network/b.yaml", "loss.yaml", "start.ckpt", "part.yaml", "suite.yaml"]
)
def test_files_that_hold_something_else_are_named(arguments: dict, fingerprint_file: Path, name: str) -> None:
    with (fingerprint_file.parent / name).open("a") as file:
        file.write("# changed\n")
    (found,) = find_changes(arguments, fingerprint_file)
    assert found == "suite suite" if name == "suite.yaml" else Path(found).resolve() == fingerprint_file.parent / name


def test_options_that_changed_came_or_went_are_named(arguments: dict, fingerprint_file: Path) -> None:
    now = {key: value for key, value in arguments.items() if key != "none"} | {"lr": 0.2, "new": 1}
    assert find_changes(now, fingerprint_file) == ["lr", "new", "none"]


def test_what_decides_nothing_stays_free(arguments: dict, fingerprint_file: Path) -> None:
    free = {"name": "other", "pictures": 0, "run": "x", "data.init_args.num_workers": 3, "trainer.accelerator": "cpu"}
    assert find_changes({**arguments, **free}, fingerprint_file) == []
    (fingerprint_file.parent / "elsewhere").mkdir()
    same = (fingerprint_file.parent / "suite.yaml").rename(fingerprint_file.parent / "elsewhere" / "suite.yaml")
    assert find_changes({**arguments, "suite": str(same)}, fingerprint_file) == []


def test_another_suite_of_the_same_stem(arguments: dict, fingerprint_file: Path) -> None:
    (fingerprint_file.parent / "other").mkdir()
    (other := fingerprint_file.parent / "other" / "suite.yaml").write_text("name: another\n")
    assert find_changes({**arguments, "suite": str(other)}, fingerprint_file) == ["suite suite"]
    assert find_changes({**arguments, "suite": "core"}, fingerprint_file) == []  # its record lies beside


def test_another_order_of_corruption_and_resize(arguments: dict, fingerprint_file: Path) -> None:
    """It is another sweep of the same training, whose record has the same name."""
    assert find_changes({**arguments, "order": "resize_then_corrupt"}, fingerprint_file) == ["suite suite"]


def test_another_protocol(arguments: dict, fingerprint_file: Path, tmp_path: Path) -> None:
    """Its record lies beside that of the usual protocol; other settings under the same name are another sweep."""
    (protocol := tmp_path / "mine.yaml").write_text("scored_at: file\n")
    swept = {**arguments, "protocol": str(protocol)}
    assert find_changes(swept, fingerprint_file) == []
    words = Trial("", swept).words
    assert TrialFolder(tmp_path, words).record.name == "record-suite-mine.json"
    before = make_fingerprint(words)
    protocol.write_text("# the same settings\nscored_at: file\n")
    assert find_differences(before, make_fingerprint(words)) == []
    protocol.write_text("scored_at: file\nsize: [64, 64]\n")
    assert find_differences(before, make_fingerprint(words)) == ["suite suite-mine"]


def test_options_as_people_write_them() -> None:
    words = ["--config", "a.yaml", "--keep=x", "--keep", "y", "--parts", "b.yaml", "c.yaml", "--restart", "--lr=1=2"]
    found = {"config": "a.yaml", "keep": ["x", "y"], "parts": "b.yaml c.yaml", "restart": "", "lr": "1=2"}
    assert parse_options(words) == found


def test_a_fingerprint_of_an_earlier_version(arguments: dict, fingerprint_file: Path) -> None:
    """It holds typed values, the suite among them, and not the files that stand within lists of texts."""
    written = json.loads(fingerprint_file.read_text())
    files = {name: digest for name, digest in written["files"].items() if not name.endswith("part.yaml")}
    suite = make_fingerprint([f"--start={arguments['suite']}"]).files
    fingerprint_file.write_text(json.dumps({"arguments": {**arguments, "name": "x"}, "files": {**files, **suite}}))
    assert find_changes(arguments, fingerprint_file) == []
    assert find_changes({**arguments, "lr": 0.3}, fingerprint_file) == ["lr"]
    (fingerprint_file.parent / "suite.yaml").write_text("name: another\n")
    assert find_changes(arguments, fingerprint_file) == ["suite suite"]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"arguments": 1}', '{"arguments": {}, "files": []}', "\u00ff"])
def test_a_damaged_fingerprint(fingerprint_file: Path, content: str) -> None:
    fingerprint_file.write_text(content, encoding="latin-1")
    with pytest.raises(UserError, match="fingerprint of the trial is damaged"):
        read_fingerprint(fingerprint_file)
