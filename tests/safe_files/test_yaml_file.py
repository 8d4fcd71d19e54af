from pathlib import Path

import pytest
import yaml
from jsonargparse import ArgumentParser

from experiments.sweeping.suite import Suite
from safe_files.yaml_file import load_yaml, read_mapping, read_yaml
from user_error import UserError

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 8)}]\n" for k in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, "unfolds to more than"),
        ("a: &a {x: 1}\nb: &b {<<: [*a, *a, *a]}\n" + "c: *missing", "missing"),
        ("a: &a [*a]", "not defined before"),
        ("[" * 10_000, "nested deeper"),
        ("a: " + "9" * 5000, "5000 digits"),
        ("a: " + ":".join(["59"] * 3000), "digits"),
        ("a: 0x" + "f" * 200, "800 bits"),
        ("a: !!set {b}", "tag"),
        ("a: !!int x", "not of its kind"),
        ("a: [", "not valid YAML"),
        ("- 1\n--- \n- 2", "not valid YAML"),
    ],
)
def test_what_unfolds_or_fails_later_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(UserError, match=message) as refused:
        read_yaml(tmp_path / "x.yaml", "mend it")
    assert str(tmp_path / "x.yaml") in str(refused.value)
    assert str(refused.value).endswith("mend it")


def test_aliases_within_bounds_and_dates_are_read(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("a: &a {b: 1}\nc: {<<: *a, d: 2001-01-01}\n")
    assert read_mapping(tmp_path / "x.yaml", "mend it") == {"a": {"b": 1}, "c": {"b": 1, "d": "2001-01-01"}}


def test_settings_are_mappings_of_texts(tmp_path: Path) -> None:
    for text, message in (("- a", "not a mapping"), ("1: a", "is no text")):
        (tmp_path / "x.yaml").write_text(text)
        with pytest.raises(UserError, match=message):
            read_mapping(tmp_path / "x.yaml", "mend it")
    (tmp_path / "x.yaml").write_bytes(b"\xff\xff")
    with pytest.raises(UserError, match="UTF-8"):
        read_mapping(tmp_path / "x.yaml", "mend it")


def test_components_are_read_through_the_same_door(tmp_path: Path) -> None:
    (tmp_path / "suite.yaml").write_text(f"name: x\nversion: 1\n{BOMB}")
    with pytest.raises(UserError, match="unfolds to more than") as refused:
        Suite.from_yaml(tmp_path / "suite.yaml")
    assert "suite.yaml" in str(refused.value)


def test_options_that_unfold_stay_texts() -> None:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--x", type=str)
    bomb = "[" + BOMB.replace("\n", ", ").rstrip(", ") + "]"
    assert parser.parse_args([f"--x={bomb}"]).x == bomb


@pytest.mark.parametrize(
    "text", ["a: 1\na: 2", "a: {b: [1, {c: 1}], b: 2}", "- {1: x, 1: y}", "? [1]\n: 2\na: 1\na: 2"], ids=range(4)
)
def test_a_key_that_stands_twice(text: str):
    with pytest.raises(yaml.YAMLError, match="stands twice, again in line"):
        load_yaml(text)


def test_keys_that_are_not_the_same():
    text = "a: &x {k: k, v: a}\nb: [a, a, {a: 1}, {a: 1}]\n'1': a\n1: a\nc:\n  <<: *x\n  <<: *x\n  k: 3"
    assert load_yaml(text)["c"] == {"k": 3, "v": "a"}
