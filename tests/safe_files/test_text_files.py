from pathlib import Path

import pytest

from safe_files.csv_file import read_csv
from safe_files.json_file import read_json, read_json_object
from safe_files.text import read_text
from user_error import UserError, shorten_report


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"\xff", "UTF-8"), ("a\0b", "byte of zero"), ("x" * 101, "larger than")],
    ids=["code", "zero", "size"],
)
def test_what_is_no_text(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(UserError, match=f"{message}.*: mend it"):
        read_text(write(tmp_path / "x", content), "mend it", 100)


def test_what_never_ends_is_not_read_to_its_end() -> None:
    with pytest.raises(UserError, match="larger than"):
        read_text(Path("/dev/zero"), "mend it", 1000)


def test_marks_of_byte_order_and_ends_of_lines(tmp_path: Path) -> None:
    assert read_text(write(tmp_path / "x", b"\xef\xbb\xbfa\r\nb\rc\n"), "mend it") == "a\nb\nc\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "nested too deep"),
        ("[" * 100 + "]" * 100, "nested deeper"),
        ("9" * 5000, "is not JSON"),
        ("1" + "0" * 400, "bits"),
        ('"\\ud800"', "not Unicode"),
        ("[]", "no JSON object"),
    ],
)
def test_what_is_no_json_object(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=f"{message}.*mend it"):
        read_json_object(write(tmp_path / "x.json", text), "mend it")


def test_json_is_read(tmp_path: Path) -> None:
    assert read_json(write(tmp_path / "x.json", '[1, {"a": null}]'), "mend it") == [1, {"a": None}]


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "empty"), ("a,a\n1,2", "two columns 'a'"), ("a,b\n1", "another length"), ("a\n" + "x" * 200_000, "field")],
    ids=["empty", "twice", "length", "field"],
)
def test_what_is_no_table(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_csv(write(tmp_path / "x.csv", text), "mend it")


def test_tables_are_read(tmp_path: Path) -> None:
    columns, rows = read_csv(write(tmp_path / "x.csv", '\ufeffa,b\r\n1,"x, y"\r\n\r\n2,\r\n'), "mend it")
    assert columns == ["a", "b"]
    assert rows == [{"a": "1", "b": "x, y"}, {"a": "2", "b": ""}]


def test_reports_of_long_words_are_short() -> None:
    """What reads them would take minutes otherwise."""
    text = shorten_report(ValueError("wanted a number, got " + "9" * 10**6 + " in x.yaml" + " y" * 10**5))
    assert text.startswith("wanted a number, got 999")
    assert len(text) < 11_000
