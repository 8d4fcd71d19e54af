"""Decoders on encoders that they do not fit by themselves."""

import pytest
import torch
from scan_networks import build, try_odd_sizes, try_step
from torch import nn

from lightning_modules.networks.encoders import Unused
from user_error import UserError


@pytest.mark.parametrize(
    ("decoder", "encoder"),
    [
        ("PSPNet", "efficientnet-b0"),  # calls what it does not use with two arguments
        ("PSPNet", "mit_b0"),  # asks for larger images than its stride
        ("PSPNet", "tu-rexnet_100"),  # has channels that no four parts make up
        ("FCN", "tu-hrnet_w18_small"),  # adds up branches of which not all are used
        ("UPerNet", "tu-swin_tiny_patch4_window7_224"),  # is made for one size unless told otherwise
        ("DPT", "tu-vit_tiny_patch16_224"),
        ("DeepLabV3Plus", "mobileone_s0"),  # ends the process; see strided.py
    ],
)
def test_a_pair_is_made_to_fit(decoder: str, encoder: str) -> None:
    network = build(decoder, encoder)
    try_step(network)
    try_odd_sizes(network)


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_a_shallow_efficientnet_trains(depth: int) -> None:
    decoder = {"decoder_channels": [32, 16, 16, 8][:depth]}
    try_step(build("Unet", "efficientnet-b0", encoder_depth=depth, decoder=decoder))


def test_no_center_is_left_that_nothing_calls() -> None:
    assert list(build("UnetPlusPlus", "vgg11").model.decoder.center.parameters()) == []


def test_weights_of_what_is_gone_are_passed_over() -> None:
    complete = nn.Sequential(nn.Linear(1, 1), nn.Sequential(nn.Linear(1, 1)))
    part = nn.Sequential(nn.Linear(1, 1), Unused())
    part.load_state_dict(complete.state_dict())
    assert torch.equal(part[0].weight, complete[0].weight)


@pytest.mark.parametrize(
    ("decoder", "encoder", "remedy"),
    [
        ("DPT", "resnet18", "such as Unet or UPerNet"),
        ("Unet", "tu-vit_tiny_patch16_224", "goes under DPT, or under the heads of FoundationNetwork"),
        ("FCN", "tu-vit_tiny_patch16_224", "goes under DPT, or under the heads of FoundationNetwork"),
        ("Unet", "tu-test_coatnet", "positions of one image size"),
        ("Unet", "tu-mvitv2_tiny", "positions of one image size"),  # up to a certain width
    ],
)
def test_what_cannot_be_is_refused_with_a_remedy(decoder: str, encoder: str, remedy: str) -> None:
    with pytest.raises(UserError, match=remedy):
        build(decoder, encoder)


@pytest.mark.parametrize(
    ("decoder", "encoder"),
    [("DeepLabV3Plus", "tu-ghostnet_100"), ("PAN", "tu-edgenext_xx_small"), ("DeepLabV3", "xception")],
)
def test_an_encoder_that_cannot_be_dilated_is_refused(decoder: str, encoder: str) -> None:
    with pytest.raises(UserError, match="can be dilated"):
        build(decoder, encoder)
