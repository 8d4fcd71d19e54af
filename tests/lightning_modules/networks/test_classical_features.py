import copy
import pickle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from lightning_modules.networks.classical_features import ClassicalFeatureNetwork
from lightning_modules.networks.features.base import Feature
from lightning_modules.networks.features.edges import Edges
from lightning_modules.networks.features.hog import Hog
from lightning_modules.networks.features.lbp import Lbp
from lightning_modules.networks.features.orb import Orb
from lightning_modules.networks.features.sift import Sift
from lightning_modules.networks.smp import SmpNetwork
from user_error import UserError

TINY: dict[str, Any] = {"encoder": "tu-mobilenetv3_small_050", "decoder": {"decoder_channels": [32, 24, 16, 16, 8]}}
SHALLOW: dict[str, Any] = {"encoder_depth": 3, "decoder": {"decoder_channels": [32, 24, 16]}}
BOTH: tuple[Feature, ...] = (Edges(sigma=0), Hog(cell=4))


def images(*shape: int) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def seen_by_encoder(network: ClassicalFeatureNetwork, image: Tensor) -> Tensor:
    """What the first layer is given."""
    seen: list[Tensor] = []
    handle = network.encoder.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.inference_mode():
        network.eval()(image)
    handle.remove()
    return seen[0]


def test_features_stand_after_the_image_in_their_order() -> None:
    image = images(2, 3, 64, 64)
    network = ClassicalFeatureNetwork(2, features=BOTH, **TINY)
    seen = seen_by_encoder(network, image)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    torch.testing.assert_close(seen[:, :3], (image / 255 - mean[:, None, None]) / std[:, None, None])
    for one, given in zip(image, seen, strict=True):
        pixels = one.permute(1, 2, 0).numpy()
        maps = np.concatenate([feature(pixels) for feature in BOTH])
        torch.testing.assert_close(given[3:], torch.from_numpy(maps) * 4)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_features_alone(channels: int) -> None:
    image = images(1, channels, 64, 64)
    network = ClassicalFeatureNetwork(2, channels, [Lbp()], image=False, **TINY)
    assert network.in_channels == channels
    maps = torch.from_numpy(Lbp()(image[0].permute(1, 2, 0).numpy()))
    torch.testing.assert_close(seen_by_encoder(network, image)[0], maps * 4)


def test_other_channels_have_their_own_normalisation() -> None:
    image = images(1, 2, 64, 64)
    seen = seen_by_encoder(ClassicalFeatureNetwork(2, 2, [Edges()], **TINY), image)
    torch.testing.assert_close(seen[:, :2], (image / 255 - 0.5) / 0.25)
    network = ClassicalFeatureNetwork(2, 2, [Edges()], mean=[0.1, 0.2], std=[1.0, 0.5], **TINY)
    expected = (image / 255 - torch.tensor([0.1, 0.2])[:, None, None]) / torch.tensor([1.0, 0.5])[:, None, None]
    torch.testing.assert_close(seen_by_encoder(network, image)[:, :2], expected)


def test_features_are_of_the_corrupted_image_alone() -> None:
    """Of each image by itself, whatever else is in the batch."""
    network = ClassicalFeatureNetwork(2, features=BOTH, **TINY)
    image = images(3, 3, 33, 47)
    together = network.compute_feature_maps(image)
    torch.testing.assert_close(
        torch.cat([network.compute_feature_maps(one[None]) for one in image]), together, rtol=0, atol=0
    )
    changed = image.clone()
    changed[1] = changed[1].flip(-1)
    assert (network.compute_feature_maps(changed) != together).any((1, 2, 3)).tolist() == [False, True, False]


@pytest.mark.parametrize("kind", [torch.float32, torch.float64, torch.float16])
def test_floats_are_rounded_to_the_nearest_level(kind: torch.dtype) -> None:
    network = ClassicalFeatureNetwork(2, features=[Lbp(), Orb()], **TINY)
    image = images(1, 3, 64, 64)
    maps = network.compute_feature_maps(image)
    floats = image.to(kind) / 255
    torch.testing.assert_close(network.compute_feature_maps(floats), maps, rtol=0, atol=0)
    torch.testing.assert_close(network.compute_feature_maps((floats + 0.0008).clamp(0, 1)), maps, rtol=0, atol=0)
    assert not torch.equal(network.compute_feature_maps((floats + 0.003 * (torch.arange(64) % 2)).clamp(0, 1)), maps)


def test_no_images_have_no_logits() -> None:
    assert ClassicalFeatureNetwork(2, **TINY).compute_feature_maps(images(0, 3, 64, 64)).shape == (0, 9, 64, 64)


