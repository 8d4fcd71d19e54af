"""Which modules of an encoder give its feature maps, and pass them on to its next stage."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lightning_modules.networks.smp import SmpNetwork, require_maps
from user_error import UserError


@torch.no_grad()
def find_stage_modules(network: SmpNetwork, stages: Sequence[int]) -> list[nn.Module]:
    """Find the module of each stage whose output is the stage's map, for what is to be changed on its way to the next stage.

    It is the last one that gives the very tensor of the list, and through which a NaN reaches that map and all coarser ones:
    the rule knows no encoder.

    Args:
        network: just built; it is left in training mode.
        stages: indices in the encoder's list of maps, finest first; 0 is the image.

    Raises:
        UserError: there is no such map, or no such module, or the encoder returns more than maps.
    """
    require_maps(network)
    encoder = network.encoder
    image = torch.zeros(1, network.in_channels, network.least_side, network.least_side, device=network.mean.device)
    network.eval()
    features, given = _record(encoder, image)
    found = []
    for stage in stages:
        if stage >= len(features) or not features[stage].numel():
            known = [index for index in range(1, len(features)) if features[index].numel()]
            raise UserError(f"the encoder {network.encoder_name!r} has no map {stage}: choose among its maps {known}")
        candidates = [module for module, output in reversed(given) if output is features[stage]]
        module = next((one for one in candidates if _passes_on(one, encoder, image, stage)), None)
        if module is None:
            raise UserError(
                f"no module of the encoder {network.encoder_name!r} gives its map {stage} to its next stage and to the decoder, "
                "so that it cannot be changed within: choose another encoder, such as 'resnet18', or leave the part out"
            )
        found.append(module)
    network.train()
    return found


def _record(encoder: Any, image: Tensor) -> tuple[list[Tensor], list[tuple[nn.Module, Tensor]]]:
    """The encoder's maps, and the outputs of those of its modules that ran once, in the order in which they ended."""
    given: list[tuple[nn.Module, Tensor]] = []

    def note(module: nn.Module, _: Any, output: Tensor) -> None:
        given.append((module, output))

    handles = [module.register_forward_hook(note) for module in encoder.modules() if module is not encoder]
    features = encoder(image)
    for handle in handles:
        handle.remove()
    runs = Counter(module for module, _ in given)
    return features, [(module, output) for module, output in given if runs[module] == 1]


def _passes_on(module: nn.Module, encoder: Any, image: Tensor, stage: int) -> bool:
    """Whether the map of a stage is what the module gives, and all coarser maps follow from it."""
    handle = module.register_forward_hook(lambda _, __, output: torch.full_like(output, torch.nan))
    features = encoder(image)
    handle.remove()
    coarser = [one for one in features[stage + 1 :] if one.numel()]
    return bool(features[stage].isnan().all()) and all(bool(one.isnan().any()) for one in coarser)
