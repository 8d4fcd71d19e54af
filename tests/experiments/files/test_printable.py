import csv
import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.files.printable import PrintableStream, as_cell, escape_controls
from experiments.files.tables import as_csv, make_markdown_table

ESCAPE = "\x1b]0;title\x07\x1b[2J"


@given(st.text())
def test_nothing_that_is_printed_moves_a_cursor(text: str) -> None:
    shown = escape_controls(text)
    assert {unicodedata.category(one) for one in shown if one not in "\t\n"} & {"Cc", "Zl", "Zp"} == set()
    assert escape_controls(shown) == shown
    if text.isprintable():
        assert shown == text


def test_control_characters_are_named() -> None:
    assert escape_controls(f"net{ESCAPE}") == r"net\x1b]0;title\x07\x1b[2J"
    assert escape_controls("abc\u202egpj.exe") == r"abc\u202egpj.exe"
    stream = io.StringIO()
    print("net", ESCAPE, file=PrintableStream(stream))  # type: ignore[type-var]
    assert "\x1b" not in stream.getvalue()
    assert stream.getvalue().endswith("\n")


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", '=HYPERLINK("x")'])
def test_a_cell_is_no_formula(name: str) -> None:
    text = as_csv([{"name": name, "value": -0.5}])
    row = next(csv.DictReader(io.StringIO(text)))
    assert row["name"].startswith("'")
    assert row["value"] == "-0.5"  # a number stays one


def test_a_name_stays_within_its_cell() -> None:
    assert as_cell("a\nb") == r"a\nb"
    assert as_cell("network-1") == "network-1"
    table = make_markdown_table(["#", "name"], [["1", f"a\n| b |{ESCAPE}"]])
    assert len(table.splitlines()) == 3
    assert "\x1b" not in table
