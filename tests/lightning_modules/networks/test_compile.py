"""Every network under torch.compile: captured as one graph, or known to break it, with the reason in its docstring."""

from pathlib import Path

import pytest
import torch
from networks import OF_LIBRARIES, PATHS, make

BREAKS = {"fpn_reseg", "unet_hog", "unet_sift", "unet_orb", "unet_edges", "unet_lbp"}
"""What torch cannot capture whole; it runs all the same, in several graphs."""

ALIKE = {
    "ensemble_unet_fpn",
    "unet_multi_task_depth",
    "dinov2_dpt",
    "dinov2_unet",
    "fusion_late",
    "fusion_middle",
}
"""Where nothing is captured that is not in another: what they add is another member, another target, another encoder."""


@pytest.mark.parametrize(
    "path", [path for path in PATHS if path.stem not in ALIKE | OF_LIBRARIES], ids=lambda path: path.stem
)
def test_compiled_networks_give_the_same_logits(path: Path) -> None:
    """With the capture of torch.compile and without its code generation, which needs a compiler on the machine.

    What breaks the graph is said by the class of the network, or of ours among its parts that breaks it.
    """
    network = make(path, 3, 3).eval()
    torch._dynamo.reset()
    compiled = torch.compile(network, backend="eager", fullgraph=path.stem not in BREAKS)
    image = torch.randint(0, 256, (1, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(compiled(image), network(image), rtol=1e-4, atol=1e-4)
    kinds = {kind for module in network.modules() for kind in type(module).__mro__}
    actual = [kind for kind in kinds if kind.__module__.startswith("lightning_modules.")]
    documented = any("torch.compile" in (kind.__doc__ or "") for kind in actual)
    assert documented == (path.stem in BREAKS)
