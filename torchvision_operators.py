"""Let torchvision import beside CPU-only PyTorch.

The registry's torchvision wheel for Linux is built for CUDA. Beside a CPU-only PyTorch its compiled library does not
load, the operators in it stay undeclared, and the import ends with ``operator torchvision::nms does not exist``. smp,
timm and torchmetrics all import torchvision; none of what this project uses needs those operators. Declaring a missing
one by name, without an implementation, is enough. Where torchvision imports by itself nothing is declared.

``datamodules`` and ``lightning_modules`` import this module first.
"""

import re

import torch

_DECLARED: list[torch.library.Library] = []  # a declaration lives as long as its Library object


def _missing_operator(error: RuntimeError) -> str | None:
    found = re.search(r"operator torchvision::(\w+) does not exist", str(error))
    return found.group(1) if found else None


def declare_missing_operators() -> None:
    """Import torchvision, declaring each operator that its import misses.

    Raises:
        RuntimeError: torchvision fails for another reason than a missing operator.
    """
    for _ in range(10):
        try:
            import torchvision  # noqa: F401
        except RuntimeError as error:
            name = _missing_operator(error)
            if name is None:
                raise
            library = torch.library.Library("torchvision", "FRAGMENT")
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            _DECLARED.append(library)
        else:
            return
    raise RuntimeError("torchvision still misses operators after ten were declared: install a matching pair of wheels")


declare_missing_operators()
