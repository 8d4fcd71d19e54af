"""Segment image files: a mask and an overlay for each, of the image's own size, and how unsure the network is."""

import sys
from collections.abc import Mapping
from pathlib import Path

from tqdm import tqdm

from experiments.checkpoints.checkpoint import describe_data, load_module
from experiments.checkpoints.opened_checkpoint import CheckpointFile
from experiments.command_line.device import add_device_argument, on_device
from experiments.command_line.light_parser import light_parser
from experiments.files.printable import escape_controls
from experiments.pictures.overlays import find_palette
from experiments.predicting.inputs import find_inputs
from experiments.predicting.marked_results import require_free
from experiments.predicting.segmenter import Segmenter, reading_of
from user_error import UserError

DESCRIPTION = """\
Segment image files: NAME_mask.png holds class ids as a palette image, NAME_overlay.png shows them. An image is seen
at the size of the training's, as in a sweep (where that cut images, whole and at the same scale), and the answer is
brought back to its own.
With --uncertainty NAME_entropy.png says how unsure the network is, from black (sure) to white (a guess); of an
ensemble NAME_mutual_information.png is the part that its members do not share, and NAME_disagreement.png the
share of members that vote for another class than most.
Nothing is overwritten: before anything is written, a result's name that is taken is refused; with --overwrite what an
earlier predict wrote is replaced, and nothing else. Such results among the inputs are left out.
The exit status is 0 where all images were segmented, 2 where one could not be read (the others are written, and each
failure is told in a line) or nothing was begun, 1 where the disk refused."""
EXAMPLES = """
--checkpoint runs/camvid_fpn/best.ckpt photo.jpg --output predicted
--checkpoint runs/camvid_fpn/best.ckpt photos/ more/ --output predicted
--checkpoint runs/ensemble/best.ckpt photos/ --output predicted --uncertainty
--checkpoint runs/camvid_fpn/best.ckpt photo.jpg --output predicted --native-size
--checkpoint runs/camvid_fpn/last.ckpt photos/ --output predicted --overwrite
"""


def segment(segmenter: Segmenter, places: Mapping[Path, Path]) -> None:
    """Write what is said of all files, by the place of their results; one that cannot be read does not stop the others.

    Raises:
        UserError: some could not be read.
        OSError: a result cannot be written.
    """
    failures = []
    for place, file in tqdm(places.items(), desc="predict", unit="img"):
        try:
            segmenter.write(file, place)
        except UserError as error:
            if len(places) == 1:
                raise
            failures.append(file)
            tqdm.write(f"not segmented: {escape_controls(str(error))}", file=sys.stderr)
    if failures:
        written = len(places) - len(failures)
        raise UserError(
            f"{len(failures)} of {len(places)} images could not be segmented, the first is {str(failures[0])!r}: mend or remove "
            f"what is named above ({f'the results of the other {written} are' if written else 'nothing was'} written)"
        )


def main(argv: list[str]) -> None:
    """The verb."""
    parser = light_parser("predict", DESCRIPTION, EXAMPLES)
    parser.add_argument("inputs", nargs="+", type=Path, metavar="INPUT", help="image files and folders of them")
    parser.add_argument("--checkpoint", required=True, type=Path, help="file that 'fit' wrote")
    parser.add_argument("--output", required=True, type=Path, help="folder for the results")
    add_device_argument(parser)
    parser.add_argument("--uncertainty", action="store_true", help="write maps of it, too")
    parser.add_argument("--native-size", action="store_true", help="see images at their own size")
    parser.add_argument("--overwrite", action="store_true", help="replace what an earlier predict wrote")
    args = parser.parse_args(argv)
    inputs = find_inputs(args.inputs)
    file = CheckpointFile(args.checkpoint)
    module = on_device(load_module(file), args.device)
    described = describe_data(file)
    learned = None if args.native_size else described.get("size")
    segmenter = Segmenter(
        module,
        reading_of(described, module.hparams["in_channels"]),
        None if learned is None else (learned[0], learned[1]),
        described.get("aspect", "squash"),
        find_palette(described.get("palette"), module.num_classes),
        args.uncertainty,
    )
    places = {args.output / place: path for place, path in inputs.files.items()}
    require_free([result for place in places for result in segmenter.name_results(place)], args.overwrite)
    for line in inputs.describe_left_out():
        print(line)
    segment(segmenter, places)
    print(f"{len(places)} masks and overlays: {args.output}")
