"""Against figures computed by hand, published ones, and the meta device, which takes fused operators apart."""

from collections.abc import Callable
from functools import partial

import pytest
import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lightning_modules.multiply_adds import count_multiply_adds
from lightning_modules.networks.parts.recurrent import ReSeg
from lightning_modules.networks.smp import SmpNetwork

BY_HAND = {
    "convolution": (nn.Conv2d(3, 8, 3, padding=1), (2, 3, 10, 12), 2 * 10 * 12 * 3 * 3 * 3 * 8),
    "strided convolution": (nn.Conv2d(3, 8, 3, stride=2, padding=1), (1, 3, 10, 12), 5 * 6 * 3 * 3 * 3 * 8),
    "depthwise convolution": (nn.Conv2d(8, 8, 5, padding=2, groups=8), (1, 8, 10, 12), 10 * 12 * 5 * 5 * 8),
    "transposed convolution": (nn.ConvTranspose2d(4, 6, 2, 2), (1, 4, 5, 7), 5 * 7 * 4 * 6 * 2 * 2),
    "linear layer": (nn.Linear(7, 5), (2, 11, 7), 2 * 11 * 7 * 5),
    "GRU": (nn.GRU(6, 5), (7, 3, 6), 7 * 3 * 3 * 5 * (6 + 5)),
    "GRU, both directions": (nn.GRU(6, 5, bidirectional=True), (7, 3, 6), 2 * 7 * 3 * 3 * 5 * (6 + 5)),
    "LSTM": (nn.LSTM(6, 5), (7, 3, 6), 7 * 3 * 4 * 5 * (6 + 5)),
    "LSTM, two layers, batch first": (
        nn.LSTM(6, 5, num_layers=2, batch_first=True),
        (3, 7, 6),
        7 * 3 * 4 * 5 * (6 + 5 + 5 + 5),
    ),
    "multi-head attention": (
        nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).self_attn,
        (2, 5, 8),
        2 * 4 * 5 * 8 * 8 + 2 * 2 * 5 * 5 * 8,
    ),
    "transformer layer": (
        nn.TransformerEncoderLayer(8, 2, 16, batch_first=True),
        (2, 5, 8),
        2 * 4 * 5 * 8 * 8 + 2 * 2 * 5 * 5 * 8 + 2 * 2 * 5 * 8 * 16,
    ),
    "what is not counted": (nn.Sequential(nn.BatchNorm2d(3), nn.GELU(), nn.Upsample(scale_factor=2)), (1, 3, 4, 4), 0),
}


@pytest.mark.parametrize("name", BY_HAND)
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_layers(name: str, mode: Callable) -> None:
    layer, shape, expected = BY_HAND[name]
    x = torch.zeros(shape)
    work = partial(layer.eval(), *(x, x, x) if isinstance(layer, nn.MultiheadAttention) else (x,))
    with mode():
        assert count_multiply_adds(work) == expected


PRODUCTS = {
    "matrix and vector": (lambda a, v: a @ v, [(5, 7), (7,)], 5 * 7),
    "sum and product with a vector": (lambda s, a, v: torch.addmv(s, a, v), [(5,), (5, 7), (7,)], 5 * 7),
    "inner product": (torch.dot, [(7,), (7,)], 7),
    "sum of products": (torch.addbmm, [(5, 6), (3, 5, 7), (3, 7, 6)], 3 * 5 * 7 * 6),
    "einsum": (partial(torch.einsum, "bnd,bmd->bnm"), [(2, 5, 7), (2, 6, 7)], 2 * 5 * 6 * 7),
    "attention": (F.scaled_dot_product_attention, [(2, 3, 5, 8), (2, 3, 6, 8), (2, 3, 6, 8)], 2 * 2 * 3 * 5 * 6 * 8),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_products(name: str) -> None:
    work, shapes, expected = PRODUCTS[name]
    assert count_multiply_adds(partial(work, *(torch.zeros(shape) for shape in shapes))) == expected


@pytest.mark.parametrize(("name", "published"), [("mobilenetv2_100", 0.30), ("resnet18", 1.81)])
def test_published_figures(name: str, published: float) -> None:
    """In billions at 224 x 224: Sandler et al., CVPR 2018 (0.300), and torchvision's table of weights (0.30, 1.81)."""
    network = timm.create_model(name, pretrained=False).eval()
    assert round(count_multiply_adds(partial(network, torch.zeros(1, 3, 224, 224))) / 1e9, 2) == published


NETWORKS = {
    "segformer": partial(SmpNetwork, architecture="Segformer", encoder="mit_b0"),
    "gru": partial(SmpNetwork, encoder="resnet18", parts=[ReSeg("gru", hidden=8)]),
    "lstm": partial(SmpNetwork, encoder="resnet18", parts=[ReSeg("lstm", hidden=8)]),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_as_on_the_meta_device(name: str) -> None:
    network = NETWORKS[name](3, 3).eval()
    image = torch.zeros(1, 3, 64, 96, dtype=torch.uint8)
    counted = count_multiply_adds(partial(network, image))
    assert counted > 0
    assert count_multiply_adds(partial(network.to("meta"), image.to("meta"))) == counted


def test_pixels_may_leave_torch() -> None:
    """Features of other libraries are not counted, the layers after them are."""

    class Classical(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last = nn.Conv2d(3, 2, 1)

        def forward(self, image: Tensor) -> Tensor:
            return self.last(torch.from_numpy(image.numpy() ** 2))

    assert count_multiply_adds(partial(Classical(), torch.ones(1, 3, 4, 5))) == 4 * 5 * 3 * 2


@pytest.mark.parametrize("fused", [True, False])
def test_leaves_torch_as_it_was(fused: bool) -> None:
    before = torch.backends.mha.get_fastpath_enabled()
    try:
        torch.backends.mha.set_fastpath_enabled(fused)
        with pytest.raises(ZeroDivisionError):
            count_multiply_adds(lambda: 1 // 0)
        assert torch.backends.mha.get_fastpath_enabled() is fused
        assert torch.is_grad_enabled()
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
