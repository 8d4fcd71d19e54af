"""Any network by its import path, and what does not fit."""

from pathlib import Path
from typing import Any

import pytest
import segmentation_models_pytorch as smp
import torch
from torch import nn
from torch.nn import functional as F

from lightning_modules.networks.adapters.any_module import AnyModule
from user_error import UserError

SOURCE = """
from torch import nn

class Halves(nn.Module):
    def __init__(self, classes, width=4):
        super().__init__()
        self.body = nn.Conv2d(3, classes, 3, stride=2, padding=1)
        self.width = width

    def forward(self, x):
        return {"features": x, "scores": self.body(x)}

def make_halves(k, c):
    assert c == 3
    return Halves(k, width=k)

def make_nothing(num_classes, in_channels):
    return [num_classes]

class Settings:
    def __init__(self, num_classes, in_channels):
        pass

NUMBER = 3
"""
HALVES = {"num_classes_argument": "classes", "in_channels_argument": None, "output": "scores", "stride": 2}


@pytest.fixture(autouse=True)
def own_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_nets.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))


def halves(**settings: Any) -> AnyModule:
    torch.manual_seed(0)
    return AnyModule(5, 3, **{"target": "own_nets.Halves", **HALVES, **settings}).eval()


@torch.inference_mode()
def test_a_class_of_ones_own() -> None:
    network = halves(arguments={"width": 7})
    assert network.model.width == 7
    image = torch.randint(0, 256, (2, 3, 33, 46), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    padded = F.pad(network.normalise(image), (0, 0, 0, 1), mode="replicate")
    expected = F.interpolate(network.model.body(padded), scale_factor=2, mode="bilinear")[..., :33, :]
    torch.testing.assert_close(network(image), expected)


def test_a_function_that_makes_one() -> None:
    network = halves(target="own_nets.make_halves", num_classes_argument="k", in_channels_argument="c")
    assert network.model.width == 5


@torch.inference_mode()
def test_a_class_of_a_library() -> None:
    """The same as the library's own object."""
    settings = {"encoder_name": "tu-mobilenetv3_small_050", "encoder_weights": None}
    network = AnyModule(
        *(2, 4, "segmentation_models_pytorch.Unet", settings),
        num_classes_argument="classes",
        in_channels_argument="in_channels",
        stride=32,
    ).eval()
    reference = smp.Unet(**settings, in_channels=4, classes=2).eval()
    reference.load_state_dict(network.model.state_dict())
    image = torch.rand(1, 4, 64, 32)
    torch.testing.assert_close(network(image), reference((image - 0.5) / 0.25), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"target": "no_such_package.Net"}, "nothing to import as 'no_such_package.Net'"),
        ({"target": "own_nets.Missing"}, "nothing to import"),
        ({"target": "Halves"}, "nothing to import"),
        ({"target": ".Halves"}, "nothing to import"),
        ({"target": "own_nets.NUMBER"}, "is no class"),
        ({"target": "own_nets.Settings"}, "is no nn.Module"),
        (
            {
                "target": "own_nets.make_nothing",
                "num_classes_argument": "num_classes",
                "in_channels_argument": "in_channels",
            },
            "made a list",
        ),
        ({"num_classes_argument": "num_classes"}, "with the arguments num_classes .*num_classes_argument"),
        (
            {"target": "own_nets.make_halves", "num_classes_argument": "k", "in_channels_argument": None}
            | {"arguments": {"c": 4}},
            r"cannot be made with the arguments c, k \(AssertionError",
        ),
        ({"arguments": {"depth": 3}}, "'depth'.*change arguments"),
        ({"output": "logits"}, "no logits as 'logits'"),
        ({"output": "features"}, r"logits \(B, 5, h, w\)"),
    ],
)
def test_what_does_not_fit_is_refused(settings: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        halves(**settings)(torch.zeros(1, 3, 8, 8))


def test_a_whole_network_starts_from_a_file(tmp_path: Path) -> None:
    network = halves()
    state = {name: torch.ones_like(value) for name, value in network.model.state_dict().items()}
    torch.save(state, tmp_path / "weights.pt")
    network.load_pretrained(str(tmp_path / "weights.pt"))
    assert all(torch.equal(parameter, torch.ones_like(parameter)) for parameter in network.parameters())
    torch.save(nn.Conv2d(1, 1, 1).state_dict(), tmp_path / "other.pt")
    with pytest.raises(UserError, match=r"own_nets\.Halves"):
        network.load_pretrained(str(tmp_path / "other.pt"))
