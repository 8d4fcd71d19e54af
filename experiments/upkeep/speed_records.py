"""Time to read records: starting a verb, and resampling a large record."""

import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from experiments.evaluation.scores.overlap import iou
from experiments.evaluation.statistics import RESAMPLES, compute_intervals
from experiments.measuring.turns import measure_seconds
from experiments.upkeep.speed_corruptions import describe_bar

IMAGES, CONDITIONS, CLASSES = 500, 76, 19
START, RESAMPLING = 1.0, 2.0
"""Limits in seconds."""

VERBS = ("leaderboard", "compare", "curves", "report", "verify")


def draw_large_counts() -> np.ndarray:
    """Random counts (images, conditions, classes, 3) of the size of a large record."""
    random = np.random.default_rng(0)
    true = random.integers(20, 4000, (IMAGES, CONDITIONS, CLASSES))
    hit = (true * random.random(true.shape)).astype(np.int64)
    return np.stack([hit, hit + random.integers(0, 400, hit.shape), true], axis=-1)


def measure_records(rounds: int) -> dict[str, list[float]]:
    """Seconds of every round for the resamples with their intervals, and for the start of each verb that reads records."""
    ratio = iou(draw_large_counts())
    found: dict[str, list[float]] = {"resamples": []}

    def resample() -> None:
        compute_intervals(ratio, lambda scores: {str(place): scores[..., place] for place in range(CONDITIONS)})

    for _ in tqdm(range(rounds), desc="records", unit="round"):
        found["resamples"].append(measure_seconds(resample, torch.device("cpu")))
        for verb in VERBS:
            command = [sys.executable, "-m", "experiments", verb, "--help"]
            started = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True, cwd=Path(__file__).parent.parent.parent)
            found.setdefault(verb, []).append(time.perf_counter() - started)
    return found


def make_record_lines(measured: dict[str, list[float]]) -> list[str]:
    """Markdown lines of the section."""
    medians = {name: statistics.median(seconds) for name, seconds in measured.items()}
    slowest = max(VERBS, key=lambda verb: medians[verb])
    return [
        "## Reading records",
        "",
        f"{RESAMPLES} resamples of {IMAGES} images under {CONDITIONS} conditions with {CLASSES} classes, with the percentile "
        "and BCa intervals of every",
        f"condition; and the start of the verbs that only read records ({', '.join(VERBS)}; the slowest is shown), from the",
        "command line to their help, with all imports.",
        "",
        "| what | seconds | bar |",
        "|---|---:|---|",
        f"| {RESAMPLES} resamples | {medians['resamples']:.2f} | at most {RESAMPLING:g}: "
        f"{describe_bar(medians['resamples'] <= RESAMPLING)} |",
        f"| start of `{slowest}` | {medians[slowest]:.2f} | under {START:g}: {describe_bar(medians[slowest] < START)} |",
        "",
    ]
