"""Where and with what a number was made."""

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


def commit() -> str | None:
    """Commit of this checkout, with '+changes' where files differ from it; null outside git."""
    here = Path(__file__).resolve().parent.parent

    def git(*words: str) -> str:
        command = ["git", "-C", str(here), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain", "-uno") else "")
    except (subprocess.CalledProcessError, FileNotFoundError):
        return None


def processor() -> str:
    """Name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def device_name(device: torch.device) -> str:
    """Name of the card, or of the processor."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else processor()


def describe_environment(device: torch.device, processes: int, precision: str) -> dict[str, Any]:
    """Hardware, versions and commit, for a record."""
    return {
        "device": device_name(device),
        "device_type": device.type,
        "processes": processes,
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "precision": precision,
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
        "commit": commit(),
    }
