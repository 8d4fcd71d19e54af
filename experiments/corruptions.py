"""Draw an image under every corruption of a suite, list what the suites hold, or what their severities stand for."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.command_line.light_parser import light_parser
from experiments.files.tables import markdown_table
from experiments.pictures.figures import require_format, save_figure
from user_error import UserError

if TYPE_CHECKING:
    from datamodules.corruptions.base import Corruption
    from experiments.sweeping.suite import Suite

EXAMPLES = """
--list
--parameters imagenet_c mri
--image photo.jpg --output gallery.png
--image photo.jpg --size 256 256 --suite core
--image scan.npy --window 0 4095 --mask scan_mask.png --suite my_suite.yaml
"""


LONGEST = 4
"""So many values of one parameter are shown one by one."""


def listing(suite: "Suite") -> str:
    """A suite's corruptions, each with its family and severities, on lines of their own."""
    lines = [f"{suite.name} (version {suite.version}, {len(suite.corruptions)} corruptions)"]
    for one in suite.corruptions:
        severities = " ".join(map(str, suite.severities[one.name]))
        lines.append(f"  {one.family:<12} {one.name:<26} severities {severities}")
    if suite.missing is not None:
        lines.append("  modality     every set of missing channels, as the data have them")
    lines += [f"  shift        {column}: {', '.join(map(str, values))}" for column, values in suite.shifts.items()]
    return "\n".join(lines)


def parameter_table(names: Sequence[str]) -> str:
    """Markdown: the parameters of every corruption of the suites of the project, at severities 1 to 5.

    Raises:
        UserError: there is no such suite. A path is none: a page may ask for a table, and a suite of others is code.
    """
    from experiments.sweeping.suites import find_suite, suite_names

    unknown = [name for name in names if name not in suite_names()]
    if unknown:
        raise UserError(f"the project has no suite {unknown[0]!r}: pass some of {', '.join(suite_names())}")
    corruptions = {one.name: one for name in names for one in find_suite(name).corruptions}
    rows = [
        [one.name, _declared(one), "yes" * one.exact, "stay as they are" * one.colour_only]
        for one in corruptions.values()
    ]
    titles = ["corruption", "at severities 1 to 5", "exact", "channels other than three"]
    return markdown_table(titles, rows, left=(0, 1, 2, 3))


def _declared(corruption: "Corruption") -> str:
    """Each parameter with its five values, and those that are always the same."""
    varied = [f"{name} {' '.join(map(_shown, values))}" for name, values in corruption.severities.items()]
    return ", ".join(varied + [f"{name} {_shown(value)}" for name, value in corruption.constants.items()])


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        shown = [_shown(one) for one in value]
        return f"({shown[0]} to {shown[-1]})" if len(shown) > LONGEST else f"({', '.join(shown)})"
    if isinstance(value, dict):
        return f"({', '.join(f'{key}={_shown(one)}' for key, one in value.items())})"
    if value is None:
        return "-"
    return f"{value:g}" if isinstance(value, float) else str(value)


def main(argv: list[str]) -> None:
    """The verb."""
    parser = light_parser(
        "corruptions",
        "Draw an image under every corruption of a suite, a row for each and a column for each severity, with the PSNR\n"
        "to the clean image under each tile. The image's id is the file's name without its extension: the tiles are the\n"
        "pixels that a sweep with the same seed meets for an image of that id at that size.",
        EXAMPLES,
    )
    parser.add_argument("--image", type=Path, help="image file, or .npy array (height x width x channels)")
    parser.add_argument("--mask", type=Path, help="its mask of class ids, for corruptions that read it")
    parser.add_argument("--suite", default="imagenet_c", help="a suite's name or the path of its YAML")
    parser.add_argument("--output", type=Path, default=Path("gallery.png"), help="picture to write: .png, .svg or .pdf")
    parser.add_argument(
        "--size", type=int, nargs=2, metavar=("H", "W"), help="resize the image first, as a data set of this size does"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the corruptions, as in 'benchmark'")
    parser.add_argument(
        "--window", type=float, nargs=2, metavar=("LOW", "HIGH"), help="levels that become 0 and 255, beyond 8 bits"
    )
    parser.add_argument(
        "--parameters", nargs="+", metavar="SUITE", help="print what severities stand for in suites of the project"
    )
    parser.add_argument("--list", action="store_true", help="print the suites and what they hold, and draw nothing")
    args = parser.parse_args(argv)
    if args.list:
        from experiments.sweeping.suites import find_suite, suite_names

        print("\n\n".join(listing(find_suite(name)) for name in suite_names()))
        return
    if args.parameters:
        print(parameter_table(args.parameters))
        return
    if args.image is None:
        raise UserError("there is nothing to draw: pass --image FILE, or --list to see the suites")
    require_format(args.output)
    if args.window and not args.window[0] < args.window[1]:
        raise UserError(f"the window {args.window[0]} to {args.window[1]} is empty: pass the lower level first")
    gallery(args.image, args.mask, args.suite, args.output, args.size, args.seed, args.window)
    print(f"gallery: {args.output}")


def gallery(
    image: Path,
    mask: Path | None,
    suite_name: str,
    output: Path,
    size: tuple[int, int] | None,
    seed: int,
    window: tuple[float, float] | None,
) -> None:
    """Draw one; the arguments are the options of the verb.

    Raises:
        UserError: there is no such suite, or a file cannot be used.
    """
    from experiments.pictures.gallery import draw, make_tiles, read_sample, resized
    from experiments.sweeping.suites import find_suite

    suite = find_suite(suite_name)
    suite.seed = seed
    sample = resized(read_sample(image, mask, window and (window[0], window[1])), size and (size[0], size[1]))
    height, width, channels = sample["image"].shape
    title = (
        f"image {image.stem}, {height} x {width}, {channels} channel{'s' * (channels != 1)}\n"
        f"suite {suite.name}, version {suite.version}, seed {seed}\n"
        "below each tile: PSNR to the clean image"
    )
    figure = draw(make_tiles(sample, suite, image.stem), sample["image"], title)
    save_figure(figure, output, figure.dpi)
