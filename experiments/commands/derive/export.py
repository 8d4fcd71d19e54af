"""Write a checkpoint as a file for another runtime, and compare its logits with those of the network."""

from pathlib import Path
from typing import Annotated

from experiments.checkpoints.checkpoint import describe_data, load_module
from experiments.checkpoints.graph_facts import KEY, add_facts
from experiments.checkpoints.matching import require_its_data
from experiments.checkpoints.opened_checkpoint import CheckpointFile
from experiments.command_line.chosen_data import DataOption
from experiments.command_line.verb_parser import Option, call_verb
from experiments.exporting.calibration import quantise_for
from experiments.exporting.exported_module import Logits
from experiments.exporting.exported_program import export_program
from experiments.exporting.formats import ONNX, SUFFIXES, find_format
from experiments.files.atomic_write import atomic_write
from experiments.files.replaceable import require_marked
from user_error import UserError

EXAMPLES = """
--checkpoint runs/half_tuned/best.ckpt --output half.onnx
--checkpoint runs/half_tuned/best.ckpt --output half.pt
--checkpoint runs/cityscapes_slide/best.ckpt --size 1024 2048 --output slide.pt2
--checkpoint runs/half_tuned/best.ckpt --int8 --calibration 128 --output half_int8.onnx
"""

IMAGES = 64
"""Number of images that 8 bits are calibrated on."""


def export_network(
    *,
    checkpoint: Path,
    output: Path,
    format: Annotated[str | None, Option(choices=SUFFIXES)] = None,
    size: Annotated[tuple[int, int] | None, Option(metavar=("HEIGHT", "WIDTH"))] = None,
    int8: bool = False,
    calibration: Annotated[int | None, Option(metavar="IMAGES")] = None,
    seed: int = 0,
    data: DataOption,
) -> None:
    """Write a checkpoint as a file for another runtime: a plain network, a pruned one, an ensemble, ...

    It takes float images (batch, channels, height, width) in [0, 1], as many and as large as you like, and gives logits of
    their size; normalisation, padding and sliding windows are inside. Its logits for batches and sizes other than those of
    the recording are compared with the network's; a file that differs is not written. Its metadata describe its input and
    its classes. 'onnx' makes a checkpoint of an ONNX file, to be swept and compared.

    Args:
        checkpoint: file of a network.
        output: file to write: *.onnx, *.pt (TorchScript) or *.pt2 (torch.export).
        format: of the file (default: that of its suffix).
        size: of all images in pixels, for networks whose graph cannot follow it, such as sliding windows (default: any).
        int8: quantise an ONNX file to 8 bits; how many pixels keep their class is printed.
        calibration: training images that 8 bits are calibrated on (default: 64).
        seed: by which they are drawn.
        data: of the network, for --int8.

    Raises:
        UserError: the file's logits would differ from the network's, or an option is invalid.
    """
    if size is not None and min(size) < 1:
        raise UserError(f"--size {size[0]} {size[1]}: give a height and a width of at least 1 pixel")
    chosen = find_format(output, format)
    _check_quantisation(int8, calibration, seed, data, chosen)
    source = CheckpointFile(checkpoint)
    module, described = load_module(source), describe_data(source)
    network, channels = Logits(module), int(module.hparams["in_channels"])
    require_marked(output, KEY.encode(), "network that 'export' wrote")
    if int8:
        images = data.choose().module
        require_its_data(source, module.num_classes, channels, images)
    found = export_program(network, chosen, channels, size, described)
    content, said = found.content, str(found.parity)
    if int8:
        quantised = quantise_for(content, network, images, calibration or IMAGES, seed, size)
        facts = {
            **described,
            "size": None if size is None else list(size),
            "int8": quantised.as_json() | {"seed": seed},
        }
        content, said = add_facts(quantised.content, facts, channels), str(quantised)
    with atomic_write(output, "wb") as file:
        file.write(content)
    taken = "images of any size" if size is None else f"images of {size[0]} x {size[1]}"
    print(f"exported: {output} (for {taken}; {said})")


def _check_quantisation(int8: bool, calibration: int | None, seed: int, data: DataOption, format: str) -> None:
    """Refuse options that do not go together.

    Raises:
        UserError: they do not.
    """
    if int8 and format != ONNX:
        raise UserError(f"--int8 is for ONNX files, and the output is {format}: name it *.onnx, or leave --int8 out")
    if not int8 and (calibration is not None or data.given):
        raise UserError("--calibration and --data serve --int8 alone: pass that as well, or leave them out")
    if (calibration is not None and calibration < 1) or seed < 0:
        raise UserError("--calibration must be 1 or more, and --seed 0 or more")


def main(argv: list[str]) -> None:
    """The verb."""
    call_verb("export", export_network, EXAMPLES, argv)
