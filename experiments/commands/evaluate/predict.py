"""Segment image files: a mask and an overlay for each, of the image's own size, and maps of uncertainty."""

import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

from PIL import Image
from tqdm import tqdm

from datamodules.reading.image_reading import is_window
from datamodules.reading.nifti import Plane
from experiments.checkpoints.checkpoint import describe_data, load_module
from experiments.checkpoints.opened_checkpoint import CheckpointFile
from experiments.command_line.device import AUTO, move_to_device
from experiments.command_line.verb_parser import Option, call_verb
from experiments.files.printable import escape_controls
from experiments.pictures.overlays import find_palette
from experiments.predicting.inputs import find_inputs
from experiments.predicting.level_rules import LevelRules, make_reading
from experiments.predicting.marked_results import require_free, require_inside
from experiments.predicting.prediction_table import NAME, require_table, write_table
from experiments.predicting.segmenter import Segmenter
from experiments.predicting.source import Look, Row, write_source
from experiments.predicting.source_plan import Plan, plan_sources, require_own_names
from experiments.predicting.tiles import require_tiles
from experiments.trust.statistics import NAMES
from experiments.trust.trust_model import TrustModel, read_trust
from user_error import UserError

EXAMPLES = """
--checkpoint runs/camvid_fpn/best.ckpt photo.jpg --output predicted
--checkpoint runs/camvid_fpn/best.ckpt photos/ more/ --output predicted
--checkpoint runs/ensemble/best.ckpt photos/ --output predicted --uncertainty
--checkpoint runs/camvid_fpn/best.ckpt photo.jpg --output predicted --native-size
--checkpoint runs/liver/best.ckpt ct_series/ volume.nii.gz --output predicted --window -160 240
--checkpoint runs/camvid_fpn/best.ckpt slide.tif --output predicted --native-size --tile 1024 1024
--checkpoint runs/camvid_fpn/best.ckpt photos/ --output predicted --trust runs/camvid_fpn/trust.json
--checkpoint runs/camvid_fpn/last.ckpt photos/ --output predicted --overwrite
"""


def segment(plan: Plan, segmenter: Segmenter, rules: LevelRules, look: Look, output: Path, rows: list[Row]) -> None:
    """Segment all files, and add the rows of the table; one that cannot be read does not stop the others.

    Raises:
        UserError: some could not be read.
        OSError: a result cannot be written.
    """
    failures = dict(plan.failures)
    if len(plan.sources) + len(failures) == 1 and failures:
        raise UserError(next(iter(failures.values())))
    for reason in dict.fromkeys(failures.values()):
        _report(reason)
    with tqdm(total=sum(source.images for source in plan.sources), desc="predict", unit="img") as progress:
        try:
            for source in plan.sources:
                try:
                    for number in write_source(source, segmenter, rules, look, rows):
                        progress.update(number)
                except UserError as error:
                    if len(plan.sources) + len(failures) == 1:
                        raise
                    failures.update(dict.fromkeys(source.files, str(error)))
                    _report(str(error))
        finally:
            if rows:
                write_table(rows, output)
    if failures:
        written = plan.files - len(failures)
        raise UserError(
            f"{len(failures)} of {plan.files} images could not be segmented, the first is {str(next(iter(failures)))!r}: mend or "
            f"remove what is named above ({f'the results of the other {written} are' if written else 'nothing was'} written)"
        )


def _report(reason: str) -> None:
    tqdm.write(f"not segmented: {escape_controls(reason)}", file=sys.stderr)


