"""Networks of Transformers: by a stand-in of the same interface, and by the library itself."""

import sys
import types
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from published_folders import DECODER, SWIN
from torch import nn
from torch.nn import functional as F

from lightning_modules.networks.adapters.transformers import TransformersNetwork, compute_mask_scores, to_logits
from user_error import UserError

TINY = {"depths": [1, 1, 1, 1], "hidden_sizes": [8, 16, 32, 64], "decoder_hidden_size": 16}


class Config:
    """A configuration: what it does not know it keeps, as those of Transformers do."""

    def __init__(self, num_labels: int = 2, num_channels: int = 3, depths: object = (2, 2), **others: object) -> None:
        self.num_labels = num_labels
        self.num_channels = num_channels
        self.depths = depths
        self.__dict__.update(others)


class Quarter(nn.Module):
    """A network: its output is a dictionary in an order of its own, its logits a quarter of the image's size."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.score = nn.Conv2d(config.num_channels, config.num_labels, 4, stride=4)

    def forward(self, pixel_values: torch.Tensor) -> OrderedDict:
        return OrderedDict(hidden_states=(pixel_values,), logits=self.score(pixel_values))


def for_model(model_type: str, **settings: Any) -> Config:
    if model_type == "bert":
        raise ValueError("Unrecognized model identifier: bert")
    return Config(**settings)


def from_config(config: Config, trust_remote_code: bool) -> nn.Module:
    assert not trust_remote_code
    return Quarter(config)


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A stand-in for the library."""
    module: Any = types.ModuleType("transformers")
    module.AutoConfig = types.SimpleNamespace(for_model=for_model)
    module.AutoModelForSemanticSegmentation = types.SimpleNamespace(from_config=from_config)
    monkeypatch.setitem(sys.modules, "transformers", module)
    return module


@torch.inference_mode()
def test_the_interface_is_met(stub: Any) -> None:
    network = TransformersNetwork(6, 2, config={"depths": [1, 1]}, stride=8).eval()
    assert network.model.config.depths == [1, 1]
    image = torch.randint(0, 256, (1, 2, 30, 40), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    padded = F.pad(network.normalise(image), (0, 0, 0, 2), mode="replicate")
    expected = F.interpolate(network.model.score(padded), scale_factor=4, mode="bilinear")[..., :30, :]
    torch.testing.assert_close(network(image), expected)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": "bert"}, "cannot configure 'bert': Unrecognized model"),
        ({"config": {"dephts": [1]}}, "takes no 'dephts'"),
        ({"config": {"backbone": "someone/resnet"}}, "takes no 'backbone'"),
        (
            {"config": {"auto_map": {"AutoModelForSemanticSegmentation": "someone/net--code.Net"}}},
            "takes no 'auto_map'",
        ),
    ],
)
def test_wrong_settings_are_named(stub: Any, settings: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        TransformersNetwork(6, 3, **settings)


def test_a_model_that_ignores_the_channels_is_refused(stub: Any) -> None:
    def colour_only(config: Config, trust_remote_code: bool) -> nn.Module:
        config.num_channels = 3
        return Quarter(config)

    stub.AutoModelForSemanticSegmentation.from_config = colour_only
    with pytest.raises(UserError, match="3 channels, but the data have 4"):
        TransformersNetwork(6, 4)


def test_weights_are_spread_over_other_channels(stub: Any) -> None:
    asked: dict[str, Any] = {}

    def from_pretrained(weights: str, config: Config, **options: Any) -> tuple[nn.Module, dict]:
        asked.update(options, weights=weights)
        torch.manual_seed(1)
        return Quarter(config), {"missing_keys": missing, "mismatched_keys": []}

    missing: list[str] = []
    stub.AutoModelForSemanticSegmentation.from_pretrained = from_pretrained
    network = TransformersNetwork(6, 1)
    network.load_pretrained("someone/segformer")
    torch.manual_seed(1)
    reference = Quarter(Config(num_labels=6)).score.weight
    torch.testing.assert_close(network.model.score.weight, reference.sum(1, keepdim=True))
    assert asked["weights"] == "someone/segformer"
    assert asked["weights_only"]
    assert not asked["trust_remote_code"]
    missing = ["score.weight", "score.bias"]
    with pytest.raises(UserError, match="does not fit 'segformer'"):
        network.load_pretrained("someone/other")


def test_the_state_of_a_file(stub: Any, tmp_path: Path) -> None:
    network = TransformersNetwork(6, 3)
    torch.save({name: torch.ones_like(value) for name, value in network.model.state_dict().items()}, tmp_path / "x.pt")
    network.load_pretrained(str(tmp_path / "x.pt"))
    assert torch.equal(network.model.score.bias, torch.ones(6))


def test_a_missing_library_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UserError, match="pip install 'transformers"):
        TransformersNetwork(6)


