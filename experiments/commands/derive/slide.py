"""Sliding windows around a trained network, as an ordinary checkpoint."""

from pathlib import Path
from typing import Annotated, Any

from experiments.checkpoints import derived_checkpoint
from experiments.checkpoints.checkpoint import load_module
from experiments.checkpoints.opened_checkpoint import CheckpointFile
from experiments.command_line.verb_parser import Option, call_verb
from lightning_modules.networks.ensembles.combination import AVERAGES
from lightning_modules.networks.wrappers.sliding_window import WEIGHTS, SlidingWindow

EXAMPLES = """
--checkpoint runs/cityscapes/best.ckpt --window 1024 1024 --stride 768 768 --output runs/cityscapes_slide/best.ckpt
--checkpoint runs/a/best.ckpt --window 256 256 --overlap 0.5 --weights gaussian --output runs/a_slide/best.ckpt
--checkpoint runs/vit/best.ckpt --window 512 512 --pad --output runs/vit_slide/best.ckpt
"""

SIDES = ("HEIGHT", "WIDTH")


def wrap_network(
    *,
    checkpoint: Path,
    output: Path,
    window: Annotated[tuple[int, int], Option(metavar=SIDES)],
    stride: Annotated[tuple[int, int] | None, Option(metavar=SIDES)] = None,
    overlap: float | None = None,
    weights: Annotated[str, Option(choices=WEIGHTS)] = WEIGHTS[0],
    average: Annotated[str, Option(choices=AVERAGES)] = "logits",
    pad: bool = False,
    at_once: int = 4,
) -> None:
    """Show a trained network an image window by window, and average what it says where windows overlap.

    As mmsegmentation and nnU-Net evaluate networks that were trained on crops. Nothing is trained; the result is an ordinary
    checkpoint, and costs a pass for each window.

    Args:
        checkpoint: of any network: one, an ensemble, a pruned one.
        output: checkpoint to write, in a folder of its own.
        window: in pixels, multiples of the network's stride.
        stride: pixels from one window to the next.
        overlap: of neighbours, as a fraction of the window, instead of a stride (default: 0.5).
        weights: of a window's pixels: those of its middle count more with gaussian.
        average: what the mean is of.
        pad: bring images that are smaller than a window to its size; otherwise windows shrink to the image.
        at_once: windows in one pass of the network, which bounds the memory.

    Raises:
        UserError: the windows do not cover an image, or do not fit the network.
    """
    given = {"window": list(window), "stride": None if stride is None else list(stride), "overlap": overlap}
    settings: dict[str, Any] = {**given, "weights": weights, "average": average, "pad": pad, "at_once": at_once}
    derived_checkpoint.require_own_folder(output, [checkpoint], "slide")
    file = CheckpointFile(checkpoint)
    module = load_module(file)
    around = SlidingWindow(module.num_classes, module.hparams["in_channels"], lambda *_: module.network, **settings)
    settings = {**around.settings, "at_once": at_once}
    derived_checkpoint.write_wrapped(output, file, SlidingWindow, "slide", settings)
    print(f"checkpoint: {output}", flush=True)


def main(argv: list[str]) -> None:
    """The verb."""
    call_verb("slide", wrap_network, EXAMPLES, argv)