def test_gradients_of_an_attack_pass_the_image_channels() -> None:
    network = ClassicalFeatureNetwork(2, features=BOTH, **TINY).eval()
    image = (images(1, 3, 64, 64) / 255).requires_grad_()
    network(image).square().sum().backward()
    assert image.grad is not None
    assert image.grad.abs().sum() > 0


def test_threads_of_opencv_stay_as_they_are() -> None:
    before = cv2.getNumThreads()
    ClassicalFeatureNetwork(2, features=[Sift(), Orb(), Edges()], **TINY)(images(2, 3, 64, 64))
    assert cv2.getNumThreads() == before


@pytest.mark.parametrize("image", [True, False])
def test_pretrained_weights_reach_the_encoder(image: bool, tmp_path: Path) -> None:
    torch.manual_seed(1)
    plain = SmpNetwork(2, **TINY)
    torch.save(plain.encoder.state_dict(), tmp_path / "weights.pt")
    network = ClassicalFeatureNetwork(2, features=BOTH, image=image, **TINY)
    network.load_pretrained(str(tmp_path / "weights.pt"))
    loaded = network.encoder.state_dict()
    first = "model.conv_stem.weight"
    for key, value in plain.encoder.state_dict().items():
        if key != first:
            torch.testing.assert_close(loaded[key], value, rtol=0, atol=0)
    if image:
        torch.testing.assert_close(loaded[first][:, :3], plain.encoder.state_dict()[first], rtol=0, atol=0)
        assert not loaded[first][:, 3:].any()
    else:
        spread = SmpNetwork(2, 11, **TINY)
        spread.load_pretrained(str(tmp_path / "weights.pt"))
        torch.testing.assert_close(loaded[first], spread.encoder.state_dict()[first], rtol=0, atol=0)


@pytest.mark.parametrize(("encoder", "channels"), [("mobilenet_v2", 3), ("mobilenet_v2", 1), ("mit_b0", 3)])
def test_a_network_begins_as_the_pretrained_one_and_learns_to_see(encoder: str, channels: int, tmp_path: Path) -> None:
    torch.manual_seed(1)
    torch.save(SmpNetwork(2, encoder=encoder).encoder.state_dict(), tmp_path / "weights.pt")
    plain = SmpNetwork(2, channels, encoder=encoder)
    network = ClassicalFeatureNetwork(2, channels, BOTH, encoder=encoder)
    for one in (plain, network):
        one.load_pretrained(str(tmp_path / "weights.pt"))
    network.model.decoder.load_state_dict(plain.model.decoder.state_dict())
    network.model.segmentation_head.load_state_dict(plain.model.segmentation_head.state_dict())
    image = images(1, channels, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(network.eval()(image), plain.eval()(image), rtol=1e-5, atol=1e-5)
    network.train()(image).square().mean().backward()
    first = next(parameter for parameter in network.encoder.parameters() if parameter.ndim == 4)
    assert first.shape[1] == channels + 11
    assert not first[:, channels:].any()
    assert first.grad[:, channels:].abs().sum() > 0


@torch.no_grad()
def test_compiles_with_a_break() -> None:
    built = ClassicalFeatureNetwork(2, features=BOTH, **SHALLOW).eval()
    compiled = torch.compile(built, backend="eager")
    torch.testing.assert_close(compiled(images(2, 3, 64, 64)), built(images(2, 3, 64, 64)))


@torch.no_grad()
def test_runs_in_half_precision() -> None:
    built = ClassicalFeatureNetwork(2, features=BOTH, **TINY).eval()
    full = built(images(2, 3, 64, 64))
    with torch.autocast("cpu", torch.bfloat16):
        half = built(images(2, 3, 64, 64))
    assert torch.nn.functional.cosine_similarity(full.flatten(), half.float().flatten(), dim=0) > 0.99


@torch.inference_mode()
def test_can_be_copied_and_sent_to_other_processes() -> None:
    network = ClassicalFeatureNetwork(2, features=[Sift(), Orb()], **TINY).eval()
    expected = network(images(1, 3, 64, 64))
    for again in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        torch.testing.assert_close(again(images(1, 3, 64, 64)), expected, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"features": []}, "given no features: name one such as"),
        ({"architecture": "Wnet"}, "unknown architecture 'Wnet'"),
    ],
)
def test_wrong_settings_are_named(settings: dict, named: str) -> None:
    with pytest.raises(UserError, match=named):
        ClassicalFeatureNetwork(2, **settings)


def test_weights_of_another_encoder_are_refused(tmp_path: Path) -> None:
    torch.save(SmpNetwork(2, encoder="mobilenet_v2").encoder.state_dict(), tmp_path / "weights.pt")
    with pytest.raises(UserError, match="does not fit the encoder"):
        ClassicalFeatureNetwork(2, **TINY).load_pretrained(str(tmp_path / "weights.pt"))
