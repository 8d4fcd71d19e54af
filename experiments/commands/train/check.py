"""Check a data set before training: its content, what is wrong with it, and how to fix it."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

from experiments.command_line.chosen_data import ChosenData
from experiments.command_line.verb_parser import Option, call_verb
from experiments.files.atomic_write import atomic_write
from experiments.files.replaceable import require_json, require_picture
from safe_files.roots import find_data
from user_error import UserError

if TYPE_CHECKING:
    from datamodules.base import SegmentationDataModule

WRONG = 3
"""Exit status where something is certainly wrong."""

EXAMPLES = """
data/mine
--data data/mine --output mine.png --images 9
--data experiments/configs/data/camvid.yaml --data.init_args.root data/camvid --json findings.json
"""


def check_data(
    *,
    data: ChosenData,
    output: Annotated[Path, Option(formerly="--picture")] = Path("check.png"),
    images: int = 6,
    json: Path | None = None,
) -> None:
    """Read all splits of a data set once, before training.

    Counts and kinds of files, sizes, fractions of the classes, orientation tags, unreadable files, units and images that
    two splits share, pictures that look alike. Findings are printed with the lines that fix them, and a contact sheet
    shows some images of each split with their masks. For a folder without a dataset.yaml, one is proposed.

    The exit status is 0 where nothing is certainly wrong (there may be suspicions to look at), 3 where something is, 2
    where the command or the description of the data cannot be used.

    Args:
        data: that are read.
        output: contact sheet to write.
        images: of each split on it.
        json: write the findings to this file as well.

    Raises:
        UserError: there is nothing to show, or another file would be overwritten.
        SystemExit: something is wrong.
    """
    if images < 1:
        raise UserError(f"--images {images}: give 1 or more")
    require_picture(output)
    if json is not None:
        require_json(json, lambda found: isinstance(found, list), "findings")
    if run(data.module, output, images, json):
        sys.stdout.flush()
        raise SystemExit(WRONG)


def main(argv: list[str]) -> None:
    """The verb.

    Raises:
        SystemExit: something is wrong.
    """
    words, folder = _expand_folder(argv)
    if folder is not None and not (folder / "dataset.yaml").is_file():
        print(explain(folder), end="")
        raise SystemExit(WRONG)
    call_verb("check", check_data, EXAMPLES, words)


def _expand_folder(argv: list[str]) -> tuple[list[str], Path | None]:
    """Expand a folder in place of ``--data YAML`` to the settings of its data module."""
    words = list(argv)
    if words and not words[0].startswith("-"):
        words = ["--data", *words]
    for place, word in enumerate(words):
        name, equals, value = word.partition("=")
        rest = place + 1 if equals else place + 2
        value = value if equals else "".join(words[place + 1 : place + 2])
        if name == "--data" and value and find_data(value).is_dir():
            named = ["--data=datamodules.datasets.folder.FolderDataModule", f"--data.init_args.root={value}"]
            return [*words[:place], *named, *words[rest:]], find_data(value)
        if (
            name == "--data"
            and value
            and not Path(value).exists()
            and ("/" in value and not value.endswith((".yaml", ".yml")))
        ):
            raise UserError(
                f"there is no folder {value!r}: pass the data folder, or --data and the YAML of a data module"
            )
    return words, None


def explain(root: Path) -> str:
    """Describe a folder without ``dataset.yaml``, and how to make it readable."""
    from datamodules.reading.layouts import LAYOUT, explain_layout
    from experiments.data_check.proposal import propose_description

    layout = explain_layout(root)
    try:
        proposed = None if (root / "dataset.yml").is_file() else propose_description(root)
    except UserError as error:
        proposed, layout = None, f"{layout or ''}\n{error}".strip()
    lines = [f"{root} has no dataset.yaml, by which a data folder says what its masks mean"]
    lines.append(layout or f"it is like no layout that is known: put the images and masks into {LAYOUT}")
    if proposed is not None:
        lines.append(f"a dataset.yaml that its files would fit:\n\n{proposed}")
    return "\n".join(lines).rstrip("\n") + "\n"


def run(data: "SegmentationDataModule", picture: Path, number: int, findings: Path | None) -> bool:
    """Read the data, print the findings and draw the contact sheet; whether something is wrong.

    Args:
        data: the data module.
        picture: contact sheet to write.
        number: images of each split on it.
        findings: JSON file to write, if any.
    """
    from datamodules.base import Split
    from experiments.data_check import contact_sheet
    from experiments.data_check.findings import describe
    from experiments.data_check.judge import judge
    from experiments.data_check.overview import describe_splits
    from experiments.data_check.scan import list_splits, scan

    splits = list_splits(data, get_args(Split))
    scan(data, splits)
    found = judge(data, splits)
    print(describe_splits(data, splits) + describe(found), end="")
    if findings is not None:
        with atomic_write(findings) as file:
            json.dump([one.as_json() for one in found], file, indent=1)
        print(f"findings: {findings}")
    if any(split.readable for split in splits.values()):
        contact_sheet.write(data, splits, number, picture)
        print(f"contact sheet: {picture}")
    return any(one.level == "wrong" for one in found)
