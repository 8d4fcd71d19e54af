"""Write a checkpoint as a file for another runtime, and compare its logits with those of the network."""

from pathlib import Path
from typing import Annotated

from experiments.checkpoints.checkpoint import describe_data, load_module
from experiments.checkpoints.opened_checkpoint import CheckpointFile
from experiments.command_line.verb_parser import Option, call_verb
from experiments.exporting.exported_module import Logits
from experiments.exporting.exported_program import export_program
from experiments.exporting.formats import SUFFIXES, find_format
from experiments.files.atomic_write import atomic_write, require_writable
from user_error import UserError

EXAMPLES = """
--checkpoint runs/half_tuned/best.ckpt --output half.onnx
--checkpoint runs/half_tuned/best.ckpt --output half.pt
--checkpoint runs/cityscapes_slide/best.ckpt --size 1024 2048 --output slide.pt2
"""


def export_network(
    *,
    checkpoint: Path,
    output: Path,
    format: Annotated[str | None, Option(choices=SUFFIXES)] = None,
    size: Annotated[tuple[int, int] | None, Option(metavar=("HEIGHT", "WIDTH"))] = None,
) -> None:
    """Write a checkpoint as a file for another runtime: a plain network, a pruned one, an ensemble, ...

    It takes float images (batch, channels, height, width) in [0, 1], as many and as large as you like, and gives logits of
    their size; normalisation, padding and sliding windows are inside. Its logits for batches and sizes other than those of
    the recording are compared with the network's; a file that differs is not written. Its metadata describe its input and
    its classes.

    Args:
        checkpoint: file of a network.
        output: file to write: *.onnx, *.pt (TorchScript) or *.pt2 (torch.export).
        format: of the file (default: that of its suffix).
        size: of all images in pixels, for networks whose graph cannot follow it, such as sliding windows (default: any).

    Raises:
        UserError: the file's logits would differ from the network's, or its name or size is invalid.
    """
    if size is not None and min(size) < 1:
        raise UserError(f"--size {size[0]} {size[1]}: give a height and a width of at least 1 pixel")
    chosen = find_format(output, format)
    source = CheckpointFile(checkpoint)
    module = load_module(source)
    require_writable(output)
    found = export_program(Logits(module), chosen, int(module.hparams["in_channels"]), size, describe_data(source))
    with atomic_write(output, "wb") as file:
        file.write(found.content)
    images = "images of any size" if size is None else f"images of {size[0]} x {size[1]}"
    print(f"exported: {output} (for {images}; {found.parity})")


def main(argv: list[str]) -> None:
    """The verb."""
    call_verb("export", export_network, EXAMPLES, argv)
