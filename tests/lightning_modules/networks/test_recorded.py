"""A recorded graph of a network is that of images of any number and size."""

import warnings

import networks
import pytest
import torch

SIZES = ((1, 64, 96), (3, 71, 90), (2, 33, 130))
STEMS = (
    *("fpn", "pspnet", "segformer", "dinov2_linear", "unet_conv_gru", "unet_criss_cross"),
    *("fusion_late_learned", "unet_batch_ensemble", "unet_flips", "unet_mc_dropout", "unet_multi_task"),
)


@pytest.mark.parametrize("stem", STEMS)
@torch.inference_mode()
def test_a_trace_follows_the_size_of_its_images(stem: str) -> None:
    network = networks.make(next(path for path in networks.PATHS if path.stem == stem), 3, 3).eval()
    network.requires_grad_(False)
    image = torch.rand(2, 3, 90, 75)
    network(image)  # what is drawn and cached once
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trace = torch.jit.trace(network, image, check_trace=False)
    for size in SIZES:
        image = torch.rand(size[0], 3, *size[1:])
        torch.testing.assert_close(trace(image), network(image), rtol=1e-4, atol=1e-4)
