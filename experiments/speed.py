"""Measure speed as ratios within one run: corruptions, the sweep's step and the whole sweep against the usual ways.

Reading records alone is held to seconds: a person waits for it.
"""

import argparse
import shlex
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import torch

from datamodules.corruptions.base import SEVERITIES, SMALLEST_SIDE, Corruption
from experiments.command_line.device import add_device_argument, usable
from experiments.command_line.light_parser import light_parser
from experiments.files.replaceable import say
from experiments.files.whole import require_writable
from experiments.measuring.environment import device_name, processor
from experiments.measuring.reference import reference
from experiments.measuring.speed_corruptions import corruptions_table, measure_corruptions
from experiments.measuring.speed_pipeline import measure_pipeline, pipeline_lines
from experiments.measuring.speed_records import measure_records, records_lines
from experiments.measuring.speed_sweep import measure_sweep, sweep_lines
from experiments.sweeping.suite import Suite
from experiments.sweeping.suites import find_suite
from user_error import UserError

EXAMPLES = """
--output docs/speed.md
--measure corruptions --size 256 --severity all
--measure sweep --suite core --size 512 --batch-size 4
--measure pipeline --images 64 --device cuda
--measure records
"""

MEASURES = ("corruptions", "sweep", "pipeline", "records")
SUITE, EXTRA = "imagenet_c", "imagenet_c_extra"
SIZES = (256, 512)
STRIDE = 32  # of the network; the bare forward passes do not pad


def known_to_reference(corruptions: Sequence[Corruption]) -> list[Corruption]:
    """Those that the reference implementation has as well.

    Raises:
        UserError: it has none of them.
    """
    from imagecorruptions import get_corruption_names

    shared = [one for one in corruptions if one.name in get_corruption_names("all")]
    if not shared:
        raise UserError(
            f"the reference has no corruption of this suite: pass --suite {SUITE}, or measure the sweep alone"
        )
    return shared


def at_severities(suite: Suite, severities: Sequence[int]) -> Suite:
    """The corruptions of `suite` that the reference has as well, at `severities` alone."""
    kept = known_to_reference(suite.corruptions)
    return Suite(suite.name, suite.version, kept, {one.name: list(severities) for one in kept}, seed=suite.seed)


def corruptions_lines(args: argparse.Namespace, severities: Sequence[int], device: torch.device) -> list[str]:
    """Measure the corruptions; the bars are for the mean over the first suite."""
    shared = [(one, True) for one in known_to_reference(find_suite(args.suite or SUITE).corruptions)]
    if args.suite is None:
        shared += [(one, False) for one in known_to_reference(find_suite(EXTRA).corruptions)]
    said = f"severity {severities[0]}" if len(severities) == 1 else "the mean over all severities"
    lines = [
        "## Corruptions against the reference",
        "",
        f"Batches of {args.batch_size} photographs at {said}: ours on {device.type} as a sweep draws them, "
        "`imagecorruptions` image by",
        f"image on the CPU. The mean is over the {sum(counted for _, counted in shared)} corruptions of "
        f"`{args.suite or SUITE}`.",
        "",
    ]
    for size in args.size:
        costs = measure_corruptions(shared, size, args.batch_size, severities, args.rounds, device)
        lines += corruptions_table(costs, size)
    return lines


def needs_reference(measures: Sequence[str]) -> bool:
    """Whether the reference implementation is one side of a measurement."""
    return bool({"corruptions", "pipeline"} & set(measures))


def heading(argv: Sequence[str], args: argparse.Namespace, device: torch.device) -> list[str]:
    """What was measured on, and how to do it again."""
    name = device_name(device)
    host = f" beside {processor()}" if device.type == "cuda" else ""
    rounds = "one round" if args.rounds == 1 else f"medians of {args.rounds} rounds"
    packages = ["torch", "numpy"] + ["imagecorruptions-imaug"] * needs_reference(args.measure)
    made_with = ", ".join(f"{name} {version(name)}" for name in packages)
    command = shlex.join(["python", "-m", "experiments", "speed", *argv])
    return [
        "# Speed",
        "",
        f"Ratios within one run: the two sides take turns; {rounds}. Made by",
        "",
        f"    {command}",
        "",
        f"on {name}{host}, {torch.get_num_threads()} threads, {made_with}.",
        "",
    ]


def parse_arguments(argv: list[str]) -> argparse.Namespace:
    """The options of the verb."""
    parser = light_parser(
        "speed",
        "Time in turns: our corruptions against imagecorruptions, a sweep's step against bare forward passes, and a\n"
        "whole sweep against the usual pipeline, which decodes, corrupts and forwards each image for each cell; and what\n"
        "it takes to read records.",
        EXAMPLES,
    )
    parser.add_argument("--measure", nargs="+", choices=MEASURES, default=list(MEASURES), help="default: all")
    parser.add_argument(
        "--size",
        type=int,
        nargs="+",
        default=list(SIZES),
        help="height and width; beyond the first for corruptions only",
    )
    parser.add_argument("--batch-size", type=int, default=8, help="default: 8")
    parser.add_argument("--rounds", type=int, default=5, help="default: 5")
    parser.add_argument(
        "--severity", default="3", help="1 to 5, or 'all', of corruptions and pipeline (default: 3); the sweep has all"
    )
    parser.add_argument("--suite", help=f"name or YAML (default: {SUITE}, and {EXTRA} for the corruptions)")
    parser.add_argument("--images", type=int, default=16, help="files of the pipeline (default: 16)")
    parser.add_argument("--workers", type=int, default=2, help="loader processes of the pipeline (default: 2)")
    add_device_argument(parser)
    parser.add_argument("--output", type=Path, help="write the tables to this Markdown file as well")
    args = parser.parse_args(argv)
    if min(args.batch_size, args.rounds, args.images) < 1 or args.workers < 0:
        raise UserError(
            "there is nothing to measure: give --batch-size, --rounds and --images at least 1, --workers at least 0"
        )
    if args.severity != "all" and args.severity not in map(str, SEVERITIES):
        raise UserError(f"there is no severity {args.severity!r}: pass 1 to 5, or all")
    if min(args.size) < SMALLEST_SIDE:
        raise UserError(f"{min(args.size)} pixels are too few: corruptions are defined from {SMALLEST_SIDE} on")
    if args.size[0] % STRIDE and set(args.measure) & {"sweep", "pipeline"}:
        raise UserError(f"the network is measured at multiples of {STRIDE} pixels, not at {args.size[0]}")
    return args


def main(argv: list[str]) -> None:
    """The verb."""
    args = parse_arguments(argv)
    device = usable(args.device)
    torch.backends.cudnn.allow_tf32 = False  # as in 'benchmark'
    if args.output:
        require_writable(args.output)
    if needs_reference(args.measure):
        reference()
    suite, size = find_suite(args.suite or SUITE), args.size[0]
    severities = SEVERITIES if args.severity == "all" else (int(args.severity),)
    lines = heading(argv, args, device)
    if "corruptions" in args.measure:
        lines += corruptions_lines(args, severities, device)
    if "sweep" in args.measure:
        lines += sweep_lines(
            measure_sweep(suite, size, args.batch_size, args.rounds, device), suite, size, args.batch_size
        )
    if "pipeline" in args.measure:
        cells = at_severities(suite, severities)
        loading = (args.images, size, args.batch_size, args.workers)
        turns = measure_pipeline(cells, *loading, args.rounds, device)
        lines += pipeline_lines(turns, cells, *loading, device)
    if "records" in args.measure:
        lines += records_lines(measure_records(args.rounds))
    print()
    say("\n".join(lines), args.output)
