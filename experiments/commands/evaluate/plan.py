"""Estimate the time and memory of a sweep before it begins."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import torch

from experiments.checkpoints.checkpoint import load_module
from experiments.command_line.device import AUTO, find_device
from experiments.command_line.verb_parser import Option, call_verb
from experiments.evaluation.order import Order
from experiments.files.replaceable import print_and_save
from experiments.files.tables import format_duration, make_markdown_table
from experiments.measuring.environment import read_device_name
from experiments.measuring.sweep_plan import Measured, Row, add_up, compute_bytes, find_bottlenecks, measure
from experiments.sweeping.named_protocols import find_protocol, list_protocols
from experiments.sweeping.protocol import AppliedProtocol, apply_to_network
from experiments.sweeping.suites import find_suite
from user_error import UserError

EXAMPLES = """
--checkpoint runs/camvid_fpn/best.ckpt --images 233 --size 360 480
--checkpoint runs/kvasir_unet/best.ckpt --images 100 --size 128 128 --file-size 352 352
--checkpoint runs/cityscapes/best.ckpt --images 500 --size 1024 2048 --batch-size 2 --processes 1 8 64 --device cuda
--checkpoint runs/cityscapes/best.ckpt --images 500 --size 1024 2048 --processes 1 8 64 --pass-milliseconds 10
--checkpoint runs/cityscapes/best.ckpt --images 500 --size 1024 2048 --protocol segformer_cityscapes --device cuda
"""


def plan_sweep(
    *,
    checkpoint: Path,
    images: int,
    size: Annotated[tuple[int, int], Option(metavar=("HEIGHT", "WIDTH"))],
    file_size: Annotated[tuple[int, int] | None, Option(metavar=("HEIGHT", "WIDTH"))] = None,
    suite: str = "imagenet_c",
    order: Order | None = None,
    protocol: Annotated[str | None, Option(listed=list_protocols)] = None,
    batch_size: int = 8,
    processes: Sequence[int] = (1, 2, 4, 8),
    workers: int = 8,
    pass_milliseconds: float | None = None,
    rounds: int = 3,
    device: str = AUTO,
    output: Path | None = None,
) -> None:
    """Estimate what a sweep will take before it begins.

    Its time on several processes, bytes read and sent, memory, and bottlenecks. A sample is measured on this device.

    Args:
        checkpoint: of the network that is to be swept.
        images: of the split.
        size: in pixels, that the network is given.
        file_size: of the image files (default: the same, so that nothing is resized).
        suite: name or YAML.
        order: whether images are corrupted at the size of their files or at that of the data (default: the suite's).
        protocol: whose windows, views and size of scoring are planned for: a YAML file or one of.
        batch_size: images in a batch.
        processes: how many of them; one row for each number.
        workers: that decode images for each process.
        pass_milliseconds: of a forward pass of one image on the device that is planned for; the rest of a step is
            scaled in the proportion that is measured here.
        rounds: of the measurement.
        device: cpu, cuda, ... (default: a GPU where there is one).
        output: write the plan to this Markdown file as well.

    Raises:
        UserError: a number is out of range.
    """
    if min(images, batch_size, rounds, *processes, *size, *(file_size or ())) < 1 or workers < 0:
        raise UserError("--images, --size, --file-size, --batch-size, --processes and --rounds must be 1 or more")
    if pass_milliseconds is not None and not pass_milliseconds > 0:
        raise UserError(f"--pass-milliseconds {pass_milliseconds:g}: give a number above 0")
    on, swept = find_device(device), find_suite(suite)
    swept.order = order or swept.order
    size, own = (size[0], size[1]), (file_size[0], file_size[1]) if file_size else None
    module = load_module(checkpoint)
    if protocol is not None:
        followed = find_protocol(protocol)
        apply_to_network(followed, module)
        swept.protocol = AppliedProtocol(scored_at_file=followed.scored_at == "file")
    module = module.to(on)
    found = measure(module, swept, size, batch_size, on, rounds, own)
    source = f"measured on {read_device_name(on)}, {torch.get_num_threads()} threads"
    if pass_milliseconds is not None:
        found = found._replace(step=pass_milliseconds / 1000 / found.forward_fraction)
        source = f"for forward passes of {pass_milliseconds:g} ms, with the rest of a step as {source}"
    conditions = len(swept.conditions)
    rows = add_up(images, conditions, batch_size, processes, found.step)
    carried = own if own != size and swept.corrupts_files(True) else None
    sizes = compute_bytes(module.num_classes, int(module.hparams["in_channels"]), conditions, size, carried)
    where = f", corrupted at {carried[0]} x {carried[1]}," if carried else ""
    heading = (
        f"{images:,} images of {size[0]} x {size[1]}{where} under the {conditions} conditions of {swept.name}: "
        f"{images * conditions:,} forward passes, {source}."
    )
    facts = _list_facts(found, sizes, images, batch_size)
    if found.conditions < conditions:
        facts.append(f"- Measured under {found.conditions} of the conditions, since all would take more than a minute.")
    bottlenecks = [f"- Chokes: {reason}." for reason in find_bottlenecks(rows, found, images, batch_size, workers)]
    parts = [heading, _make_table(rows, batch_size * conditions), "\n".join(facts)]
    print_and_save("\n\n".join([*parts, *(["\n".join(bottlenecks)] if bottlenecks else [])]) + "\n", output)


def main(argv: list[str]) -> None:
    """The verb."""
    call_verb("plan", plan_sweep, EXAMPLES, argv)


def _make_table(rows: Sequence[Row], passes: int) -> str:
    """A row for each number of processes; a batch takes so many forward passes."""
    titles = ["processes", "batches of the busiest", "forward passes of the busiest", "time", "waiting"]
    cells = [
        [
            str(row.processes),
            str(row.batches),
            f"{row.batches * passes:,}",
            format_duration(row.seconds),
            f"{row.idle:.0%}",
        ]
        for row in rows
    ]
    return make_markdown_table(titles, cells, left=()).rstrip("\n")


def _list_facts(found: Measured, sizes: dict[str, int], images: int, batch_size: int) -> list[str]:
    """The lines that do not depend on the number of processes."""
    batches = math.ceil(images / batch_size)
    return [
        f"- An image under one condition: {1000 * found.step:.3g} ms, of which the forward pass is {found.forward_fraction:.0%}, "
        f"with {found.multiply_adds / 1e9:.3g} G multiply-adds.",
        f"- Read: {_format_size(images * found.file)} of PNG files, each once; decoding one takes {1000 * found.decode:.3g} ms.",
        f"- To the device: {_format_size(images * sizes['to_device'])}, each image and mask once for all conditions.",
        "- Between processes: no counts; each writes a file for every batch, and one of them adds the files up.",
        f"- To disk: {_format_size(images * sizes['image_counts'])} of counts of single images, and "
        f"{_format_size(batches * sizes['sums'])} of sums over each batch, before they are compressed.",
        f"- Memory of a process: {_format_size(found.memory * batch_size)} of tensors at the peak of a step, beside the weights.",
        f"- Start: {format_duration(found.start)} of imports on each process.",
    ]


def _format_size(number: float) -> str:
    for unit, scale in (("GB", 1e9), ("MB", 1e6)):
        if number >= scale:
            return f"{number / scale:.3g} {unit}"
    return f"{number / 1e3:.3g} kB"
