"""Every network YAML, with a small encoder, as a file of each format for images of any size.

``python tests/scan_exports.py`` prints the table of docs/export.md, and why a network has no file.
"""

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)] * (str(ROOT) not in sys.path)

import torchvision_operators  # noqa: E402, F401  # isort: skip  # before smp
from networks import PATHS, make  # noqa: E402
from tqdm import tqdm  # noqa: E402

from experiments.exporting.exported_module import Logits, require_recordable  # noqa: E402
from experiments.exporting.exported_program import RUNTIMES, export_program  # noqa: E402
from experiments.files.tables import make_markdown_table  # noqa: E402
from lightning_modules.segmentation import SegmentationModule  # noqa: E402
from user_error import UserError, shorten  # noqa: E402

CLASSES, CHANNELS = 4, 3


class Found(NamedTuple):
    """What became of a network in a format: the largest difference of a logit, or why there is no file."""

    stem: str
    format: str
    difference: float | None
    reason: str = ""


def scan_network(path: Path) -> list[Found]:
    """A network in all formats; in none where no graph holds it for images of any size."""
    module = SegmentationModule(lambda classes, channels: make(path, classes, channels), CLASSES, CHANNELS)
    network = Logits(module)
    try:
        require_recordable(network, None)
    except UserError:
        return []
    found = []
    for format in RUNTIMES:
        try:
            exported = export_program(network, format, CHANNELS, None, {})
        except UserError as error:
            found.append(Found(path.stem, format, None, shorten(error)))
        else:
            found.append(Found(path.stem, format, exported.parity.difference))
    return found


def describe(found: list[Found]) -> str:
    """A row for each format, and below a line for each network that it lacks."""
    rows, lines = [], []
    for format in RUNTIMES:
        of_it = [one for one in found if one.format == format]
        written = [one.difference for one in of_it if one.difference is not None]
        largest = f"{max(written):.0e}" if written else "-"
        rows.append([f"`{format}`", f"{len(written)} of {len(of_it)}", largest])
        lines += [f"- {format}: {one.stem}: {one.reason}" for one in of_it if one.difference is None]
    return "\n".join(
        [make_markdown_table(["format", "for any size", "largest difference of a logit"], rows, (0,)), *lines]
    )


def main() -> None:
    """Scan, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [path.stem for path in PATHS]
    parser.add_argument("networks", nargs="*", default=names, choices=names, metavar="NAME", help="only these")
    chosen = parser.parse_args().networks
    paths = [path for path in PATHS if path.stem in chosen]
    print(describe([one for path in tqdm(paths, desc="export", unit="network") for one in scan_network(path)]))


if __name__ == "__main__":
    main()
