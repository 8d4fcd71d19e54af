"""Costs of networks: parameters, multiply-adds, file size, and latency and memory measured against a reference."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import Annotated, Any, NamedTuple

import torch
from torch import Tensor
from tqdm import tqdm

from experiments.checkpoints.checkpoint import load_module, read_checkpoint
from experiments.checkpoints.derived_checkpoint import drop_training_state
from experiments.checkpoints.opened_checkpoint import CheckpointFile, find_distinct_digests
from experiments.checkpoints.written_checkpoint import count_bytes
from experiments.command_line.device import AUTO, find_device
from experiments.command_line.verb_parser import Option, call_verb
from experiments.evaluation.costs import FORMAT, Batch, Cost, Costs
from experiments.exporting.exported_module import Logits
from experiments.files.replaceable import require_json
from experiments.measuring.environment import describe_environment
from experiments.measuring.onnx_latency import add_onnx_latency
from experiments.measuring.peak_memory import measure_peak_bytes
from experiments.measuring.turns import take_turns
from experiments.record_files.cost_file import write_costs
from experiments.reporting.cost_table import FORMATS
from lightning_modules.multiply_adds import count_multiply_adds
from lightning_modules.pruning.weights import get_prunable_weights
from lightning_modules.segmentation import SegmentationModule
from user_error import UserError

EXAMPLES = """
--checkpoints runs/unet/best.ckpt runs/unet_cbam/best.ckpt --size 256 256 --output costs.json
--checkpoints runs/*/best.ckpt --size 512 1024 --batch-sizes 1 8 --reference runs/unet/best.ckpt --output costs.json
--checkpoints runs/unet/best.ckpt --size 256 256 --onnx --device cpu --output costs.json
--checkpoints runs/a/best.ckpt runs/a/last.ckpt --names "best" "last" --size 64 64 --output costs.json --format csv
"""

SHORTEST = 0.05
"""Least seconds of a measurement; a single pass of a small network is too short for the clock."""

WARM_UP = 2


@dataclass(frozen=True)
class Contender:
    """A checkpoint to be measured, with its module on the CPU."""

    name: str
    file: CheckpointFile
    digest: str
    module: SegmentationModule

    @property
    def channels(self) -> int:
        """Number of channels of its images."""
        return int(self.module.hparams["in_channels"])


def load_contenders(paths: Sequence[Path], names: Sequence[str] | None) -> list[Contender]:
    """Load all checkpoints, before anything is measured.

    Args:
        paths: of the checkpoints.
        names: one for each; those of the run folders if `None`.

    Raises:
        UserError: a checkpoint cannot be read, or two have the same name.
    """
    if names is not None and len(names) != len(paths):
        raise UserError(f"--names has {len(names)} names for {len(paths)} checkpoints: give one for each")
    files = [CheckpointFile(path) for path in paths]
    modules = [load_module(file) for file in files]
    names = names or [path.resolve().parent.name for path in paths]
    found = [Contender(*one) for one in zip(names, files, find_distinct_digests(files), modules, strict=True)]
    name, times = Counter(one.name for one in found).most_common(1)[0]
    if times > 1:
        raise UserError(f"{times} checkpoints are called {name!r}: tell them apart with --names, one for each")
    return found


def find_reference(path: Path | None, contenders: Sequence[Contender]) -> Contender:
    """The contender at `path`; the first if `None`.

    Raises:
        UserError: it is not among them.
    """
    if path is None:
        return contenders[0]
    found = next((one for one in contenders if one.file.path.resolve() == path.resolve()), None)
    if found is None:
        raise UserError(f"the reference {str(path)!r} is none of the checkpoints: name it among them as well")
    return found


def make_images(number: int, channels: int, size: Sequence[int], device: torch.device) -> Tensor:
    """Random images (B, C, H, W) uint8, the form in which a sweep passes them to a network."""
    random = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (number, channels, *size), dtype=torch.uint8, generator=random).to(device)


def count(contender: Contender, size: Sequence[int]) -> dict[str, Any]:
    """The fields of `Cost` that do not depend on the machine: all but its batches."""
    network = contender.module.network
    parameters, buffers = list(network.parameters()), list(network.buffers())
    image = make_images(1, contender.channels, size, torch.device("cpu"))
    return {
        "name": contender.name,
        "sha256": contender.digest,
        "network": f"{type(network).__module__}.{type(network).__qualname__}",
        "in_channels": contender.channels,
        "num_classes": contender.module.num_classes,
        "size": tuple(size),
        "parameters": sum(one.numel() for one in parameters),
        "trainable_parameters": sum(one.numel() for one in parameters if one.requires_grad),
        "buffers": sum(one.numel() for one in buffers),
        "weight_bytes": count_weight_bytes(contender),
        "file_bytes": contender.file.size,
        "training_bytes": count_training_bytes(contender),
        "multiply_adds": count_multiply_adds(partial(contender.module.predict_logits, image)),
        "zero_weights": sum(int((weight == 0).sum()) for weight in get_prunable_weights(network).values()),
    }


def count_weight_bytes(contender: Contender) -> int:
    """Bytes of the network's parameters and buffers."""
    network = contender.module.network
    return sum(one.nbytes for one in [*network.parameters(), *network.buffers()])


def count_training_bytes(contender: Contender) -> int:
    """Bytes of the state of a training in progress in the file."""
    content = read_checkpoint(contender.file)
    return count_bytes(content) - count_bytes(drop_training_state(content)) if "optimizer_states" in content else 0


def prepare(contender: Contender, device: torch.device) -> None:
    """Move the network to the device, in the memory format of a sweep."""
    contender.module.to(device)
    contender.module.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def make_pass(contender: Contender, images: Tensor) -> Callable[[], Tensor]:
    """A forward pass over `images`, warmed up."""
    work = partial(contender.module.predict_logits, images)
    for _ in range(WARM_UP):
        work()
    return work


def measure(
    contender: Contender,
    reference: Contender,
    batch_size: int,
    size: Sequence[int],
    rounds: Iterator[int],
    device: torch.device,
) -> Batch:
    """Time both in turns, and measure the memory of the first; both are on `device`.

    Raises:
        UserError: the batch does not fit the device.
    """
    images, reference_images = (make_images(batch_size, one.channels, size, device) for one in (contender, reference))
    try:
        with torch.inference_mode():
            forward, baseline = make_pass(contender, images), make_pass(reference, reference_images)
            contender.module.eval()  # clears what it caches for evaluation, which the next pass allocates again
            beyond = measure_peak_bytes(forward, device)
            turns = take_turns(forward, baseline, rounds, device, SHORTEST)
    except torch.OutOfMemoryError as error:
        height, width = size
        raise UserError(
            f"{contender.name!r} beside {reference.name!r} does not fit this device with {batch_size} images of {height} "
            f"x {width}: lower --batch-sizes or --size"
        ) from error
    return Batch(
        batch_size=batch_size,
        milliseconds_per_image=1000 * turns.candidate_median / batch_size,
        latency_ratio=median(turns.overheads),
        latency_ratio_least=min(turns.overheads),
        latency_ratio_most=max(turns.overheads),
        peak_memory_bytes=count_weight_bytes(contender) + images.nbytes + beyond,
    )


class Setting(NamedTuple):
    """How networks are measured: height and width, batch sizes, rounds, and device."""

    size: tuple[int, int]
    batch_sizes: Sequence[int]
    rounds: int
    device: torch.device
    onnx: bool = False


def measure_onnx(contender: Contender, batches: list[Batch], at: Setting) -> dict[str, Any]:
    """The fields of `Cost` that ONNX Runtime adds: its latencies, or why there are none."""
    try:
        network, rounds = Logits(contender.module), range(at.rounds)
        return {"batches": add_onnx_latency(network, contender.channels, at.size, batches, rounds, SHORTEST)}
    except UserError as error:
        return {"batches": batches, "onnx_refused": str(error)}


def measure_all(contenders: Sequence[Contender], reference: Contender, at: Setting) -> list[Cost]:
    """Measure each; only one network at a time is on the device besides the reference."""
    counted = [count(one, at.size) for one in tqdm(contenders, desc="count", unit="network")]
    prepare(reference, at.device)
    costs = []
    steps = len(contenders) * len(at.batch_sizes) * at.rounds
    with tqdm(total=steps, desc="measure", unit="round") as shown:

        def iterate_rounds() -> Iterator[int]:
            for number in range(at.rounds):
                yield number
                shown.update()

        for one, known in zip(contenders, counted, strict=True):
            shown.set_postfix_str(one.name)
            prepare(one, at.device)
            batches = [measure(one, reference, each, at.size, iterate_rounds(), at.device) for each in at.batch_sizes]
            found = measure_onnx(one, batches, at) if at.onnx else {"batches": batches}
            costs.append(Cost(**known, **found))
            if one is not reference:
                one.module.cpu()
    return costs


def measure_costs(
    *,
    checkpoints: Annotated[list[Path], Option(metavar="CHECKPOINT")],
    size: Annotated[tuple[int, int], Option(metavar=("HEIGHT", "WIDTH"))],
    batch_sizes: Annotated[Sequence[int], Option(metavar="N")] = (1,),
    reference: Annotated[Path | None, Option(metavar="CHECKPOINT")] = None,
    names: Annotated[Sequence[str] | None, Option(metavar="NAME")] = None,
    rounds: int = 20,
    device: str = AUTO,
    onnx: bool = False,
    output: Path,
    format: Annotated[str, Option(choices=FORMATS)] = "markdown",
) -> None:
    """Measure the costs of networks.

    Parameters, multiply-adds of one image, size of the file, and the latency and memory of their forward passes.
    Latencies are timed in turns with a reference, in float32, channels last, from images of 8 bit, as a sweep runs
    them. 'leaderboard --costs' shows the costs beside the scores.

    Args:
        checkpoints: files that 'fit' wrote.
        size: of the images, in pixels.
        batch_sizes: images in a batch; latency and memory of each.
        reference: one of the checkpoints (default: the first).
        names: one for each (default: those of the run folders).
        rounds: of each network with the reference.
        device: cpu, cuda, ... (default: a GPU where there is one).
        onnx: time ONNX Runtime, too, in turns with PyTorch, with as many threads; on a CPU.
        output: JSON file to write.
        format: of what is printed.

    Raises:
        UserError: a number is out of range, or the device cannot be measured.
    """
    if min(size) < 1:
        raise UserError(f"--size {size[0]} {size[1]}: give a height and a width of at least 1 pixel")
    if min(*batch_sizes, rounds) < 1:
        raise UserError("there is nothing to measure: give --batch-sizes and --rounds at least 1")
    on = find_device(device)
    if on.type not in ("cpu", "cuda"):
        raise UserError(f"latency and memory are measured on cpu and cuda, not on {on.type!r}: pass --device cpu")
    if onnx and on.type != "cpu":
        raise UserError(
            f"ONNX Runtime is measured on a CPU, not on {on.type!r}: pass --device cpu, or leave --onnx out"
        )
    torch.backends.cudnn.allow_tf32 = False  # as in 'benchmark'
    require_json(output, lambda found: isinstance(found, dict) and "costs" in found, "costs")
    contenders = load_contenders(checkpoints, names)
    beside = find_reference(reference, contenders)
    setting = Setting(size, list(dict.fromkeys(batch_sizes)), rounds, on, onnx)
    costs = Costs(
        format=FORMAT,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        reference=beside.digest,
        rounds=rounds,
        environment=describe_environment(on, 1, "32-true"),
        costs=measure_all(contenders, beside, setting),
    )
    write_costs(costs, output)
    print(FORMATS[format](costs), end="")


def main(argv: list[str]) -> None:
    """The verb."""
    call_verb("costs", measure_costs, EXAMPLES, argv)
