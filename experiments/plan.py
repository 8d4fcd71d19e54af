"""Say what a sweep will take before it begins."""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

import torch

from experiments.checkpoints.checkpoint import load_module
from experiments.command_line.device import add_device_argument, on_device, usable
from experiments.command_line.light_parser import light_parser
from experiments.files.replaceable import say
from experiments.files.tables import duration, markdown_table
from experiments.measuring.environment import device_name
from experiments.measuring.sweep_plan import Measured, Row, add_up, bytes_of, limits, measure
from experiments.sweeping.suites import find_suite
from user_error import UserError

EXAMPLES = """
--checkpoint runs/camvid_fpn/best.ckpt --images 233 --size 360 480
--checkpoint runs/cityscapes/best.ckpt --images 500 --size 1024 2048 --batch-size 2 --processes 1 8 64 --device cuda
--checkpoint runs/cityscapes/best.ckpt --images 500 --size 1024 2048 --processes 1 8 64 --pass-milliseconds 10
"""


def parse_arguments(argv: list[str]) -> argparse.Namespace:
    """The options of the verb."""
    parser = light_parser(
        "plan",
        "Say what a sweep will take before it begins: time on so many processes, bytes read and sent, memory, and where\n"
        "it would choke. A sample is measured on this device.",
        EXAMPLES,
    )
    parser.add_argument("--checkpoint", type=Path, required=True, help="of the network that is to be swept")
    parser.add_argument("--images", type=int, required=True, help="of the split")
    parser.add_argument("--size", type=int, nargs=2, required=True, metavar=("HEIGHT", "WIDTH"), help="in pixels")
    parser.add_argument("--suite", default="imagenet_c", help="name or YAML (default: imagenet_c)")
    parser.add_argument("--batch-size", type=int, default=8, help="default: 8")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4, 8], help="default: 1 2 4 8")
    parser.add_argument("--workers", type=int, default=8, help="that decode images for each process (default: 8)")
    parser.add_argument(
        "--pass-milliseconds",
        type=float,
        help="of a forward pass of one image on the device that is planned for; the rest of a step keeps the share of it "
        "that is measured here",
    )
    parser.add_argument("--rounds", type=int, default=3, help="default: 3")
    add_device_argument(parser)
    parser.add_argument("--output", type=Path, help="write the plan to this Markdown file as well")
    args = parser.parse_args(argv)
    if min(args.images, args.batch_size, args.rounds, *args.processes, *args.size) < 1 or args.workers < 0:
        raise UserError("--images, --size, --batch-size, --processes and --rounds must be 1 or more")
    if args.pass_milliseconds is not None and not args.pass_milliseconds > 0:
        raise UserError(f"--pass-milliseconds {args.pass_milliseconds:g}: give a number above 0")
    return args


def main(argv: list[str]) -> None:
    """The verb."""
    args = parse_arguments(argv)
    device, suite = usable(args.device), find_suite(args.suite)
    module, size = on_device(load_module(args.checkpoint), args.device), (args.size[0], args.size[1])
    found = measure(module, suite, size, args.batch_size, device, args.rounds)
    source = f"measured on {device_name(device)}, {torch.get_num_threads()} threads"
    if args.pass_milliseconds is not None:
        found = found._replace(step=args.pass_milliseconds / 1000 / found.share)
        source = f"for forward passes of {args.pass_milliseconds:g} ms, with the rest of a step as {source}"
    conditions = len(suite.conditions)
    rows = add_up(args.images, conditions, args.batch_size, args.processes, found.step)
    sizes = bytes_of(module.num_classes, int(module.hparams["in_channels"]), conditions, size)
    heading = (
        f"{args.images:,} images of {size[0]} x {size[1]} under the {conditions} conditions of {suite.name}: "
        f"{args.images * conditions:,} forward passes, {source}."
    )
    facts = _facts(found, sizes, args.images, args.batch_size)
    chokes = [f"- Chokes: {reason}." for reason in limits(rows, found, args.images, args.batch_size, args.workers)]
    parts = [heading, _table(rows, args.batch_size * conditions), "\n".join(facts)]
    say("\n\n".join([*parts, *(["\n".join(chokes)] if chokes else [])]) + "\n", args.output)


def _table(rows: Sequence[Row], passes: int) -> str:
    """A row for each number of processes; a batch takes `passes`."""
    titles = ["processes", "batches of the busiest", "forward passes of the busiest", "time", "waiting"]
    cells = [
        [
            str(row.processes),
            str(row.batches),
            f"{row.batches * passes:,}",
            duration(row.seconds),
            f"{row.idle:.0%}",
        ]
        for row in rows
    ]
    return markdown_table(titles, cells, left=()).rstrip("\n")


def _facts(found: Measured, sizes: dict[str, int], images: int, batch_size: int) -> list[str]:
    """What does not depend on the number of processes."""
    batches = math.ceil(images / batch_size)
    return [
        f"- An image under one condition: {1000 * found.step:.3g} ms, of which the forward pass is {found.share:.0%}, with "
        f"{found.multiply_adds / 1e9:.3g} G multiply-adds.",
        f"- Read: {_size(images * found.file)} of PNG files, each once; decoding one takes {1000 * found.decode:.3g} ms.",
        f"- To the device: {_size(images * sizes['to_device'])}, each image and mask once for all conditions.",
        "- Between processes: no counts; each writes a file for every batch, and one of them adds the files up.",
        f"- To disk: {_size(images * sizes['image_counts'])} of counts of single images, and {_size(batches * sizes['sums'])} "
        "of sums over each batch, before they are compressed.",
        f"- Memory of a process: {_size(found.memory * batch_size)} of tensors at the peak of a step, beside the weights.",
        f"- Start: {duration(found.start)} of imports on each process.",
    ]


def _size(number: float) -> str:
    for unit, scale in (("GB", 1e9), ("MB", 1e6)):
        if number >= scale:
            return f"{number / scale:.3g} {unit}"
    return f"{number / 1e3:.3g} kB"
