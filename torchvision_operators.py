"""Let torchvision import beside CPU-only PyTorch.

Torchvision's wheel for Linux is built for CUDA. Beside a CPU-only PyTorch its compiled library does not
load, the operators in it stay undeclared, and the import ends with ``operator torchvision::nms does not exist``. smp,
timm and torchmetrics all import torchvision; none of what this project uses needs those operators, so declaring them by
name, without an implementation, is enough. Where the library loads, nothing is declared.

Each of the three packages imports this module first. It costs nothing until something imports torchvision.
"""

import importlib.abc
import importlib.util
import re
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

_libraries: list[Any] = []  # a declaration lives as long as its Library object


def declare_missing_operators() -> None:
    """Declare the operators whose shape functions torchvision registers, if its compiled library does not load."""
    import torch

    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return
    folder = Path(spec.origin).parent
    try:
        torch.ops.load_library(next(folder.glob("_C.*")))
    except (OSError, StopIteration):
        library = torch.library.Library("torchvision", "FRAGMENT")
        registered = re.findall(r'register_fake\("torchvision::(\w+)"', (folder / "_meta_registrations.py").read_text())
        for name in dict.fromkeys(registered):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _libraries.append(library)


class _BeforeTorchvision(importlib.abc.MetaPathFinder):
    """A finder that finds no module: it declares the operators just before torchvision is first imported."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == "torchvision":
            sys.meta_path.remove(self)
            declare_missing_operators()
        return None


if "torchvision" not in sys.modules:
    sys.meta_path.insert(0, _BeforeTorchvision())