def test_scores_of_masks_by_a_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    classes, masks = torch.randn(2, 3, 5, generator=generator), torch.randn(2, 3, 4, 6, generator=generator)
    expected = torch.zeros(2, 4, 4, 6)
    for image in range(2):
        for query in range(3):
            ratio = classes[image, query].exp() / classes[image, query].exp().sum()
            for k in range(4):
                expected[image, k] += ratio[k] / (1 + (-masks[image, query]).exp())
    torch.testing.assert_close(compute_mask_scores(classes, masks), expected)


def test_masks_far_away_keep_their_logits_finite() -> None:
    assert torch.isfinite(to_logits(compute_mask_scores(torch.zeros(1, 2, 4), torch.full((1, 2, 3, 3), -1e4)))).all()


MASKS = {"backbone_config": SWIN, **DECODER}


@pytest.mark.parametrize("channels", [3, 5])
@pytest.mark.parametrize(("model", "config"), [("segformer", TINY), ("mask2former", MASKS)])
def test_the_library_itself(model: str, config: dict, channels: int) -> None:
    network = TransformersNetwork(6, channels, model, config)
    logits = network(torch.zeros(2, channels, 33, 47, dtype=torch.uint8))
    assert logits.shape == (2, 6, 33, 47)
    assert torch.isfinite(logits).all()
    if model == "segformer":
        logits.square().mean().backward()
        assert all(parameter.grad is not None for parameter in network.parameters())


def test_upernet_sees_its_backbone() -> None:
    config = {"hidden_size": 16, "use_auxiliary_head": False}
    network = TransformersNetwork(6, 2, "upernet", config).eval()
    assert network.model.config.backbone_config.num_channels == 2
    assert network(torch.zeros(1, 2, 40, 50, dtype=torch.uint8)).shape == (1, 6, 40, 50)


@torch.inference_mode()
def test_a_folder_of_the_library(tmp_path: Path) -> None:
    """Weights that the library wrote, for other classes and channels."""
    source = TransformersNetwork(4, 3, config=TINY)
    source.model.save_pretrained(tmp_path)
    network = TransformersNetwork(6, 1, config=TINY)
    network.load_pretrained(str(tmp_path))
    reference, actual = source.model.state_dict(), network.model.state_dict()
    first, *same = [name for name in actual if "classifier" not in name]
    assert actual[first].shape[1] == 1
    torch.testing.assert_close(actual[first], reference[first].sum(1, keepdim=True))
    assert all(torch.equal(actual[name], reference[name]) for name in same)
    with pytest.raises(UserError, match="does not fit"):
        TransformersNetwork(6, 3).load_pretrained(str(tmp_path))
    with pytest.raises(UserError, match="cannot be had"):
        network.load_pretrained(str(tmp_path / "missing"))


def test_unknown_settings_of_the_library() -> None:
    for settings in (
        {"model": "segformerr"},
        {"model": "bert"},
        {"config": {"dephts": [1]}},
        {"config": {"depths": 7}},
    ):
        with pytest.raises(UserError, match="Transformers"):
            TransformersNetwork(6, 3, **settings)


CONVNEXT = {
    "model_type": "convnext",
    "hidden_sizes": [8] * 4,
    "depths": [1] * 4,
    "out_features": [f"stage{number}" for number in range(1, 5)],
}


@pytest.mark.parametrize(
    ("model", "config"),
    [
        ("segformer", {"hidden_sizes": [8] * 4, "depths": [1] * 4, "num_attention_heads": [1] * 4}),
        ("upernet", {"hidden_size": 8, "use_auxiliary_head": False, "backbone_config": CONVNEXT}),
    ],
)
@torch.inference_mode()
def test_images_smaller_than_a_kernel_are_padded(model: str, config: dict[str, Any]) -> None:
    network = TransformersNetwork(3, model=model, config=config, stride=1).eval()
    assert network(torch.zeros(1, 3, 4, 5, dtype=torch.uint8)).shape == (1, 3, 4, 5)
