from itertools import combinations, product
from pathlib import Path
from typing import Any

import pytest
import segmentation_models_pytorch as smp
import torch
from safetensors.torch import save_file
from torch import nn

from lightning_modules.networks.fusion.base import FusionNetwork
from lightning_modules.networks.fusion.late import LateFusionNetwork
from lightning_modules.networks.fusion.middle import MiddleFusionNetwork
from lightning_modules.networks.fusion.modalities import Modalities
from lightning_modules.networks.fusion.modality_weights import (
    Attention,
    ClassWeights,
    Concatenation,
    Gate,
    Mean,
    masked_softmax,
    weigh,
)
from lightning_modules.networks.parts.frozen import FrozenEncoder
from lightning_modules.networks.smp import SmpNetwork
from user_error import UserError

SMALL = "tu-mobilenetv3_small_050"
KINDS: list[tuple[type[FusionNetwork], str]] = [
    (MiddleFusionNetwork, "mean"),
    (MiddleFusionNetwork, "concat"),
    (MiddleFusionNetwork, "attention"),
    (LateFusionNetwork, "mean"),
    (LateFusionNetwork, "learned"),
    (LateFusionNetwork, "attention"),
]
every_kind = pytest.mark.parametrize(("cls", "fusion"), KINDS, ids=lambda value: getattr(value, "__name__", value))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(batch: int, channels: int, side: int = 64) -> torch.Tensor:
    return torch.randint(0, 256, (batch, channels, side, side), dtype=torch.uint8, generator=generator())


def make(cls: type[FusionNetwork], fusion: str, in_channels: int = 3, **settings: Any) -> FusionNetwork:
    """With weights that no longer weigh all modalities alike, as after some training."""
    torch.manual_seed(0)
    network = cls(2, in_channels, fusion=fusion, encoder=SMALL, **settings)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, Gate | ClassWeights):
                for parameter in module.parameters():
                    parameter.normal_()
            elif isinstance(module, Concatenation):
                module.mix.weight.add_(0.1 * torch.randn_like(module.mix.weight))
    return network


def some_missing(batch: int, modalities: int) -> torch.Tensor:
    """Presence (B, M) with at least one modality each."""
    present = torch.rand(batch, modalities, generator=generator(1)) < 0.6
    present[:, 0] |= ~present.any(1)
    assert not present.all()
    return present


# Which modalities are present


def test_groups_split_the_channels_in_order() -> None:
    x = images(2, 5)
    parts = Modalities([1, 3, 1], 5).split(x)
    assert [part.shape[1] for part in parts] == [1, 3, 1]
    assert torch.equal(torch.cat(parts, 1), x)
    assert [part.shape[1] for part in Modalities(None, 4).split(images(1, 4))] == [1] * 4


def test_named_groups_may_lie_apart() -> None:
    """As the suite `modality` groups channels; a branch sees its own, and what it misses is noticed."""
    groups = {"T1": [0, 2], "FLAIR": [1]}
    x = images(2, 3)
    first, second = Modalities(groups, 3).split(x)
    assert torch.equal(first, x[:, [0, 2]])
    assert torch.equal(second, x[:, [1]])
    x = torch.rand(1, 3, 8, 8, generator=generator())
    x[:, [0, 2]] = 0.5
    assert Modalities(groups, 3, detect_missing=True)(x).tolist() == [[False, True]]
    apart = MiddleFusionNetwork(2, 3, groups=groups, encoder=SMALL).eval()
    together = MiddleFusionNetwork(2, 3, groups=[2, 1], encoder=SMALL).eval()
    together.load_state_dict(apart.state_dict())
    order = [0, 2, 1]
    together.mean, together.std = apart.mean[:, order], apart.std[:, order]
    image = torch.rand(1, 3, 64, 64, generator=generator())
    torch.testing.assert_close(apart(image), together(image[:, order]))


