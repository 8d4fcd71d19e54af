"""Segment image files: a mask and an overlay for each, of the image's own size, and maps of uncertainty."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from tqdm import tqdm

from experiments.checkpoints.checkpoint import describe_data, load_module
from experiments.checkpoints.opened_checkpoint import CheckpointFile
from experiments.command_line.device import AUTO, move_to_device
from experiments.command_line.verb_parser import Option, call_verb
from experiments.files.printable import escape_controls
from experiments.pictures.overlays import find_palette
from experiments.predicting.inputs import find_inputs
from experiments.predicting.marked_results import require_free
from experiments.predicting.segmenter import Segmenter, make_reading
from user_error import UserError

EXAMPLES = """
--checkpoint runs/camvid_fpn/best.ckpt photo.jpg --output predicted
--checkpoint runs/camvid_fpn/best.ckpt photos/ more/ --output predicted
--checkpoint runs/ensemble/best.ckpt photos/ --output predicted --uncertainty
--checkpoint runs/camvid_fpn/best.ckpt photo.jpg --output predicted --native-size
--checkpoint runs/camvid_fpn/last.ckpt photos/ --output predicted --overwrite
"""


def segment(segmenter: Segmenter, places: Mapping[Path, Path]) -> None:
    """Segment all files, given by the path of their results; one that cannot be read does not stop the others.

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


def predict_files(
    inputs: Annotated[list[Path], Option(metavar="INPUT")],
    /,
    *,
    checkpoint: Path,
    output: Path,
    device: str = AUTO,
    uncertainty: bool = False,
    native_size: bool = False,
    overwrite: bool = False,
) -> None:
    """Segment image files.

    NAME_mask.png holds class ids as a palette image, NAME_overlay.png shows them. Images are resized as in the
    training and in a sweep (where the training cropped images, they are kept complete at the same scale), and the
    prediction is resized back.
    With --uncertainty NAME_entropy.png shows the predictive entropy, from black (certain) to white (uniform); for an
    ensemble NAME_mutual_information.png shows the part due to disagreement of its members, and NAME_disagreement.png
    the fraction of members that vote for another class than the majority.
    Nothing is overwritten: existing files are refused before anything is written; with --overwrite the results of an
    earlier predict are replaced, and nothing else. Such results among the inputs are left out.
    The exit status is 0 where all images were segmented, 2 where one could not be read (the others are written, and each
    failure is printed in a line) or nothing was begun, 1 where a file could not be written.

    Args:
        inputs: image files and folders of them.
        checkpoint: file that 'fit' wrote.
        output: folder for the results.
        device: cpu, cuda, ... (default: a GPU where there is one).
        uncertainty: write maps of it, too.
        native_size: do not resize images.
        overwrite: replace what an earlier predict wrote.

    Raises:
        UserError: an input is not an image, a result exists already, or an image cannot be read.
    """
    found = find_inputs(inputs)
    file = CheckpointFile(checkpoint)
    module = move_to_device(load_module(file), device)
    described = describe_data(file)
    learned = None if native_size else described.get("size")
    segmenter = Segmenter(
        module,
        make_reading(described, module.hparams["in_channels"]),
        None if learned is None else (learned[0], learned[1]),
        described.get("aspect", "squash"),
        find_palette(described.get("palette"), module.num_classes),
        uncertainty,
    )
    places = {output / place: path for place, path in found.files.items()}
    require_free([result for place in places for result in segmenter.name_results(place)], overwrite)
    for line in found.describe_left_out():
        print(line)
    segment(segmenter, places)
    print(f"{len(places)} masks and overlays: {output}")


def main(argv: list[str]) -> None:
    """The verb."""
    call_verb("predict", predict_files, EXAMPLES, argv)
