"""Networks of Transformers that classify masks learn by matching them, held against the library itself."""

from typing import Any

import pytest
import torch
from published_folders import DECODER, SWIN

from lightning_modules.networks.adapters.mask_matching import list_masks
from lightning_modules.networks.adapters.transformers import TransformersNetwork
from user_error import UserError

EOMT = {
    **dict.fromkeys(("num_attention_heads", "num_upscale_blocks"), 2),
    **{
        "hidden_size": 32,
        "num_hidden_layers": 3,
        "num_blocks": 1,
        "image_size": 64,
        "patch_size": 16,
        "num_queries": 6,
    },
}
CONFIGS: dict[str, dict[str, Any]] = {
    "mask2former": {"backbone_config": SWIN, **DECODER},
    "maskformer": {
        "backbone_config": SWIN,
        **{"fpn_feature_size": 32, "mask_feature_size": 32},
        "decoder_config": {
            **{"model_type": "detr", "d_model": 32, "encoder_layers": 1, "decoder_layers": 2, "num_queries": 6},
            **dict.fromkeys(("encoder_ffn_dim", "decoder_ffn_dim"), 16),
            **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 2),
        },
    },
    "eomt": EOMT,
    "eomt_dinov3": EOMT,
}


def make(name: str) -> TransformersNetwork:
    pytest.importorskip("transformers", reason="Transformers is optional and not installed here")
    torch.manual_seed(0)
    return TransformersNetwork(4, 3, name, CONFIGS[name])


def draw(*size: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    mask = torch.randint(0, 4, (2, *size), generator=generator)
    mask[0, :5] = 255
    return torch.randint(0, 256, (2, 3, *size), dtype=torch.uint8, generator=generator), mask


def test_masks_of_the_classes() -> None:
    mask = torch.tensor([[[2, 2, 255], [0, 2, 255]]])
    (classes,), (masks,) = list_masks(mask)
    assert classes.tolist() == [0, 2]
    assert masks.tolist() == [[[0, 0, 0], [1, 0, 0]], [[1, 1, 0], [0, 1, 0]]]


@pytest.mark.parametrize("name", CONFIGS)
def test_the_loss_is_that_of_the_library(name: str) -> None:
    network = make(name).eval()
    image, mask = draw(64, 64)
    masks = [torch.stack([(one == k).float() for k in range(4)]) for one in mask]
    torch.manual_seed(1)  # points of the masks are drawn
    expected = network.model(
        network.normalise(image), mask_labels=masks, class_labels=[torch.arange(4) for _ in range(2)]
    ).loss.squeeze()
    torch.manual_seed(1)
    torch.testing.assert_close(network.compute_own_loss(image, mask), expected)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_few_steps_lower_the_loss(name: str) -> None:
    """At an odd size, in half precision; an image without labels has no part, and a batch of such leaves no gradient."""
    network = make(name).train()
    image, mask = draw(33, 47)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3)
    losses = []
    for _ in range(8):
        torch.manual_seed(0)
        with torch.autocast("cpu", torch.bfloat16):
            loss = network.compute_own_loss(image, mask)
        assert loss.dtype == torch.float32
        assert loss.shape == ()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    optimiser.zero_grad()
    network.compute_own_loss(image, torch.full_like(mask, 255)).backward()
    assert not any(one.grad is not None and one.grad.any() for one in network.parameters())
    mask[1] = 255
    assert torch.isfinite(network.compute_own_loss(image, mask))


@pytest.mark.parametrize("name", ["eomt", "eomt_dinov3"])
def test_eomt_takes_one_size(name: str) -> None:
    network = make(name).eval()
    assert network(draw(33, 47)[0]).shape == (2, 4, 33, 47)
    with pytest.raises(UserError, match="was made for images of 64 x 64 and was given 65 x 47"):
        network(draw(65, 47)[0])
