"""Time of passes and training steps where freed memory is kept, and where it goes back to the system."""

import json
import resource
import statistics
import subprocess
import sys
from pathlib import Path

import torch
from tqdm import tqdm

from experiments.command_line.freed_memory import keep_freed_memory
from experiments.measuring.turns import Turns, measure_seconds
from experiments.upkeep.speed_training import make_batch, make_module, make_step

CPU = torch.device("cpu")
REPEATS = 5  # in a process, after a warm-up
WORKS = ("forward pass", "training step")
GIB = 2**30


def time_works(size: int, batch_size: int, kept: bool) -> dict[str, tuple[float, float]]:
    """Median seconds of each work in this process, and the most that it has had resident by then (GiB)."""
    if kept:
        keep_freed_memory()
    module, batch = make_module(), make_batch(size, batch_size, CPU)

    def forward() -> None:
        with torch.inference_mode():
            module.predict_logits(batch["image"])

    found = {}
    for name, work in zip(WORKS, (forward, make_step(module, batch)), strict=True):
        work()
        seconds = statistics.median(measure_seconds(work, CPU) for _ in range(REPEATS))
        found[name] = (seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB)
    return found


def measure_memory(size: int, batch_size: int, rounds: int) -> dict[str, tuple[Turns, Turns]]:
    """Seconds and GiB of each work, kept (the candidate) and returned, each round in two fresh processes."""
    taken: dict[bool, list[dict[str, tuple[float, float]]]] = {True: [], False: []}
    for number in tqdm(range(rounds), desc="freed memory", unit="round"):
        for kept in (True, False) if number % 2 else (False, True):
            call = (
                f"import json, {__name__} as memory; print(json.dumps(memory.time_works({size}, {batch_size}, {kept})))"
            )
            process = subprocess.run(
                [sys.executable, "-c", call],
                check=True,
                stdout=subprocess.PIPE,
                text=True,
                cwd=Path(__file__).parent.parent.parent,
            )
            taken[kept].append(json.loads(process.stdout))
    seconds, most = (
        {name: Turns(*([one[name][part] for one in taken[kept]] for kept in (True, False))) for name in WORKS}
        for part in (0, 1)
    )
    return {name: (seconds[name], most[name]) for name in WORKS}


def make_memory_lines(measured: dict[str, tuple[Turns, Turns]], size: int, batch_size: int) -> list[str]:
    """Markdown lines of the section."""
    lines = [
        "## Freed memory",
        "",
        f"A U-Net ResNet-18 on the processor, {batch_size} x 3 x {size} x {size}: every verb keeps the memory of a freed tensor "
        "for the next one, where",
        "glibc by itself returns blocks of more than 32 MiB to the system, which clears each page anew. Numbers are the same.",
        "",
        "| | returned (s) | kept (s) | times faster | returned (GiB) | kept (GiB) |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, (seconds, most) in measured.items():
        lines.append(
            f"| {name} | {seconds.baseline_median:.3f} | {seconds.candidate_median:.3f} | **{seconds.speedup:.2f}** "
            f"| {most.baseline_median:.2f} | {most.candidate_median:.2f} |"
        )
    return [*lines, ""]
