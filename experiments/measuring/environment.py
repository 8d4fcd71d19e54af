"""The hardware and software with which a result was computed."""

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import torch

PACKAGES = (
    "torch",
    "pytorch-lightning",
    "segmentation-models-pytorch",
    "timm",
    "numpy",
    "opencv-python-headless",
    "albumentations",
    "pillow",
)


def read_commit() -> str | None:
    """Commit of this checkout, with '+changes' where files differ from it; `None` outside git."""
    here = Path(__file__).resolve().parent.parent

    def run_git(*words: str) -> str:
        command = ["git", "-C", str(here), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return run_git("rev-parse", "HEAD") + ("+changes" if run_git("status", "--porcelain", "-uno") else "")
    except (subprocess.CalledProcessError, FileNotFoundError):
        return None


def read_processor_name() -> str:
    """Name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def read_device_name(device: torch.device) -> str:
    """Name of the GPU, or of the processor."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else read_processor_name()


def describe_environment(device: torch.device, processes: int, precision: str) -> dict[str, Any]:
    """Hardware, versions and commit, for a record."""
    return {
        "device": read_device_name(device),
        "device_type": device.type,
        "processes": processes,
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "precision": precision,
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
        "commit": read_commit(),
    }
