"""Figures: line styles and file formats."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.files.atomic_write import atomic_write
from experiments.files.replaceable import SOFTWARE, require_picture
from user_error import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg", ".pdf")

COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
)  # Okabe & Ito, colour-blind safe
LINES = ("-", "--", "-.", ":")


def find_line_style(place: int) -> dict[str, Any]:
    """Line of the record at a place."""
    colour, line = COLOURS[place % len(COLOURS)], LINES[place // len(COLOURS) % len(LINES)]
    return {"color": colour, "linestyle": line, "marker": "o"}


def require_format(path: Path) -> None:
    """Refuse a picture of a kind that cannot be drawn, and to draw over one of the user's.

    Raises:
        UserError: its suffix is not one of `FORMATS`, or a picture is there that was not drawn here.
        OSError: it cannot be written.
    """
    if path.suffix not in FORMATS:
        raise UserError(f"cannot draw a {path.suffix or 'file without a suffix'}: name it *.png, *.svg or *.pdf")
    require_picture(path, FORMATS)


def save_figure(figure: "Figure", path: Path, dpi: float = 130) -> None:
    """Write a figure in the format that its suffix names, atomically.

    Raises:
        OSError: the folder cannot be written or the disk is full.
    """
    with atomic_write(path, "wb") as file:
        name = "Software" if path.suffix == ".png" else "Creator"
        figure.savefig(file, format=path.suffix[1:], dpi=dpi, metadata={name: SOFTWARE})
