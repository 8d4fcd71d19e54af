"""Fill the tables and sentences of a page with what the records say, by the commands that stand in it."""

import contextlib
import importlib
import io
import re
import shlex
from collections.abc import Sequence
from glob import glob
from pathlib import Path

from experiments.command_line.light_parser import light_parser
from experiments.files.whole import whole_file
from user_error import UserError

EXAMPLES = """
README.md docs/networks.md
--check README.md docs/*.md
"""

VERBS = ("leaderboard", "compare", "recipes", "effects", "tradeoff")
"""What a page may call: verbs that read records and print what they say."""

OPENED, CLOSED = "<!-- fill: ", "<!-- /fill -->"

BLOCK = re.compile(r"^(<!-- fill: (?P<words>[^\n]+) -->\n).*?^(<!-- /fill -->)$", re.MULTILINE | re.DOTALL)


def run(words: Sequence[str]) -> str:
    """What a verb prints; patterns of files are those of the folder that one is in.

    Raises:
        UserError: a verb that a page may not call, or a pattern without files.
    """
    verb, *rest = words
    if verb not in VERBS:
        raise UserError(f"a page cannot call {verb!r}: its blocks may hold {', '.join(VERBS)}")
    written = next((word for word in rest if word.startswith(("--output", "--figure"))), None)
    if written is not None:
        raise UserError(f"a page cannot write files: leave {written!r} out of its block")
    arguments: list[str] = []
    for word in rest:
        found = sorted(glob(word)) if set("*[") & set(word) else [word]
        if not found:
            raise UserError(f"no file fits {word!r}, which a page calls {verb!r} with")
        arguments += found
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        importlib.import_module(f"experiments.{verb}").main(arguments)
    return printed.getvalue()


def filled(text: str) -> str:
    """A page with the output of each block's command between ``<!-- fill: VERB ... -->`` and ``<!-- /fill -->``.

    Raises:
        UserError: a block that is not closed, or a command that cannot be run.
    """

    def block(match: re.Match[str]) -> str:
        words = shlex.split(match["words"])
        printed = run(words).strip("\n")
        if "sentences" in words:  # a quotation
            printed = "\n".join(f"> {line}" for line in printed.splitlines())
        return f"{match[1]}\n{printed}\n\n{match[3]}"

    blocks = [match[0] for match in BLOCK.finditer(text)]
    if not len(blocks) == text.count(OPENED) == text.count(CLOSED) or any(one.count(OPENED) > 1 for one in blocks):
        raise UserError(f"a block of the page is not closed: each {OPENED!r} line needs a {CLOSED!r} line after it")
    return BLOCK.sub(block, text)


def main(argv: list[str]) -> None:
    """The verb."""
    parser = light_parser(
        "fill",
        "Fill pages with what records say: each block between '<!-- fill: VERB ARGUMENTS -->' and '<!-- /fill -->' gets\n"
        f"what that command prints. A block may call {', '.join(VERBS)}.",
        EXAMPLES,
    )
    parser.add_argument("pages", nargs="+", type=Path, metavar="PAGE", help="Markdown files")
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 2 where a page would change")
    args = parser.parse_args(argv)
    changed = []
    for page in args.pages:
        try:
            before = page.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"cannot read the page {str(page)!r}: {error}") from error
        after = filled(before)
        if after == before:
            continue
        changed.append(str(page))
        if not args.check:
            with whole_file(page) as file:
                file.write(after)
    if args.check and changed:
        raise UserError(f"{', '.join(changed)} would change: call 'make results'")
    print(f"filled: {', '.join(changed)}" if changed else "every page says what the records say")