def predict_files(
    inputs: Annotated[list[Path], Option(metavar="INPUT")],
    /,
    *,
    checkpoint: Path,
    output: Path,
    device: str = AUTO,
    uncertainty: bool = False,
    trust: Path | None = None,
    native_size: bool = False,
    window: Annotated[tuple[float, float] | None, Option(metavar=("LOW", "HIGH"))] = None,
    percentiles: Annotated[tuple[float, float] | None, Option(metavar=("LOW", "HIGH"))] = None,
    axis: Plane = "axial",
    tile: Annotated[tuple[int, int] | None, Option(metavar=("H", "W"))] = None,
    overlap: float | None = None,
    repeat_grey: bool = False,
    overwrite: bool = False,
) -> None:
    """Segment image files.

    NAME_mask.png holds class ids as a palette image, NAME_overlay.png shows them; predictions.csv has the pixels, the area
    and the mean confidence of each class. A NIfTI volume is segmented slice by slice to a volume NAME_mask.nii.gz on the same
    grid, a DICOM series to pictures and NAME_seg.dcm, a TIFF file page by page.
    Images are resized as in the training and in a sweep (where the training cropped images, they are kept complete at the
    same scale), and the prediction is resized back. Levels of more than 8 bits become 8 bits by --window, else by the window
    of the checkpoint's data, else by that of the file, else by the range of its number of bits; which, is printed.
    With --uncertainty NAME_entropy.png shows the predictive entropy, from black (certain) to white (uniform); for an
    ensemble NAME_mutual_information.png shows the part due to disagreement of its members, and NAME_disagreement.png
    the fraction of members that vote for another class than the majority.
    With --trust predictions.csv says of each image what it most resembles, how far it lies from the training images, and
    whether its mask is to be trusted; those that are not are counted. It takes one more pass, or two of an ensemble.
    Nothing is overwritten: existing files are refused before anything is written; with --overwrite the results of an
    earlier predict are replaced, and nothing else. Such results among the inputs are left out.
    The exit status is 0 where all images were segmented, 2 where one could not be read (the others are written, and each
    failure is printed in a line) or nothing was begun, 1 where a file could not be written.

    Args:
        inputs: image files, folders of them, and patterns such as 'photos/*.png'.
        checkpoint: file that 'fit' wrote.
        output: folder for the results.
        device: cpu, cuda, ... (default: a GPU where there is one).
        uncertainty: write maps of it, too.
        trust: file that 'trust' wrote of this checkpoint.
        native_size: do not resize images.
        window: the levels that become black and white, of DICOM, of volumes, and of pictures of more than 8 bits.
        percentiles: of the levels of each volume that become black and white, such as 0.5 99.5.
        axis: the plane through which volumes are cut, whatever the order of their axes.
        tile: cut images of their own size into tiles of this height and width (default: 1024 x 1024 beyond 4 million pixels).
        overlap: fraction of a tile that the next one shares (default: 0.25).
        repeat_grey: repeat an image of one channel for all that the network takes.
        overwrite: replace what an earlier predict wrote.

    Raises:
        UserError: an input is not an image, a result exists already, or an image cannot be read.
    """
    _require_levels(window, percentiles)
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # what is too large, is refused in words
    found = find_inputs(inputs)
    file = CheckpointFile(checkpoint)
    module = move_to_device(load_module(file), device)
    described = describe_data(file)
    learned = None if native_size else described.get("size")
    size = None if learned is None else (learned[0], learned[1])
    require_tiles(module, size, tile, overlap)
    known = None if trust is None else _read_trust(trust, file.sha256, native_size, described)
    segmenter = Segmenter(module, size, described.get("aspect", "squash"), uncertainty, tile, overlap, known)
    rules = LevelRules(make_reading(described, module.hparams["in_channels"]), window, percentiles, repeat_grey)
    plan = plan_sources(found.files, output, module.hparams["in_channels"], axis)
    plan.failures = found.failures | plan.failures
    results = require_own_names(plan.sources, segmenter.maps)
    require_inside([*results, output / NAME], output)
    require_free(results, overwrite)
    require_table(output / NAME)
    for line in [*found.describe_left_out(), *plan.describe_noticed()]:
        print(line)
    rows: list[Row] = []
    try:
        segment(plan, segmenter, rules, _make_look(described, module.num_classes), output, rows)
    finally:
        for line in rules.describe():
            print(line)
        if known is not None and rows:
            print(_count_untrusted(rows))
    print(f"{sum(source.images for source in plan.sources)} masks and overlays, and {NAME}: {output}")


def _read_trust(path: Path, checkpoint: str, native_size: bool, described: dict[str, Any]) -> TrustModel:
    """Refuse images at another size than the file was fitted at, of which its statistics would say nothing.

    Raises:
        UserError: they are, or it is no such file.
    """
    if native_size and described.get("size") is not None:
        raise UserError("--trust was fitted on images of the training's size: leave out --native-size")
    return read_trust(path, checkpoint, [*NAMES])


def _count_untrusted(rows: list[Row]) -> str:
    judged = {(row["image"], row["slice"]): row["trusted"] for row in rows if row["trusted"]}
    doubtful = [name for name, trusted in judged.items() if trusted == "no"]
    if not doubtful:
        return (
            f"none of {len(judged)} masks is flagged as not to be trusted; how often a flag is missed, 'trust' measured"
        )
    return (
        f"not to be trusted: {len(doubtful)} of {len(judged)} masks, the first is that of {doubtful[0][0]!r} ({NAME})"
    )


def _make_look(described: dict[str, Any], num_classes: int) -> Look:
    classes = described.get("classes") or []
    names = (
        [str(name) for name in classes] if len(classes) == num_classes else [f"class {k}" for k in range(num_classes)]
    )
    return Look(names, find_palette(described.get("palette"), num_classes))


def _require_levels(window: tuple[float, float] | None, percentiles: tuple[float, float] | None) -> None:
    """Refuse a malformed window or percentiles.

    Raises:
        UserError: they are malformed, or both are given.
    """
    if window is not None and not is_window(window):
        raise UserError(f"--window is {list(window)}: give the lower level first, then the higher one")
    if percentiles is not None and not (is_window(percentiles) and percentiles[0] >= 0 and percentiles[1] <= 100):
        raise UserError(f"--percentiles are {list(percentiles)}: give two numbers from 0 to 100, such as 0.5 99.5")
    if window is not None and percentiles is not None:
        raise UserError(
            "--window and --percentiles are given: give one, the window for levels that have a unit, as in CT"
        )


def main(argv: list[str]) -> None:
    """The verb."""
    call_verb("predict", predict_files, EXAMPLES, argv)
