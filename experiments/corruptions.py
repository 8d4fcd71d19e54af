"""Draw an image under every corruption of a suite, or list what the suites hold."""

from pathlib import Path
from typing import TYPE_CHECKING

from experiments.command_line.light_parser import light_parser
from experiments.pictures.figures import require_format, save_figure
from user_error import UserError

if TYPE_CHECKING:
    from experiments.sweeping.suite import Suite

EXAMPLES = """
--list
--image photo.jpg --output gallery.png
--image photo.jpg --size 256 256 --suite core
--image scan.npy --window 0 4095 --mask scan_mask.png --suite my_suite.yaml
"""


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
    parser.add_argument("--list", action="store_true", help="print the suites and what they hold, and draw nothing")
    args = parser.parse_args(argv)
    if args.list:
        from experiments.sweeping.suites import find_suite, suite_names

        print("\n\n".join(listing(find_suite(name)) for name in suite_names()))
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
