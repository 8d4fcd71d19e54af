"""Time of a complete sweep and of the usual pipeline, which decodes, corrupts and forwards every image for every cell."""

import statistics
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import torch
import yaml
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from datamodules.base import limit_worker_threads
from datamodules.datasets.folder import FolderDataModule
from experiments.measuring.photographs import load_photographs
from experiments.measuring.reference import import_reference
from experiments.measuring.turns import time_in_turns
from experiments.sweeping.suite import Suite
from experiments.sweeping.sweep import sweep_temporarily
from experiments.upkeep.speed_corruptions import describe_bar
from experiments.upkeep.speed_sweep import CLASSES, make_module
from lightning_modules.inference.passes import EXACT, Passes, make_passes
from lightning_modules.metrics.counts import compute_confusion
from lightning_modules.networks.smp import SmpNetwork
from lightning_modules.segmentation import SegmentationModule

WAYS: dict[str, tuple[Passes, str]] = {
    "exact": ("exact", "32-true"),
    "folded": ("folded", "32-true"),
    "compiled": ("compiled", "32-true"),
    "compiled, bf16-mixed": ("compiled", "bf16-mixed"),
}
"""Passes and precision of the sweeps that are measured."""

USUAL = "usual pipeline"

BARS = {"cpu": 1.3, "cuda": 10.0}
"""Required speedup of a sweep over the usual pipeline."""


class Prepared(NamedTuple):
    """A module whose network has passes of a kind."""

    module: SegmentationModule
    seconds: float  # until they were made
    precision: str


def write_folder(root: Path, number: int, size: int) -> None:
    """Write a data folder of `number` JPEG photographs of `size` px and PNG masks of their grey levels, as a test split."""
    for kind in ("images", "masks"):
        (root / "test" / kind).mkdir(parents=True)
    for place, image in enumerate(load_photographs(number, size)):
        Image.fromarray(image).save(root / "test" / "images" / f"{place:04d}.jpg", quality=95)
        levels = image.mean(-1) * (CLASSES / 256)
        Image.fromarray(levels.astype(np.uint8)).save(root / "test" / "masks" / f"{place:04d}.png")
    (root / "dataset.yaml").write_text(yaml.safe_dump({"classes": [f"level {place}" for place in range(CLASSES)]}))


class UsualCells(Dataset[tuple[int, Tensor, Tensor]]):
    """Every image under every cell, decoded, corrupted by the reference and normalised in numpy, one by one.

    Args:
        root: folder of `write_folder`.
        cells: corruption and severity; `None` for clean.
        network: whose normalisation is applied.
    """

    def __init__(self, root: Path, cells: Sequence[tuple[str, int] | None], network: SmpNetwork) -> None:
        self.images = sorted((root / "test" / "images").iterdir())
        self.masks = sorted((root / "test" / "masks").iterdir())
        self.cells = cells
        self.mean = network.mean.flatten().cpu().numpy()
        self.std = network.std.flatten().cpu().numpy()

    def __getitem__(self, request: int) -> tuple[int, Tensor, Tensor]:
        """The cell, a normalised image (3, H, W) and a mask (H, W)."""
        cell, place = divmod(request, len(self.images))
        image, mask = (np.array(Image.open(paths[place])) for paths in (self.images, self.masks))
        wanted = self.cells[cell]
        if wanted is not None:
            image = import_reference()(image, wanted[1], wanted[0])
        normal = (image.astype(np.float32) / 255 - self.mean) / self.std
        return cell, torch.from_numpy(np.ascontiguousarray(normal.transpose(2, 0, 1))), torch.from_numpy(mask)

    def make_batches(self, batch_size: int) -> list[list[int]]:
        """Batches of requests, cell after cell; no batch contains two cells."""
        number = len(self.images)
        return [
            [cell * number + place for place in range(start, min(start + batch_size, number))]
            for cell in range(len(self.cells))
            for start in range(0, number, batch_size)
        ]


def run_usual_pipeline(
    root: Path,
    cells: Sequence[tuple[str, int] | None],
    module: SegmentationModule,
    batch_size: int,
    workers: int,
    device: torch.device,
) -> Tensor:
    """Confusion matrices (cells, K, K) of the usual pipeline.

    It has one loader for all cells, so that its processes start once, and the network, memory format and inference mode of
    the sweep.
    """
    network: SmpNetwork = module.network  # type: ignore[assignment]
    module.to(device).eval()
    view = UsualCells(root, cells, network)
    loader = DataLoader(
        view,
        batch_sampler=view.make_batches(batch_size),
        num_workers=workers,
        worker_init_fn=limit_worker_threads,
        pin_memory=device.type == "cuda",
    )
    confusion = torch.zeros(len(cells), CLASSES, CLASSES, dtype=torch.int64, device=device)
    with torch.inference_mode():
        for cell, image, mask in tqdm(loader, desc="usual pipeline", unit="batch"):
            moved = image.to(device).contiguous(memory_format=torch.channels_last)
            predicted = network.compute_logits(moved).argmax(1)
            confusion[cell[0]] += compute_confusion(predicted, mask.to(device).long(), CLASSES).sum(0)
    return confusion.cpu()


