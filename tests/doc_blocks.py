"""Code that README and docs show, as the files that it says it is."""

import re
from pathlib import Path

from command_line import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(python|yaml|bash)\n(.*?)^```", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"^# ((?:\w+/)+\w+\.(?:py|yaml))\b")
"""The first line of a block that is a whole file."""


def find_blocks(page: Path, language: str) -> list[str]:
    """Blocks of a page in a language."""
    return [text for kind, text in BLOCK.findall(page.read_text(encoding="utf-8")) if kind == language]


def find_files() -> dict[str, str]:
    """Contents of the files that pages show, by their paths in the project."""
    found = {}
    for page in PAGES:
        for text in (*find_blocks(page, "python"), *find_blocks(page, "yaml")):
            if path := FILE.match(text):
                assert found.setdefault(path[1], text) == text, path[1]
    return found


def find_commands(page: Path, heading: str) -> list[list[str]]:
    """Words of the commands in the first bash block below a heading, less ``python -m experiments``."""
    text = page.read_text(encoding="utf-8").partition(f"{heading}\n")[2]
    (block,) = [found for kind, found in BLOCK.findall(text) if kind == "bash"][:1]
    lines = block.replace("\\\n", " ").splitlines()
    return [line.split("#")[0].split()[3:] for line in lines if line.startswith("python -m experiments ")]
