"""Measure speed as ratios within one run: corruptions, a sweep's step and a complete sweep against their baselines.

Only the time to read records has limits in seconds, since a person waits for it.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import torch

from datamodules.corruptions.base import SEVERITIES, SMALLEST_SIDE, Corruption
from experiments.command_line.device import AUTO, find_device
from experiments.command_line.verb_parser import CommandLine, Option, call_verb
from experiments.files.atomic_write import require_writable
from experiments.files.replaceable import print_and_save
from experiments.measuring.environment import read_device_name, read_processor_name
from experiments.measuring.reference import import_reference
from experiments.sweeping.suite import Suite
from experiments.sweeping.suites import find_suite
from experiments.upkeep.speed_corruptions import make_corruptions_table, measure_corruptions
from experiments.upkeep.speed_memory import make_memory_lines, measure_memory
from experiments.upkeep.speed_pipeline import WAYS, make_pipeline_lines, measure_pipeline
from experiments.upkeep.speed_records import make_record_lines, measure_records
from experiments.upkeep.speed_sweep import make_sweep_lines, measure_sweep
from experiments.upkeep.speed_training import PRECISIONS, list_method_names, make_training_lines, measure_training
from user_error import UserError

EXAMPLES = """
--output docs/speed.md
--measure corruptions --size 256 --severity all
--measure sweep --suite core --size 512 --batch-size 4
--measure pipeline --images 64 --device cuda
--measure pipeline --passes compiled
--measure training --size 256 --methods augmix pixmix adversarial
--measure records
"""

MEASURES = ("corruptions", "sweep", "pipeline", "training", "memory", "records")
SUITE, EXTRA = "imagenet_c", "imagenet_c_extra"
SIZES = (256, 512)
STRIDE = 32  # of the network; the bare forward passes do not pad


def find_shared_corruptions(corruptions: Sequence[Corruption]) -> list[Corruption]:
    """The corruptions that the reference implementation has as well.

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


def restrict_suite(suite: Suite, severities: Sequence[int]) -> Suite:
    """Restrict a suite to the corruptions that the reference has as well, and to `severities`."""
    shared = find_shared_corruptions(suite.corruptions)
    return Suite(suite.name, suite.version, shared, {one.name: list(severities) for one in shared}, seed=suite.seed)


@dataclass(frozen=True, kw_only=True)
class Options:
    """Time the project in turns with baselines.

    Corruptions against imagecorruptions, a sweep's step against bare forward passes, and a complete sweep against the
    usual pipeline, which decodes, corrupts and forwards each image for each cell; a training step by each method
    against the plain one; passes and steps on the processor where freed memory is kept and where it is returned; and the
    time to read records.

    Args:
        measure: what is timed.
        size: height and width; beyond the first for corruptions only.
        batch_size: images in a batch.
        rounds: of each measurement.
        severity: 1 to 5, or 'all', of corruptions and pipeline; the sweep has all.
        suite: name or YAML (default: imagenet_c, and imagenet_c_extra for the corruptions).
        images: files of the pipeline.
        workers: loader processes of the pipeline.
        passes: of the sweep beside exact ones in the pipeline; to compile a network takes a minute or two.
        methods: of training that are timed: batch transforms and objectives (default: all).
        device: cpu, cuda, ... (default: a GPU where there is one).
        output: write the tables to this Markdown file as well.
        command_line: the words of the command line.

    Raises:
        UserError: a number is out of range.
    """

    measure: Annotated[Sequence[str], Option(choices=MEASURES)] = MEASURES
    size: Sequence[int] = SIZES
    batch_size: int = 8
    rounds: int = 5
    severity: str = "3"
    suite: str | None = None
    images: int = 16
    workers: int = 2
    passes: Annotated[Sequence[str], Option(choices=WAYS)] = tuple(WAYS)
    methods: Annotated[Sequence[str] | None, Option(listed=list_method_names)] = None
    device: str = AUTO
    output: Path | None = None
    command_line: CommandLine

    def __post_init__(self) -> None:
        if min(self.batch_size, self.rounds, self.images) < 1 or self.workers < 0:
            raise UserError(
                "there is nothing to measure: give --batch-size, --rounds and --images at least 1, --workers at least 0"
            )
        unknown = sorted({*(self.methods or ())} - {*list_method_names()})
        if unknown:
            raise UserError(
                f"there is no training method {unknown[0]!r}: pass some of {', '.join(list_method_names())}"
            )
        if self.severity != "all" and self.severity not in map(str, SEVERITIES):
            raise UserError(f"there is no severity {self.severity!r}: pass 1 to 5, or all")
        if min(self.size) < SMALLEST_SIDE:
            raise UserError(f"{min(self.size)} pixels are too few: corruptions are defined from {SMALLEST_SIDE} on")
        if self.size[0] % STRIDE and set(self.measure) & {"sweep", "pipeline"}:
            raise UserError(f"the network is measured at multiples of {STRIDE} pixels, not at {self.size[0]}")


