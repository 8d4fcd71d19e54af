"""Draw an image under every corruption of a suite, list the suites, or print the parameters of their severities."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from experiments.command_line.verb_parser import Option, call_verb
from experiments.evaluation.order import Order
from experiments.files.tables import make_markdown_table
from experiments.pictures.figures import require_format, save_figure
from user_error import UserError

if TYPE_CHECKING:
    from datamodules.corruptions.base import Corruption
    from experiments.sweeping.suite import Suite

EXAMPLES = """
--list
--parameters imagenet_c mri
--compared
--image photo.jpg --output gallery.png
--image photo.jpg --size 256 256 --suite core
--image room.png --depth room.npy --suite common_3d
--image scan.npy --window 0 4095 --mask scan_mask.png --suite my_suite.yaml
"""


LONGEST = 4
"""Number of values of one parameter up to which each is shown."""


def list_suite(suite: "Suite") -> str:
    """A suite's corruptions, each with its family and severities, on lines of their own."""
    lines = [f"{suite.name} (version {suite.version}, {len(suite.corruptions)} corruptions)"]
    for one in suite.corruptions:
        severities = " ".join(map(str, suite.severities[one.name]))
        lines.append(f"  {one.family:<12} {one.name:<26} severities {severities}")
    if suite.missing is not None:
        lines.append("  modality     every set of missing channels, as the data have them")
    shifts = {"as the data state": []} if suite.shifts == "stated" else suite.shifts
    lines += [
        f"  shift        {column}: {', '.join(map(str, values))}".rstrip(": ") for column, values in shifts.items()
    ]
    return "\n".join(lines)


def make_parameter_table(names: Sequence[str]) -> str:
    """Markdown: the parameters of every corruption of the suites of the project, at severities 1 to 5.

    Raises:
        UserError: the project has no such suite. Paths are refused, since pages may call this and other suites are code.
    """
    from experiments.sweeping.suites import find_suite, list_suites

    unknown = [name for name in names if name not in list_suites()]
    if unknown:
        raise UserError(f"the project has no suite {unknown[0]!r}: pass some of {', '.join(list_suites())}")
    corruptions = {one.name: one for name in names for one in find_suite(name).corruptions}
    rows = [
        [one.name, _format_declaration(one), "yes" * one.exact, "stay as they are" * one.colour_only]
        for one in corruptions.values()
    ]
    titles = ["corruption", "at severities 1 to 5", "exact", "channels other than three"]
    return make_markdown_table(titles, rows, left=(0, 1, 2, 3))


def _format_declaration(corruption: "Corruption") -> str:
    """Format each parameter with its five values, and the constant ones."""
    varied = [f"{name} {' '.join(map(_format_value, values))}" for name, values in corruption.severities.items()]
    return ", ".join(varied + [f"{name} {_format_value(value)}" for name, value in corruption.constants.items()])


def _format_value(value: Any) -> str:
    if isinstance(value, list | tuple):
        shown = [_format_value(one) for one in value]
        return f"({shown[0]} to {shown[-1]})" if len(shown) > LONGEST else f"({', '.join(shown)})"
    if isinstance(value, dict):
        return f"({', '.join(f'{key}={_format_value(one)}' for key, one in value.items())})"
    if value is None:
        return "-"
    return f"{value:g}" if isinstance(value, float) else str(value)


def draw_corruptions(
    *,
    image: Path | None = None,
    mask: Path | None = None,
    depth: Path | None = None,
    suite: str = "imagenet_c",
    output: Path = Path("gallery.png"),
    size: Annotated[tuple[int, int] | None, Option(metavar=("H", "W"))] = None,
    order: Order | None = None,
    seed: int = 0,
    window: Annotated[tuple[float, float] | None, Option(metavar=("LOW", "HIGH"))] = None,
    parameters: Annotated[list[str] | None, Option(metavar="SUITE")] = None,
    list_: bool = False,
    compared: bool = False,
) -> None:
    """Draw an image under every corruption of a suite, a row for each and a column for each severity.

    The PSNR to the clean image stands under each tile. The image's id is the file's name without its extension: the
    tiles have the pixels of a sweep with the same seed over an image of that id at that size.

    Args:
        image: image file, or .npy array (height x width x channels).
        mask: its mask of class ids, for corruptions that read it.
        depth: its depth in metres, a .npy array (height x width), for corruptions that need it.
        suite: a suite's name or the path of its YAML.
        output: picture to write: .png, .svg or .pdf.
        size: resize the image, as a data set of this size does.
        order: whether it is corrupted before that or after it (default: the suite's).
        seed: of the corruptions, as in 'benchmark'.
        window: levels that become 0 and 255, beyond 8 bits.
        parameters: print the parameters of severities in suites of the project.
        list_: print the suites and their corruptions, and draw nothing.
        compared: print what stands here for the corruptions of MedMNIST-C and MedFM-Robust.

    Raises:
        UserError: there is nothing to draw.
    """
    if list_:
        from experiments.sweeping.suites import find_suite, list_suites

        print("\n\n".join(list_suite(find_suite(name)) for name in list_suites()))
        return
    if parameters:
        print(make_parameter_table(parameters))
        return
    if compared:
        from experiments.measuring.other_benchmarks import make_counterpart_table

        print(make_counterpart_table())
        return
    if image is None:
        raise UserError("there is nothing to draw: pass --image FILE, or --list to see the suites")
    require_format(output)
    if window and not window[0] < window[1]:
        raise UserError(f"the window {window[0]} to {window[1]} is empty: pass the lower level first")
    draw_gallery(image, mask, suite, output, size, seed, window, order, depth)
    print(f"gallery: {output}")


def main(argv: list[str]) -> None:
    """The verb."""
    call_verb("corruptions", draw_corruptions, EXAMPLES, argv)


def draw_gallery(
    image: Path,
    mask: Path | None,
    suite_name: str,
    output: Path,
    size: tuple[int, int] | None,
    seed: int,
    window: tuple[float, float] | None,
    order: Order | None = None,
    depth: Path | None = None,
) -> None:
    """Draw the gallery; the arguments are the options of the verb.

    Raises:
        UserError: there is no such suite, or a file cannot be used.
    """
    from experiments.pictures.gallery import draw, make_tiles, read_sample, resize_sample
    from experiments.sweeping.suites import find_suite

    suite = find_suite(suite_name)
    suite.seed, suite.order = seed, order or suite.order
    fitted = size and (size[0], size[1])
    sample = read_sample(image, mask, window and (window[0], window[1]), depth)
    clean = resize_sample(sample, fitted)["image"]
    height, width, channels = clean.shape
    own = sample["image"].shape[:2]
    resized = suite.corrupts_files(clean.shape[:2] != own)
    where = f", corrupted at {own[0]} x {own[1]}" if resized else ""
    title = (
        f"image {image.stem}, {height} x {width}, {channels} channel{'s' * (channels != 1)}{where}\n"
        f"suite {suite.name}, version {suite.version}, seed {seed}\n"
        "below each tile: PSNR to the clean image"
    )
    figure = draw(make_tiles(sample, suite, image.stem, fitted), clean, title)
    save_figure(figure, output, figure.dpi)