def run_sweep(
    module: SegmentationModule, data: FolderDataModule, suite: Suite, device: torch.device, precision: str
) -> Tensor:
    """Confusion matrices (conditions, K, K) of a sweep as ``benchmark`` runs it, its journal included."""
    accelerator = "gpu" if device.type == "cuda" else "cpu"
    swept = sweep_temporarily(module, data, suite, accelerator, precision, device.index or 0)
    return torch.from_numpy(swept.sums["confusion"])


def list_cells(suite: Suite) -> list[tuple[str, int] | None]:
    """The cells of the usual pipeline: those of `suite`, in its order."""
    return [None, *((one.name, one.severity) for one in suite.corrupted_conditions)]


class PipelineTimes(NamedTuple):
    """Seconds of a sweep by each kind of passes, and of the usual pipeline, in the same rounds."""

    sweeps: dict[str, list[float]]
    usual: list[float]
    preparation: dict[str, float]  # seconds for which a network is folded or compiled, once in a sweep
    changed: dict[str, float]  # share of pixels, at least, that the passes put elsewhere in the confusion matrices

    def compute_speedup(self, name: str) -> float:
        """How many times faster a sweep is than the usual pipeline."""
        return statistics.median(self.usual) / statistics.median(self.sweeps[name])


def prepare_passes(passes: Passes, precision: str, size: int, batch_size: int, device: torch.device) -> Prepared:
    """The module of the measurements with passes of a kind, and the seconds until they are made."""
    module, started = make_module(device), time.perf_counter()
    images = torch.zeros(batch_size, 3, size, size, dtype=torch.uint8, device=device)
    bits = torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16-mixed")
    with torch.inference_mode(), bits:
        module.network = make_passes(module.network, passes, images)
        module(images)
    return Prepared(module, time.perf_counter() - started, precision)


def measure_pipeline(
    suite: Suite,
    images: int,
    size: int,
    batch_size: int,
    workers: int,
    rounds: int,
    device: torch.device,
    ways: Sequence[str] = tuple(WAYS),
) -> PipelineTimes:
    """Time a complete sweep over `images` files, by each of `ways`, and the usual pipeline over the same files and cells."""
    prepared = {way: prepare_passes(*WAYS[way], size, batch_size, device) for way in dict.fromkeys([EXACT, *ways])}
    cells = list_cells(suite)
    with TemporaryDirectory() as folder:
        root = Path(folder)
        write_folder(root, images, size)
        data = FolderDataModule(str(root), eval_batch_size=batch_size, num_workers=workers)
        with Image.open(root / "test" / "images" / "0000.jpg") as file:
            image = np.array(file)
        for cell in cells[1:]:  # numba compiles here, before the loader's processes are forked
            assert cell is not None
            import_reference()(image, cell[1], cell[0])
        counted = {name: run_sweep(one.module, data, suite, device, one.precision) for name, one in prepared.items()}
        sides = {
            name: partial(run_sweep, one.module, data, suite, device, one.precision) for name, one in prepared.items()
        }
        baseline = partial(run_usual_pipeline, root, cells, make_module(device), batch_size, workers, device)
        seconds = time_in_turns({**sides, USUAL: baseline}, range(rounds), device)
    exact = counted[EXACT]
    return PipelineTimes(
        {name: seconds[name] for name in sides},
        seconds[USUAL],
        {name: one.seconds for name, one in prepared.items()},
        {name: float((one - exact).abs().sum() / 2 / exact.sum()) for name, one in counted.items()},
    )


def make_pipeline_lines(
    times: PipelineTimes, suite: Suite, images: int, size: int, batch_size: int, workers: int, device: torch.device
) -> list[str]:
    """Markdown lines of the section."""
    bar = BARS.get(device.type)
    lines = [
        "## Whole sweep against the usual pipeline",
        "",
        f"{images} JPEG files of {size} x {size} under the {len(suite.conditions)} conditions of `{suite.name}`, U-Net "
        f"ResNet-18, batches of {batch_size}, {workers} loader processes.",
        "The sweep decodes an image once; the usual pipeline decodes, corrupts with `imagecorruptions` and normalises it",
        "in the loader for every cell, with one loader for all cells, and the memory format of the sweep; it takes",
        f"{statistics.median(times.usual):.2f} s. A network is folded or compiled once, before a sweep; that is not in its time. "
        "The share of changed",
        "pixels is how much of the confusion matrices lies elsewhere than by exact passes; the network's weights are random, so",
        "that its logits lie as close together as they ever do.",
        "",
        "| passes of the sweep | made in (s) | sweep (s) | times faster | changed pixels | bar |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for name, taken in times.sweeps.items():
        speedup = times.compute_speedup(name)
        asked = "" if bar is None else f"at least {bar:g}: {describe_bar(speedup >= bar)}"
        made = f"{times.preparation[name]:.1f}" if name != EXACT else ""
        lines.append(
            f"| {name} | {made} | {statistics.median(taken):.2f} | **{speedup:.2f}** | {times.changed[name]:.1e} | {asked} |"
        )
    return [*lines, ""]
