"""The kinds of forward passes by their names."""

from typing import Literal, get_args

from torch import Tensor, nn

from lightning_modules.inference.compiling import compile_network
from lightning_modules.inference.folding import fold_batch_norms

Passes = Literal["exact", "folded", "compiled"]
PASSES: tuple[Passes, ...] = get_args(Passes)
EXACT: Passes = "exact"


def make_passes(network: nn.Module, passes: Passes, image: Tensor) -> nn.Module:
    """A network that gives the logits of `network` by faster passes, up to rounding.

    Args:
        network: in evaluation mode, on the device of `image`; it stays as it is.
        passes: "exact" gives `network` itself, "folded" see `fold_batch_norms`, "compiled" see `compile_network`.
        image: (B, C, H, W), uint8 or float in [0, 1], such as it will be given.
    """
    if passes == EXACT:
        return network
    return fold_batch_norms(network, image) if passes == "folded" else compile_network(network)
