"""A verb's parser follows from the signature and the docstring of the function that does its work."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from experiments.command_line.verb_parser import CommandLine, Option, call_verb, list_examples, make_parser
from user_error import UserError

EXAMPLES = """
a.json --size 1 2

Nothing is written."""


def measure_files(
    files: Annotated[list[Path], Option(metavar="FILE")],
    /,
    *,
    size: tuple[int, int],
    scale: float = 0.0,
    names: Sequence[str] = ("one", "two"),
    keep: Annotated[Sequence[str], Option(repeated=True)] = (),
    kind: Literal["fast", "slow"] = "fast",
    format_: Annotated[str, Option(choices={"csv": 1, "json": 2})] = "csv",
    near: Annotated[int | None, Option(formerly="--close")] = None,
    list_: bool = False,
) -> dict[str, Any]:
    """Measure files at 100 % of their size.

    And say so.

    Args:
        files: that are measured.
        size: height and width, in
            pixels.
        scale: of `size`.
        names: of them.
        keep: one of them.
        kind: of measurement.
        format_: of the table.
        near: to what.
        list_: say what would be done.

    Raises:
        UserError: never.
    """
    return dict(locals())


def pass_on(*further: str, run: Path | None = None, command_line: CommandLine) -> tuple[Any, ...]:
    """Pass words on.

    Args:
        *further: for another.
        run: a folder.
        command_line: all words.
    """
    return further, run, command_line


def called(*words: str) -> Any:
    return call_verb("measure", measure_files, EXAMPLES, words)


def test_words_become_values_of_the_declared_types() -> None:
    found = called("a", "b", "--size", "3", "4", "--keep=x", "--keep", "y", "--format", "json", "--near=2", "--list")
    assert found == {
        "files": [Path("a"), Path("b")], "size": (3, 4), "scale": 0.0, "names": ["one", "two"], "keep": ["x", "y"],
        "kind": "fast", "format_": "json", "near": 2, "list_": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["a"], "--size is missing"),
        (["a", "--size", "3"], "--size takes 2 values"),
        (["a", "--size", "3", "x"], "--size: 'x' does not fit"),
        (["a", "--size", "3", "4", "--kind", "odd"], "--kind: 'odd' is none of its values"),
        (["a", "--size", "3", "4", "--scal", "2"], "no setting '--scal'"),
        (["a", "--size", "3", "4", "--close=2"], "--close is now called --near"),
        (["", "--size", "3", "4"], "it is empty: give a path"),
    ],
)
def test_a_mistake_is_one_sentence(words: list[str], text: str) -> None:
    with pytest.raises(UserError, match=text) as caught:
        called(*words)
    assert "\n" not in str(caught.value)


def test_help_is_the_docstring_with_defaults_and_examples() -> None:
    text = make_parser("measure", measure_files, EXAMPLES).format_help()
    flat = " ".join(text.split())
    assert "Measure files at 100 % of their size.\n\nAnd say so.\n" in text
    assert "UserError" not in text
    assert "height and width, in pixels" in flat
    assert "of 'size' (default: 0.0)" in flat
    assert "of them (default: one two)" in flat
    assert "{csv,json}" in text
    assert text.endswith("examples:\n  python -m experiments measure a.json --size 1 2\n\nNothing is written.\n")


def test_an_example_goes_on_below() -> None:
    assert list_examples("fit", "--a \\\n    --b") == "  python -m experiments fit --a \\\n      --b"


def test_what_is_not_the_verbs_own_goes_on() -> None:
    words = ["--trainer.devices", "2", "--run=x"]
    assert call_verb("pass", pass_on, "", words) == (("--trainer.devices", "2"), Path("x"), words)
