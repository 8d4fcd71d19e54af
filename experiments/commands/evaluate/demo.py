"""Show on a page of this machine what networks make of an image under corruptions."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from experiments.checkpoints.opened_checkpoint import require_checkpoint
from experiments.command_line.chosen_data import DataOption
from experiments.command_line.device import AUTO
from experiments.command_line.verb_parser import Option, call_verb
from experiments.evaluation.order import Order
from experiments.sweeping.suites import list_suites
from user_error import UserError

if TYPE_CHECKING:
    from datamodules.base import SegmentationDataModule
    from experiments.demo.shown import Viewer

EXAMPLES = """
--checkpoint runs/kvasir_unet/best.ckpt
--checkpoint runs/unet/best.ckpt --checkpoint runs/unet_augmix/best.ckpt --suite imagenet_c
--checkpoint model.ckpt --data experiments/configs/data/kvasir_seg.yaml --port 8000
"""


def show_page(
    *,
    checkpoints: Annotated[list[Path], Option(name="--checkpoint", metavar="FILE", repeated=True)],
    suite: Annotated[str, Option(listed=list_suites)] = "core",
    seed: int = 0,
    order: Order | None = None,
    device: str = AUTO,
    port: int = 7860,
    data: DataOption,
) -> None:
    """Show on a page of this machine what networks make of an image under corruptions.

    Drop an image on the page or pick one of the test split, choose a corruption and its severity, and see the mask, the
    overlay and the uncertainty of each network, and its mIoU where a mask is known. The pixels, and the predictions for
    images of the test split, are those of a sweep with the same suite, seed and order.
    The page is at http://127.0.0.1:PORT, for this machine alone, and works offline; uploads are deleted. Ctrl-C ends it.

    Args:
        checkpoints: file that 'fit' wrote; given twice, two networks are shown side by side.
        suite: a YAML file or one of.
        seed: of the corruptions.
        order: whether images are corrupted at the size of their files or at that of the data (default: the suite's).
        device: cpu, cuda, ... (default: a GPU where there is one).
        port: of the page; 0 takes a free one.
        data: whose test split can be picked from.

    Raises:
        UserError: a checkpoint, the data or the suite cannot be used, or the port is taken.
    """
    from experiments.demo.serving import require_free_port, serve

    if seed < 0:
        raise UserError(f"--seed is {seed}: give 0 or more")
    for checkpoint in checkpoints:
        require_checkpoint(checkpoint)
    port = require_free_port(port)
    serve(open_page_viewer(checkpoints, data, suite, seed, order, device), port)


def open_page_viewer(
    checkpoints: list[Path],
    data: DataOption,
    suite: str,
    seed: int,
    order: Order | None,
    device: str,
) -> "Viewer":
    """The viewer of a page; where the run folder's data are not on this machine, it takes uploads alone, and that is said.

    Args:
        checkpoints: of the networks.
        data: whose test split can be picked from; those that the command line names have to be there.
        suite: its name, or the path of its YAML.
        seed: of the corruptions.
        order: of corruption and resize.
        device: by its name.

    Raises:
        UserError: see `show_page`.
    """
    from experiments.demo.opening import open_viewer

    chosen: SegmentationDataModule | None = None
    try:
        chosen = data.choose().module
        if not data.given:
            chosen.open_split("test")
    except UserError as error:
        if data.given:
            raise
        print(f"without the data of the run folder: {error}", flush=True)
        chosen = None
    return open_viewer(checkpoints, chosen, suite, seed, order, device)


def main(argv: list[str]) -> None:
    """The verb."""
    call_verb("demo", show_page, EXAMPLES, argv)
