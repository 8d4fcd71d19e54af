"""Estimate of a sweep's time and memory from a small sample, scaled to images, conditions and processes."""

import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from datamodules.batch_resize import BatchResize
from datamodules.reading.image_reading import ImageReading
from experiments.files.tables import format_duration
from experiments.measuring.peak_memory import measure_peak_bytes
from experiments.measuring.photographs import load_photographs
from experiments.measuring.sweep_step import make_sweep_step
from experiments.measuring.turns import measure_seconds, take_turns
from experiments.sweeping.protocol import describe_windows
from experiments.sweeping.suite import Suite
from lightning_modules.labels import find_classes
from lightning_modules.metrics.sweep import SweepCounts
from lightning_modules.multiply_adds import count_multiply_adds
from lightning_modules.segmentation import SegmentationModule

SAMPLE = 256
"""Height and width of the single image measured on a CPU, where the time per pixel does not depend on the size."""


LONGEST = 60.0
"""Seconds that a measurement may take: of slow networks fewer conditions are measured, spread over the suite."""

FEWEST = 8
"""Conditions that are measured however long it takes."""


class Measured(NamedTuple):
    """Seconds and bytes of one image on one process."""

    step: float  # of a sweep, under one condition
    forward_fraction: float  # of the step that is the forward pass
    decode: float
    file: int  # bytes of an image as PNG
    start: float  # to start a process with its imports
    multiply_adds: float  # of a forward pass
    memory: int  # peak bytes of tensors in a step, for each image of its batch
    conditions: int  # that were measured


class Row(NamedTuple):
    """The estimate for a number of processes."""

    processes: int
    batches: int  # of the process with most
    seconds: float
    idle: float  # fraction of the time in which processes wait for the one that has most batches


def measure(
    module: SegmentationModule,
    suite: Suite,
    size: tuple[int, int],
    batch_size: int,
    device: torch.device,
    rounds: int,
    file_size: tuple[int, int] | None = None,
) -> Measured:
    """Time a sample of a sweep on `device`, and scale it to images of `size`.

    A CPU is as busy with one small image as with many large ones; a GPU is not, so it is measured on a full batch of the
    requested size.

    Args:
        module: on `device`.
        suite: whose order decides at which size images are corrupted.
        size: (height, width) that the network is given.
        batch_size: images in a batch.
        device: where it is measured.
        rounds: of the measurement.
        file_size: (height, width) of the files, where they are resized.
    """
    resized = file_size is not None and file_size != size and suite.corrupts_files(True)
    slid = describe_windows(module.network) is not None  # whose number does not grow with the pixels alone
    seen = (SAMPLE, SAMPLE) if device.type == "cpu" and not resized and not slid else size
    shape = (1 if device.type == "cpu" else batch_size, *(file_size if resized and file_size else seen))
    scale = size[0] * size[1] / (seen[0] * seen[1])
    own = _sample(shape, int(module.hparams["in_channels"]), module.num_classes, device)
    image = BatchResize(seen).resize_images(own[0])

    first = make_sweep_step(module, suite, *own, places=range(2), size=seen)  # clean and one corruption
    memory = measure_peak_bytes(first, device)
    places = choose_places(len(suite.conditions), measure_seconds(first, device) / 2, rounds)

    @torch.inference_mode()
    def forward() -> None:
        for _ in places:
            module.predict_logits(image)

    step = make_sweep_step(module, suite, *own, places=places, size=seen)
    step()  # what a condition sets up once is no part of its time
    turns = take_turns(step, forward, tqdm(range(rounds), desc="measure", unit="round"), device)
    decode, file = _measure_decoding(file_size or size)
    with torch.inference_mode():
        products = count_multiply_adds(partial(module.predict_logits, image[:1]))
    return Measured(
        turns.candidate_median * scale / len(places) / len(image),
        min(1.0, 1 / statistics.median(turns.overheads)),  # on a busy machine the forward pass alone may take longer
        decode,
        file,
        _measure_start(),
        products * scale,
        round(memory * scale / len(image)),
        len(places),
    )