WRONG_GROUPS = [[1, 1], [2, 2], [0, 3], [], {"a": [0, 1]}, {"a": [0, 1], "b": [1, 2]}, {"a": [0, 1, 2], "b": []}]


@pytest.mark.parametrize("groups", WRONG_GROUPS, ids=str)
def test_groups_that_do_not_fit_are_refused(groups: list[int] | dict[str, list[int]]) -> None:
    with pytest.raises(UserError, match="do not make up the 3 channels"):
        Modalities(groups, 3)


@pytest.mark.parametrize("dropout", [-0.1, 1.0])
def test_a_dropout_that_is_no_probability_is_refused(dropout: float) -> None:
    with pytest.raises(UserError, match="modality_dropout"):
        Modalities(None, 3, dropout)


def test_constant_groups_are_missing() -> None:
    """Every subset of modalities, one image each; a group is missing where all its channels are constant."""
    groups = [[0], [1, 2], [3]]
    subsets = [subset for number in range(1, 4) for subset in combinations(range(3), number)]
    x = torch.rand(len(subsets), 4, 8, 8, generator=generator())
    for image, subset in zip(x, subsets, strict=True):
        for number in set(range(3)) - set(subset):
            for channel in groups[number]:
                image[channel] = channel / 7
    present = Modalities([1, 2, 1], 4, detect_missing=True).eval()(x)
    assert present.tolist() == [[number in subset for number in range(3)] for subset in subsets]
    assert Modalities([1, 2, 1], 4).eval()(x).all()


def test_one_varying_channel_keeps_its_group() -> None:
    x = torch.zeros(1, 3, 8, 8)
    x[0, 1, 2, 3] = 1e-3
    assert Modalities([2, 1], 3, detect_missing=True)(x).tolist() == [[True, False]]


def test_an_image_without_any_modality_has_all() -> None:
    assert Modalities(None, 3, detect_missing=True)(torch.zeros(2, 3, 8, 8)).all()


def test_dropout_never_drops_all_and_favours_none() -> None:
    """Against the distribution that follows from independent draws and a uniform rescue."""
    p, number = 0.6, 40_000
    torch.manual_seed(0)
    present = Modalities(None, 3, p).train()(torch.zeros(number, 3, 1, 1))
    assert present.any(1).all()
    found = {
        code: (present == torch.tensor(code)).all(1).float().mean().item() for code in product([False, True], repeat=3)
    }
    for code, ratio in found.items():
        retained = sum(code)
        expected = (1 - p) ** retained * p ** (3 - retained) * (retained > 0) + (p**3 / 3) * (retained == 1)
        assert ratio == pytest.approx(expected, abs=5 * (0.25 / number) ** 0.5), code


def test_dropout_rescues_only_what_is_there() -> None:
    x = torch.rand(500, 3, 4, 4, generator=generator())
    x[:, 1] = 0
    torch.manual_seed(0)
    present = Modalities(None, 3, 0.9, detect_missing=True).train()(x)
    assert present.any(1).all()
    assert not present[:, 1].any()
    assert present[:, 0].any()
    assert present[:, 2].any()


def test_dropout_follows_the_seed_and_rests_in_evaluation() -> None:
    modalities, x = Modalities(None, 3, 0.5), torch.zeros(64, 3, 1, 1)
    torch.manual_seed(3)
    first, second = modalities(x), modalities(x)
    torch.manual_seed(3)
    assert torch.equal(modalities(x), first)
    assert not torch.equal(first, second)
    assert modalities.eval()(x).all()


# How they weigh


@pytest.mark.parametrize(
    "fuse", [Mean(), Concatenation(4, 3), Attention(4, 3), ClassWeights(4, 3)], ids=lambda fuse: type(fuse).__name__
)
def test_all_start_as_the_mean_of_those_present(fuse: nn.Module) -> None:
    maps = [torch.randn(8, 4, 5, 6, generator=generator(seed)) for seed in range(3)]
    present = some_missing(8, 3)
    fused = fuse(maps, present)
    for image in range(8):
        there = [one[image] for one, is_there in zip(maps, present[image], strict=True) if is_there]
        torch.testing.assert_close(fused[image], torch.stack(there).mean(0))


