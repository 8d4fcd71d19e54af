"""Which of an encoder's feature maps a decoder looks at."""

import torch

from lightning_modules.networks.smp import SmpNetwork, require_maps


@torch.no_grad()
def find_decoder_inputs(network: SmpNetwork) -> dict[int, int]:
    """Feature maps that reach the logits, found by following a NaN in each of them through the decoder.

    Parameters on any other map would never get a gradient, and DistributedDataParallel would wait for it. The rule
    knows no architecture: DeepLabV3+ looks at two maps, FPN at four, and an encoder may leave out a stage.

    Args:
        network: just built; it is left in training mode.

    Returns:
        Index in the encoder's list, finest first, to the number of channels; the image and empty maps are left out.

    Raises:
        UserError: the decoder looks at more than maps.
    """
    require_maps(network)
    side = 4 * network.stride  # PAN pools the bottleneck three times
    network.eval()
    features = network.model.encoder(torch.zeros(1, network.in_channels, side, side, device=network.mean.device))
    batch = [feature.repeat(len(features), 1, 1, 1) for feature in features]
    for index, feature in enumerate(batch):  # one image for each map
        feature[index] = torch.nan
    reached = network.model.decoder(batch).isnan().flatten(1).any(1).tolist()
    network.train()
    return {index: features[index].shape[1] for index in range(1, len(features)) if reached[index]}
