"""Time of a complete sweep and of the usual pipeline, which decodes, corrupts and forwards every image for every cell."""

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

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
from experiments.measuring.turns import Turns, take_turns
from experiments.sweeping.suite import Suite
from experiments.sweeping.sweep import sweep_temporarily
from experiments.upkeep.speed_corruptions import describe_bar
from experiments.upkeep.speed_sweep import CLASSES, make_module
from lightning_modules.metrics.counts import compute_confusion
from lightning_modules.networks.smp import SmpNetwork
from lightning_modules.segmentation import SegmentationModule

BARS = {"cpu": 1.3, "cuda": 10.0}
"""Required speedup of a sweep over the usual pipeline."""


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


def run_sweep(module: SegmentationModule, data: FolderDataModule, suite: Suite, device: torch.device) -> Tensor:
    """Confusion matrices (conditions, K, K) of a sweep as ``benchmark`` runs it, its journal included."""
    accelerator = "gpu" if device.type == "cuda" else "cpu"
    return torch.from_numpy(
        sweep_temporarily(module, data, suite, accelerator, "32-true", device.index or 0).sums["confusion"]
    )


def list_cells(suite: Suite) -> list[tuple[str, int] | None]:
    """The cells of the usual pipeline: those of `suite`, in its order."""
    return [None, *((one.name, one.severity) for one in suite.corrupted_conditions)]


def make_pipelines(
    root: Path, suite: Suite, batch_size: int, workers: int, device: torch.device
) -> tuple[Callable[[], Tensor], Callable[[], Tensor]]:
    """The sweep and the usual pipeline over the folder `root`, both warmed up; each returns confusion matrices."""
    module = make_module(device)
    data = FolderDataModule(str(root), eval_batch_size=batch_size, num_workers=workers)

    def sweep(conditions: Suite = suite) -> Tensor:
        return run_sweep(module, data, conditions, device)

    def run_baseline(cells: Sequence[tuple[str, int] | None]) -> Tensor:
        return run_usual_pipeline(root, cells, module, batch_size, workers, device)

    with Image.open(root / "test" / "images" / "0000.jpg") as file:
        image = np.array(file)
    for cell in list_cells(suite)[1:]:  # numba compiles here, before the loader's processes are forked
        assert cell is not None
        import_reference()(image, cell[1], cell[0])
    sweep(Suite("clean", 1)), run_baseline([None])
    return sweep, lambda: run_baseline(list_cells(suite))


def measure_pipeline(
    suite: Suite, images: int, size: int, batch_size: int, workers: int, rounds: int, device: torch.device
) -> Turns:
    """Seconds of a complete sweep over `images` files, and of the usual pipeline over the same files and cells."""
    with TemporaryDirectory() as folder:
        write_folder(Path(folder), images, size)
        sweep, baseline = make_pipelines(Path(folder), suite, batch_size, workers, device)
        return take_turns(sweep, baseline, range(rounds), device)


def make_pipeline_lines(
    turns: Turns, suite: Suite, images: int, size: int, batch_size: int, workers: int, device: torch.device
) -> list[str]:
    """Markdown lines of the section."""
    bar = BARS.get(device.type)
    asked = "" if bar is None else f"at least {bar:g}: {describe_bar(turns.speedup >= bar)}"
    return [
        "## Whole sweep against the usual pipeline",
        "",
        f"{images} JPEG files of {size} x {size} under the {len(suite.conditions)} conditions of `{suite.name}`, U-Net "
        f"ResNet-18, batches of {batch_size}, {workers} loader processes.",
        "The sweep decodes an image once; the usual pipeline decodes, corrupts with `imagecorruptions` and normalises it",
        "in the loader for every cell, with one loader for all cells, and the sweep's network, memory format and counts.",
        "",
        "| sweep (s) | usual pipeline (s) | times faster | bar |",
        "|---:|---:|---:|---|",
        f"| {turns.candidate_median:.2f} | {turns.baseline_median:.2f} | **{turns.speedup:.2f}** | {asked} |",
        "",
    ]
