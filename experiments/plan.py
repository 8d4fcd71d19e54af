"""What a sweep will take on so many processes: measured on a small sample here, and added up."""

import argparse
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from tqdm import tqdm

from datamodules.corruptions.stream import ConditionStream
from datamodules.corruptions.suite import Suite
from datamodules.image_files import read_image
from experiments.benchmark import find_suite
from experiments.checkpoint import load_module, on_device
from experiments.environment import processor
from experiments.files import whole_file
from experiments.light_parser import light_parser
from experiments.peak_memory import peak_bytes
from experiments.photographs import photographs
from experiments.speed import usable
from experiments.tables import markdown_table
from experiments.turns import take_turns, timed
from lightning_modules.metrics.sweep import ImageCounts, SweepCounts
from lightning_modules.multiply_adds import multiply_adds
from lightning_modules.segmentation import SegmentationModule
from user_error import UserError

EXAMPLES = """
--checkpoint runs/camvid_fpn/best.ckpt --images 233 --size 360 480
--checkpoint runs/cityscapes/best.ckpt --images 500 --size 1024 2048 --batch-size 2 --processes 1 8 64 --device cuda
--checkpoint runs/cityscapes/best.ckpt --images 500 --size 1024 2048 --processes 1 8 64 --pass-milliseconds 10
"""

SAMPLE = 256
"""Height and width at which is measured; what a pixel takes is the same at any size."""


class Measured(NamedTuple):
    """Seconds of one image on one process, and bytes."""

    step: float  # under one condition, all that a sweep does
    share: float  # of the step that is the forward pass
    decode: float
    file: int  # bytes of an image as PNG
    start: float  # until a verb has imported what it needs
    multiply_adds: float  # of a forward pass
    memory: int  # bytes of tensors that a step holds at the most, for each image of its batch


class Row(NamedTuple):
    """A sweep on so many processes."""

    processes: int
    batches: int  # of the process that has most
    seconds: float
    idle: float  # share of the time in which processes wait for the one that has most


def measure(
    module: SegmentationModule, suite: Suite, size: tuple[int, int], device: torch.device, rounds: int
) -> Measured:
    """Time a sample of a sweep on `device`, and scale it to images of `size`."""
    channels, classes = int(module.hparams["in_channels"]), module.num_classes
    photo = np.resize(photographs(1, SAMPLE)[0].transpose(2, 0, 1), (channels, SAMPLE, SAMPLE))
    image = torch.from_numpy(np.ascontiguousarray(photo))[None].to(device)
    mask = torch.randint(0, classes, (1, SAMPLE, SAMPLE)).to(device)
    module.count_conditions(len(suite.conditions))

    def step(conditions: int | None = None) -> None:
        stream = islice(ConditionStream(suite, image, mask, ["0"]), conditions)
        module.test_step({"image": image, "mask": mask, "id": ["0"], "conditions": stream}, 0)

    def forward() -> None:
        for _ in suite.conditions:
            module.predict_logits(image)

    with torch.inference_mode():
        step()
        memory = peak_bytes(partial(step, 2), device)  # clean and one corruption
        turns = take_turns(step, forward, tqdm(range(rounds), desc="measure", unit="round"), device)
    larger = size[0] * size[1] / SAMPLE**2
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image.png"
        large = cv2.resize(photographs(1, SAMPLE)[0], size[::-1], interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(path), large)
        decode = min(timed(lambda: read_image(path, 3), torch.device("cpu")) for _ in range(3))
        file = path.stat().st_size
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import experiments.benchmark"], check=True, cwd=Path(__file__).parent.parent)
    return Measured(
        turns.ours_median * larger / len(suite.conditions),
        min(1.0, 1 / statistics.median(turns.overheads)),  # on a busy machine the lesser may take longer
        decode,
        file,
        time.perf_counter() - started,
        multiply_adds(partial(module.predict_logits, image)) * larger,
        round(memory * larger),
    )


def add_up(images: int, conditions: int, batch_size: int, processes: Sequence[int], step: float) -> list[Row]:
    """Batches are dealt out whole, as a sweep does; its end is that of the process with most of them."""
    rows = []
    for number in processes:
        batches = math.ceil(math.ceil(images / batch_size) / number)
        seconds = batches * batch_size * conditions * step
        rows.append(Row(number, batches, seconds, 1 - images / (number * batches * batch_size)))
    return rows