def test_gates_sum_to_one_over_those_present() -> None:
    torch.manual_seed(0)
    gate, present = Gate(4, 3), some_missing(8, 3)
    for parameter in gate.parameters():
        nn.init.normal_(parameter)
    maps = [torch.randn(8, 4, 5, 6, generator=generator(seed)) for seed in range(3)]
    weights = gate(maps, present)
    torch.testing.assert_close(weights.sum(1), torch.ones(8))
    assert torch.equal(weights > 0, present)
    for image in range(8):
        scores = {m: gate.scores[m](maps[m][image].mean((1, 2))).exp().item() for m in range(3) if present[image, m]}
        for m, score in scores.items():
            assert weights[image, m].item() == pytest.approx(score / sum(scores.values()), rel=1e-5)


def test_class_weights_sum_to_one_for_each_class() -> None:
    present = some_missing(8, 3)
    weights = masked_softmax(torch.randn(8, 3, 5, generator=generator()), present)
    torch.testing.assert_close(weights.sum(1), torch.ones(8, 5))
    assert torch.equal((weights > 0).all(2), present)


def test_weights_apply_to_images_or_channels() -> None:
    maps = [torch.randn(2, 4, 5, 6, generator=generator(seed)) for seed in range(3)]
    weights = torch.rand(2, 3, 4, generator=generator())
    for m, image, channel in product(range(3), range(2), range(4)):
        expected = weights[image, m, channel] * maps[m][image, channel]
        assert torch.equal(weigh(maps, weights)[m][image, channel], expected)
        assert torch.equal(
            weigh(maps, weights[..., 0])[m][image, channel], weights[image, m, 0] * maps[m][image, channel]
        )


# The networks


@every_kind
@torch.inference_mode()
def test_equal_modalities_give_what_one_network_gives(cls: type[FusionNetwork], fusion: str) -> None:
    colour = {"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.3, 0.2)}
    torch.manual_seed(0)
    one = SmpNetwork(2, 3, encoder=SMALL, **colour).eval()
    repeated = {name: values * 2 for name, values in colour.items()}
    both = cls(2, 6, fusion=fusion, groups=[3, 3], encoder=SMALL, **repeated).eval()
    for encoder in both.encoders:
        encoder.load_state_dict(one.encoder.state_dict())
    models = both.models if isinstance(both, LateFusionNetwork) else [both.model]
    for model in models:
        model.decoder.load_state_dict(one.model.decoder.state_dict())
        model.segmentation_head.load_state_dict(one.model.segmentation_head.state_dict())
    image = images(2, 3)
    torch.testing.assert_close(both(torch.cat([image, image], 1)), one(image))


@every_kind
@torch.inference_mode()
def test_a_missing_modality_changes_nothing(cls: type[FusionNetwork], fusion: str) -> None:
    network = make(cls, fusion, in_channels=4, groups=[1, 2, 1], detect_missing=True).eval()
    black, grey, there = (images(2, 4, 40) for _ in range(3))
    black[0, 1:3], grey[0, 1], grey[0, 2] = 0, 130, 77
    torch.testing.assert_close(network(black), network(grey), rtol=0, atol=0)
    assert not torch.allclose(network(black)[0], network(there)[0])
    torch.testing.assert_close(network(black)[1], network(there)[1], rtol=0, atol=0)
    network.modalities.detect_missing = False
    assert not torch.allclose(network(black), network(grey))


@every_kind
def test_a_dropped_modality_changes_nothing(cls: type[FusionNetwork], fusion: str) -> None:
    network = make(cls, fusion, modality_dropout=0.5)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):  # which would let the images of a batch see each other
            module.eval()
    image = images(4, 3).float().div(255).requires_grad_()
    torch.manual_seed(1)
    (gradient,) = torch.autograd.grad(network(image).square().sum(), image)
    torch.manual_seed(1)
    present = network.modalities(image)
    assert not present.all()
    assert torch.equal(gradient.abs().amax((2, 3)) > 0, present)


