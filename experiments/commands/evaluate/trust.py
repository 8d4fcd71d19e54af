"""Fit when not to trust a network's masks, and measure how often that errs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from datamodules.base import SegmentationDataModule
from experiments.checkpoints.checkpoint import load_module
from experiments.checkpoints.matching import require_its_data
from experiments.checkpoints.opened_checkpoint import CheckpointFile
from experiments.command_line.chosen_data import ChosenData
from experiments.command_line.device import AUTO, move_to_device
from experiments.command_line.verb_parser import Option, call_verb
from experiments.evaluation.order import ORDERS, Order, read_order
from experiments.files.atomic_write import atomic_write
from experiments.files.replaceable import require_json
from experiments.record_files.record_file import read_record
from experiments.reporting.trust_tables import format_trust
from experiments.sweeping.suite import Suite
from experiments.sweeping.suites import find_suite, list_suites
from experiments.trust.error_rates import CHANGED, KINDS, measure_rates, measure_recognition, require_others
from experiments.trust.fitting import FEWEST, Known, fit_trust
from experiments.trust.observed import observe
from experiments.trust.trust_model import is_trust
from user_error import UserError

EXAMPLES = """
--checkpoint runs/synthetic_unet/best.ckpt
--checkpoint runs/kvasir/best.ckpt --record runs/kvasir/record-imagenet_c.json --suite imagenet_c
--checkpoint runs/kvasir/best.ckpt --suite imagenet_c --measure endoscopy --measure lighting
--checkpoint runs/camvid/best.ckpt --least 0.4 --misses 0.05 --output camvid_trust.json

'predict --trust FILE' then says of each image what it most resembles, and whether its mask is to be trusted."""


def fit_and_measure(
    *,
    checkpoint: Path,
    output: Path | None = None,
    record: Path | None = None,
    suite: Annotated[str, Option(listed=list_suites)] = "core",
    measure: Annotated[Sequence[str], Option(metavar="SUITE", repeated=True)] = (),
    least: float = 0.5,
    misses: float = 0.1,
    images: int = 500,
    seed: int = 0,
    order: Annotated[Order | None, Option(choices=ORDERS)] = None,
    device: str = AUTO,
    data: ChosenData,
) -> None:
    """Fit when not to trust a network's masks, and measure how often that errs.

    A segmentation is poor where the mean IoU of its image, over the classes but the background, is below --least. What
    an image resembles, how far it lies from the training images and the chance that its mask is poor are fitted on the
    validation split under every condition of a suite; how often that errs is measured on the test split, under the same
    conditions and under those of further suites, which it has not met.

    Args:
        checkpoint: file of a trained network, an ensemble, ...
        output: JSON file to write (default: trust.json beside the checkpoint).
        record: of this checkpoint under the suite; the score that it states is shown for what an image resembles.
        suite: of corruptions, to be fitted on: a YAML file or one of.
        measure: further suites that the flag is measured on.
        least: score of an image below which its segmentation is poor.
        misses: share of poor segmentations that may be trusted.
        images: of each split, about, since they are taken in whole batches.
        seed: of the corruptions.
        order: whether images are corrupted at the size of their files or at that of the data (default: the suite's).
        device: cpu, cuda, ... (default: a GPU where there is one).
        data: with training, validation and test split.

    Raises:
        UserError: data, record or options do not fit the network, or nothing can be told apart.
    """
    for name, share in (("--least", least), ("--misses", misses)):
        if not 0 < share < 1:
            raise UserError(f"{name} is {share:g}: give a number above 0 and below 1")
    if images < FEWEST:
        raise UserError(f"--images is {images}: give {FEWEST} or more, which are needed to fit on")
    if seed < 0:
        raise UserError(f"--seed is {seed}: give 0 or more")
    file = CheckpointFile(checkpoint)
    module = load_module(file)
    source: SegmentationDataModule = data.module
    require_its_data(file, module.num_classes, module.hparams["in_channels"], source)
    target = output or checkpoint.parent / "trust.json"
    require_json(target, is_trust, "fit of 'trust'")
    suites = {name: _adapt(name, source, seed, order) for name in (suite, *measure)}
    if suites[suite].shifts:
        raise UserError(
            f"the suite {suite} has real shifts, which change no image, so that they cannot be recognised: fit on a --suite of "
            f"corruptions, and pass --measure {suite}"
        )
    at_files = suites[suite].corrupts_files(source.resizes)
    expected, stated_by = read_expected(record, file.sha256, suites[suite], at_files)
    module = move_to_device(module, device).eval()
    usual = observe(module, source, "train", Suite("clean", 1), images)
    validation = observe(module, source, "val", suites[suite], images)
    known = Known(file.sha256, f"{suite} v{suites[suite].version}", least, misses, expected, stated_by)
    model = fit_trust(usual, validation, known)
    rates = []
    for name, one in suites.items():
        found = observe(module, source, "test", one, images)
        require_others(validation, found)
        rates += measure_rates(model, found, f"test, {name}", KINDS if name == suite else (CHANGED,))
        if name == suite:
            model = model.model_copy(update={"recognition": [measure_recognition(model, found, f"test, {name}")]})
    model = model.model_copy(update={"rates": rates})
    with atomic_write(target, "w") as written:
        written.write(model.model_dump_json() + "\n")
    print(format_trust(model))
    print(f"trust: {target}", flush=True)


def _adapt(name: str, data: SegmentationDataModule, seed: int, order: Order | None) -> Suite:
    found = find_suite(name)
    meta: Any = data.read_meta("test") if found.shifts else {}
    found = found.adapt_to_data(data.channels, meta, data.shift_columns)
    found.seed = seed
    found.order = order or found.order
    return found


def read_expected(
    path: Path | None, checkpoint: str, suite: Suite, corrupts_files: bool
) -> tuple[dict[tuple[str, int], float | None] | None, str]:
    """The mIoU of each condition of a suite in a record of the checkpoint, and the record's name.

    Raises:
        UserError: it is of another checkpoint or order, or lacks one of the conditions.
    """
    if path is None:
        return None, "validation"
    record = read_record(path)
    if record.checkpoint.get("sha256") != checkpoint:
        raise UserError(f"the record {str(path)!r} is of another checkpoint: pass one of this, or leave out --record")
    found = {(cell.corruption, cell.severity): cell.miou for cell in record.cells}
    missing = [str(one) for one in suite.conditions if (one.name, one.severity) not in found]
    if missing:
        raise UserError(
            f"the record {str(path)!r} has no {missing[0]}, which the suite {suite.name} has: pass --suite {record.suite.name}"
        )
    stated = read_order(record.suite.model_dump())
    if stated is not None and (stated == "corrupt_then_resize") != corrupts_files:
        raise UserError(
            f"the record {str(path)!r} is of images in another order of corruption and resize: pass --order {stated}"
        )
    return found, record.name


def main(argv: list[str]) -> None:
    """The verb."""
    call_verb("trust", fit_and_measure, EXAMPLES, argv)