def bytes_of(classes: int, channels: int, conditions: int, size: tuple[int, int]) -> dict[str, int]:
    """Bytes that follow from the shapes alone: of the sums, and of an image's counts and its way to the device."""
    counted = SweepCounts(classes, conditions)
    sums = sum(getattr(counted, name).nbytes for name in counted.sums)
    logits = torch.zeros(1, classes, 8, 8)
    one = SweepCounts(classes).count(logits, logits.argmax(1), torch.zeros(1, 8, 8, dtype=torch.long), 0)
    pixels = size[0] * size[1]
    return {
        "sums": sums,
        "image_counts": conditions * sum(getattr(one, name).nbytes for name in ImageCounts._fields),
        "to_device": pixels * (channels + 1),  # image and mask, a byte each
    }


def limits(rows: Sequence[Row], found: Measured, images: int, batch_size: int, workers: int) -> list[str]:
    """Where it would choke, for each number of processes that does."""
    said = []
    for row in rows:
        decode = row.batches * batch_size * found.decode / max(1, workers)
        if decode > row.seconds:
            said.append(
                f"{row.processes} processes wait for images: decoding takes {_duration(decode)} with {workers} workers each"
            )
        if row.idle > 0.2:
            whole = math.ceil(images / batch_size)
            said.append(
                f"{row.processes} processes share {whole} batches of {batch_size}, and wait {row.idle:.0%} of the time for the "
                "one that has most: take smaller batches, or fewer processes"
            )
        if found.start > row.seconds:
            said.append(f"{row.processes} processes take longer to start ({_duration(found.start)}) than to sweep")
    return said


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 7200 else f"{seconds / 3600:.3g} h"


def _size(number: float) -> str:
    for unit, scale in (("GB", 1e9), ("MB", 1e6)):
        if number >= scale:
            return f"{number / scale:.3g} {unit}"
    return f"{number / 1e3:.3g} kB"


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
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="cpu, cuda, ...")
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
    found = measure(module, suite, size, device, args.rounds)
    step = found.step if args.pass_milliseconds is None else args.pass_milliseconds / 1000 / found.share
    conditions = len(suite.conditions)
    rows = add_up(args.images, conditions, args.batch_size, args.processes, step)
    each = bytes_of(module.num_classes, int(module.hparams["in_channels"]), conditions, size)
    device_name = (
        torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else f"{processor()}, {torch.get_num_threads()} threads"
    )
    source = (
        f"measured on {device_name}"
        if args.pass_milliseconds is None
        else f"for forward passes of {args.pass_milliseconds:g} ms, with the rest of a step as measured on {device_name}"
    )
    table = markdown_table(
        ["processes", "batches of the busiest", "forward passes of the busiest", "time", "waiting"],
        [
            [
                str(row.processes),
                str(row.batches),
                f"{row.batches * args.batch_size * conditions:,}",
                _duration(row.seconds),
                f"{row.idle:.0%}",
            ]
            for row in rows
        ],
        left=(),
    )
    lines = [
        f"{args.images:,} images of {size[0]} x {size[1]} under the {conditions} conditions of {suite.name}: "
        f"{args.images * conditions:,} forward passes, {source}.",
        "",
        table,
        f"- An image under one condition: {1000 * step:.3g} ms, of which the forward pass is {found.share:.0%}, with "
        f"{found.multiply_adds / 1e9:.3g} G multiply-adds.",
        f"- Read: {_size(args.images * found.file)} of PNG files, each once; decoding one takes {1000 * found.decode:.3g} ms.",
        f"- To the device: {_size(args.images * each['to_device'])}, each image and mask once for all conditions.",
        f"- Between processes: {_size(each['sums'])} from each, once, at the end; nothing before.",
        f"- To disk: {_size(args.images * each['image_counts'])} of counts while it runs, a file for each batch.",
        f"- Memory of a process: {_size(found.memory * args.batch_size)} of tensors at the peak of a step, beside the weights.",
        f"- Start: {_duration(found.start)} of imports on each process.",
        "",
        *(f"- Chokes: {reason}." for reason in limits(rows, found, args.images, args.batch_size, args.workers)),
    ]
    text = "\n".join(lines).rstrip("\n") + "\n"
    print(text, end="")
    if args.output:
        with whole_file(args.output) as file:
            file.write(text)
