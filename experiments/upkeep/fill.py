"""Fill the generated blocks of a page with the output of the commands that they name."""

import contextlib
import importlib
import io
import shlex
from collections.abc import Sequence
from glob import glob
from pathlib import Path
from typing import Annotated

from experiments.command_line.verb_parser import Option, call_verb
from experiments.command_line.verbs import name_module
from experiments.files.atomic_write import atomic_write
from plain_values import show
from safe_files.text import MEBI, read_text
from user_error import UserError

EXAMPLES = """
README.md docs/networks.md
--check README.md docs/*.md
"""

OPTIONS = {
    "leaderboard": (
        *(
            "--published",
            "--reference",
            "--costs",
            "--metric",
            "--empty",
            "--by",
            "--only",
            "--format",
            "--allow-mixed",
        ),
    ),
    "compare": ("--metric", "--empty", "--margin", "--permutations", "--seed", "--format"),
    "recipes": ("--with", "--metric", "--empty", "--margin", "--among", "--by", "--format"),
    "effects": ("--format",),
    "failure": ("--reference", "--by", "--format"),
    "proxy": ("--published", "--by", "--keep-broken", "--format"),
    "tradeoff": ("--costs", "--metric", "--format", "--seeds-together"),
    "corruptions": ("--parameters", "--compared"),
}
"""Verbs that a page may call, which read records or the parameters of corruptions, and their options for printing."""

VERBS = tuple(OPTIONS)

OPENED, OPENING, CLOSED = "<!-- fill: ", " -->", "<!-- /fill -->"

MOST_PATTERNS = 3
"""Most parts of a path that are patterns: the search time is exponential in their number."""

LARGEST = 4 * MEBI

REMEDY = "pass a Markdown page"


def run(words: Sequence[str]) -> str:
    """Run a verb and return its output; patterns of files are relative to the working directory.

    Raises:
        UserError: a page may not use the verb or an option, or a pattern matches no file.
    """
    verb, *rest = words or [""]
    if verb not in OPTIONS:
        raise UserError(f"a page cannot call {show(verb)}: its blocks may hold {', '.join(VERBS)}")
    for word in rest:
        if word.startswith("-") and word.partition("=")[0] not in OPTIONS[verb]:
            raise UserError(
                f"a page cannot write files, or ask for more than {', '.join(OPTIONS[verb])}: leave {show(word)} out of its "
                f"block of {verb!r}"
            )
    arguments = [file for word in rest for file in _expand_pattern(word, verb)]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        importlib.import_module(name_module(verb)).main(arguments)
    return printed.getvalue()


def _expand_pattern(word: str, verb: str) -> list[str]:
    """The files that match a pattern, or the word itself."""
    if not set("*[") & set(word):
        return [word]
    if sum(bool(set("*[") & set(part)) for part in word.split("/")) > MOST_PATTERNS:
        raise UserError(f"{show(word)} has more than {MOST_PATTERNS} folders of patterns: name the folders")
    found = sorted(glob(word))
    if not found:
        raise UserError(f"no file fits {show(word)}, which a page calls {verb!r} with")
    return found


def fill_text(text: str) -> str:
    """Fill each block between ``<!-- fill: VERB ... -->`` and ``<!-- /fill -->`` with the output of its command.

    Raises:
        UserError: a block is not closed, or a command cannot be run.
    """
    lines: list[str] = []
    command: str | None = None
    for line in text.split("\n"):
        opens, closes = line.startswith(OPENED) and line.endswith(OPENING), line == CLOSED
        marked = OPENED in line or CLOSED in line
        if marked != (opens or closes) or (marked and opens != (command is None)):
            raise _make_unclosed_error()
        if command is not None and closes:
            lines += ["", *call(command).split("\n"), ""]
            command = None
        if command is None:
            lines.append(line)
        if opens:
            command = line.removeprefix(OPENED).removesuffix(OPENING)
    if command is not None:
        raise _make_unclosed_error()
    return "\n".join(lines)


def _make_unclosed_error() -> UserError:
    return UserError(f"a block of the page is not closed: each {OPENED!r} line needs a {CLOSED!r} line after it")


def call(command: str) -> str:
    """Run the command of a block, and return its output as it appears in the page."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UserError(f"a block of the page calls {show(command)} ({error}): close what is quoted") from error
    printed = run(words).strip("\n")
    if "sentences" in words:  # a quotation
        printed = "\n".join(f"> {line}" for line in printed.splitlines())
    return printed


def fill_pages(pages: Annotated[list[Path], Option(metavar="PAGE")], /, *, check: bool = False) -> None:
    """Fill pages from records and declarations of corruptions.

    Each block between '<!-- fill: VERB ARGUMENTS -->' and '<!-- /fill -->' gets what that command prints.

    Args:
        pages: Markdown files.
        check: change nothing; exit with 2 where a page would change.

    Raises:
        UserError: a page cannot be read, or would change under `check`.
    """
    changed = []
    for page in pages:
        try:
            before = read_text(page, REMEDY, LARGEST)
        except OSError as error:
            raise UserError(f"cannot read the page {str(page)!r}: {error}") from error
        after = fill_text(before)
        if after == before:
            continue
        changed.append(str(page))
        if not check:
            with atomic_write(page) as file:
                file.write(after)
    if check and changed:
        raise UserError(f"{', '.join(changed)} would change: call 'make results'")
    print(f"filled: {', '.join(changed)}" if changed else "every page says what the records say")


def main(argv: list[str]) -> None:
    """The verb."""
    call_verb("fill", fill_pages, EXAMPLES, argv)