def choose_places(conditions: int, seconds: float, rounds: int) -> list[int]:
    """Indices of the conditions of a suite that are measured, spread evenly over it: all, as long as that takes no minute.

    Args:
        conditions: of the suite.
        seconds: about those of one condition.
        rounds: of the measurement, each with as many forward passes; one more warms up.
    """
    most = int(LONGEST / (2 * (rounds + 1) * seconds))
    number = min(conditions, max(FEWEST, most))
    return sorted({round(place) for place in np.linspace(0, conditions - 1, number)})


def _sample(shape: tuple[int, int, int], channels: int, classes: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """A batch (B, H, W) of photographs with random masks."""
    images = np.stack([_load_photograph(shape[1:], channels, place) for place in range(shape[0])])
    return torch.from_numpy(images).to(device), torch.randint(0, classes, shape).to(device)  # int64, as masks are there


def _load_photograph(size: tuple[int, int], channels: int, place: int = 0) -> np.ndarray:
    """The photograph at `place`, uint8 (channels, H, W)."""
    large = cv2.resize(load_photographs(place + 1, SAMPLE)[place], size[::-1], interpolation=cv2.INTER_CUBIC)
    return np.resize(large.transpose(2, 0, 1), (channels, *size))


def _measure_decoding(size: tuple[int, int]) -> tuple[float, int]:
    """Seconds to read a PNG file of `size`, and its bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image.png"
        cv2.imwrite(str(path), _load_photograph(size, 3).transpose(1, 2, 0))
        decode = min(measure_seconds(lambda: ImageReading().read(path), torch.device("cpu")) for _ in range(3))
        return decode, path.stat().st_size


def _measure_start() -> float:
    """Seconds to start a process with its imports."""
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", "import experiments.commands.evaluate.benchmark"],
        check=True,
        cwd=Path(__file__).parent.parent.parent,
    )
    return time.perf_counter() - started


def add_up(images: int, conditions: int, batch_size: int, processes: Sequence[int], step: float) -> list[Row]:
    """Estimate a sweep, whose batches are distributed among processes and whose time is that of the one with most."""
    rows = []
    for number in processes:
        batches = math.ceil(math.ceil(images / batch_size) / number)
        seconds = batches * batch_size * conditions * step
        rows.append(Row(number, batches, seconds, 1 - images / (number * batches * batch_size)))
    return rows


def compute_bytes(
    classes: int, channels: int, conditions: int, size: tuple[int, int], own_size: tuple[int, int] | None = None
) -> dict[str, int]:
    """Bytes that follow from the shapes: of the sums, of an image's counts, and of its transfer to the device.

    Args:
        classes: of the data.
        channels: of an image.
        conditions: of the suite.
        size: (height, width) that the network is given.
        own_size: (height, width) of the file, where it is corrupted at that and transferred as well.
    """
    counted = SweepCounts(classes, conditions)
    sums = sum(getattr(counted, name).nbytes for name in counted.sums)
    logits = torch.zeros(1, classes, 8, 8)
    one = SweepCounts(classes).count(logits, find_classes(logits), torch.zeros(1, 8, 8, dtype=torch.long), 0)
    pixels = size[0] * size[1] + (0 if own_size is None else own_size[0] * own_size[1])
    return {
        "sums": sums,
        "image_counts": conditions * sum(part.nbytes for part in one.values()),
        "to_device": pixels * (channels + 1),  # image and mask, a byte each
    }


def find_bottlenecks(rows: Sequence[Row], found: Measured, images: int, batch_size: int, workers: int) -> list[str]:
    """Describe the bottlenecks for each number of processes."""
    reasons = []
    for row in rows:
        decode = row.batches * batch_size * found.decode / max(1, workers)
        if decode > row.seconds:
            reasons.append(
                f"{row.processes} processes wait for images: decoding takes {format_duration(decode)} with {workers} workers each"
            )
        if row.idle > 0.2:
            batches = math.ceil(images / batch_size)
            reasons.append(
                f"{row.processes} processes share {batches} batches of {batch_size}, and wait {row.idle:.0%} of the time for the "
                "one that has most: take smaller batches, or fewer processes"
            )
        if found.start > row.seconds:
            reasons.append(
                f"{row.processes} processes take longer to start ({format_duration(found.start)}) than to sweep"
            )
    return reasons