@every_kind
def test_gradients_reach_all_parameters_at_every_step_of_dropout(cls: type[FusionNetwork], fusion: str) -> None:
    network = make(cls, fusion, modality_dropout=0.9).train()
    for seed in range(2):
        network.zero_grad(set_to_none=True)
        torch.manual_seed(seed)
        network(images(2, 3)).square().mean().backward()
        assert not [name for name, parameter in network.named_parameters() if parameter.grad is None]
        assert all(parameter.grad.isfinite().all() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("architecture", "encoder"), [("FPN", SMALL), ("DeepLabV3Plus", SMALL), ("Segformer", "mit_b0")]
)
@pytest.mark.parametrize("fusion", ["concat", "attention"])
def test_decoders_that_read_some_stages(fusion: str, architecture: str, encoder: str) -> None:
    """A gate on a stage that no decoder reads would never get a gradient."""
    network = MiddleFusionNetwork(2, 2, fusion=fusion, architecture=architecture, encoder=encoder).train()
    network(images(2, 2)).square().mean().backward()
    assert not [name for name, parameter in network.named_parameters() if parameter.grad is None]


@pytest.mark.parametrize("cls", [MiddleFusionNetwork, LateFusionNetwork])
def test_pretrained_weights_reach_every_encoder(cls: type[FusionNetwork], tmp_path: Path) -> None:
    torch.manual_seed(1)
    weights = smp.encoders.get_encoder("mobilenet_v2", weights=None).state_dict()
    save_file(weights, tmp_path / "weights.safetensors")
    network = cls(2, 6, groups=[1, 3, 2], encoder="mobilenet_v2")
    network.load_pretrained(str(tmp_path / "weights.safetensors"))
    first = "features.0.0.weight"
    assert len(network.encoders) == 3
    for encoder in network.encoders:
        loaded = encoder.state_dict()
        assert all(torch.equal(loaded[key], value) for key, value in weights.items() if key != first)
    grey, colour, two = (encoder.state_dict()[first] for encoder in network.encoders)
    torch.testing.assert_close(grey, weights[first].sum(1, keepdim=True))
    torch.testing.assert_close(colour, weights[first])
    torch.testing.assert_close(two, weights[first][:, :2] * 1.5)
    assert network(images(2, 6)).shape == (2, 2, 64, 64)
    with pytest.raises(UserError, match="no file"):
        network.load_pretrained(str(tmp_path / "none.pt"))


def test_encoders_start_from_different_weights() -> None:
    one, other, _ = make(MiddleFusionNetwork, "mean").encoders
    assert not torch.equal(next(one.parameters()), next(other.parameters()))


@pytest.mark.parametrize("cls", [MiddleFusionNetwork, LateFusionNetwork])
def test_wrong_settings_are_named(cls: type[FusionNetwork]) -> None:
    with pytest.raises(UserError, match="unknown fusion 'sum': choose one of mean"):
        cls(2, 3, fusion="sum")
    with pytest.raises(UserError, match="do not make up"):
        cls(2, 3, groups=[1, 1])


@every_kind
def test_frozen_encoders_are_those_of_all_modalities(cls: type[FusionNetwork], fusion: str) -> None:
    """They keep their weights and their evaluation mode, and what fuses and decodes is trained."""
    network = make(cls, fusion, groups=[1, 2], parts=[FrozenEncoder()]).train()
    assert len(network.encoders) == 2
    frozen = {name for encoder in network.encoders for name in map(id, encoder.parameters())}
    assert {id(one) for one in network.parameters() if not one.requires_grad} == frozen
    assert not any(part.training for encoder in network.encoders for part in encoder.modules())
    assert network.training