def make_corruption_lines(options: Options, severities: Sequence[int], device: torch.device) -> list[str]:
    """Measure the corruptions, as Markdown lines; the limits are for the mean over the first suite."""
    shared = [(one, True) for one in find_shared_corruptions(find_suite(options.suite or SUITE).corruptions)]
    if options.suite is None:
        shared += [(one, False) for one in find_shared_corruptions(find_suite(EXTRA).corruptions)]
    scope = f"severity {severities[0]}" if len(severities) == 1 else "the mean over all severities"
    lines = [
        "## Corruptions against the reference",
        "",
        f"Batches of {options.batch_size} photographs at {scope}: ours on {device.type} as a sweep draws them, "
        "`imagecorruptions` image by",
        f"image on the CPU. The mean is over the {sum(counted for _, counted in shared)} corruptions of "
        f"`{options.suite or SUITE}`.",
        "",
    ]
    for size in options.size:
        costs = measure_corruptions(shared, size, options.batch_size, severities, options.rounds, device)
        lines += make_corruptions_table(costs, size)
    return lines


def needs_reference(measures: Sequence[str]) -> bool:
    """Whether a measurement compares with the reference implementation."""
    return bool({"corruptions", "pipeline"} & set(measures))


def make_heading(options: Options, device: torch.device) -> list[str]:
    """Markdown lines with the hardware, the versions and the command."""
    name = read_device_name(device)
    host = f" beside {read_processor_name()}" if device.type == "cuda" else ""
    rounds = "one round" if options.rounds == 1 else f"medians of {options.rounds} rounds"
    packages = ["torch", "numpy"] + ["imagecorruptions-imaug"] * needs_reference(options.measure)
    made_with = ", ".join(f"{name} {version(name)}" for name in packages)
    command = shlex.join(["python", "-m", "experiments", "speed", *options.command_line])
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


def measure_speed(options: Options) -> None:
    """Run the chosen measurements, and print and write their tables."""
    device = find_device(options.device)
    torch.backends.cudnn.allow_tf32 = False  # as in 'benchmark'
    if options.output:
        require_writable(options.output)
    if needs_reference(options.measure):
        import_reference()
    suite, size = find_suite(options.suite or SUITE), options.size[0]
    severities = SEVERITIES if options.severity == "all" else (int(options.severity),)
    lines = make_heading(options, device)
    if "corruptions" in options.measure:
        lines += make_corruption_lines(options, severities, device)
    if "sweep" in options.measure:
        lines += make_sweep_lines(
            measure_sweep(suite, size, options.batch_size, options.rounds, device), suite, size, options.batch_size
        )
    if "pipeline" in options.measure:
        cells = restrict_suite(suite, severities)
        loading = (options.images, size, options.batch_size, options.workers)
        times = measure_pipeline(cells, *loading, options.rounds, device, options.passes)
        lines += make_pipeline_lines(times, cells, *loading, device)
    if "training" in options.measure:
        steps = {
            one: measure_training(size, options.batch_size, options.rounds, one, device, options.methods)
            for one in PRECISIONS
        }
        lines += make_training_lines(steps, size, options.batch_size)
    if "memory" in options.measure:
        found = measure_memory(size, options.batch_size, options.rounds)
        lines += make_memory_lines(found, size, options.batch_size)
    if "records" in options.measure:
        lines += make_record_lines(measure_records(options.rounds))
    print()
    print_and_save("\n".join(lines), options.output)


def main(argv: list[str]) -> None:
    """The verb."""
    measure_speed(call_verb("speed", Options, EXAMPLES, argv))
