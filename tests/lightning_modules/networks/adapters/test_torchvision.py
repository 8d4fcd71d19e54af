"""torchvision's networks give the logits that torchvision gives, and start from its weights."""

from pathlib import Path

import httpx
import pytest
import torch
import torchvision
from torch import nn
from torchvision.models.segmentation import lraspp_mobilenet_v3_large

from lightning_modules.networks.adapters.torchvision import TorchvisionNetwork
from user_error import UserError

SMALL = "lraspp_mobilenet_v3_large"


@torch.inference_mode()
def test_the_logits_are_those_of_torchvision() -> None:
    network = TorchvisionNetwork(4, 3, SMALL).eval()
    reference = lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=4).eval()
    reference.load_state_dict(network.model.state_dict())
    image = torch.randint(0, 256, (2, 3, 53, 70), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    normalised = torchvision.transforms.functional.normalize(
        image.float() / 255, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    )
    torch.testing.assert_close(network(image), reference(normalised)["out"], rtol=1e-4, atol=1e-5)


def test_unknown_model_is_named() -> None:
    with pytest.raises(UserError, match=r"'unet': torchvision has deeplabv3_mobilenet_v3_large, .*fcn_resnet50"):
        TorchvisionNetwork(4, 3, "unet")


@pytest.mark.parametrize("model", ["fcn_resnet50", "deeplabv3_mobilenet_v3_large"])
def test_there_is_no_auxiliary_head(model: str) -> None:
    network = TorchvisionNetwork(4, 2, model)
    assert not any("aux" in name for name, _ in network.named_parameters())
    assert network(torch.zeros(2, 2, 33, 40, dtype=torch.uint8)).shape == (2, 4, 33, 40)


def random_classifier(name: str) -> nn.Module:
    torch.manual_seed(1)
    return torchvision.models.get_model(name, weights=None)


def test_a_backbone_starts_from_a_classifier(tmp_path: Path) -> None:
    classifier = random_classifier("mobilenet_v3_large")
    torch.save(classifier.state_dict(), tmp_path / "weights.pt")
    network = TorchvisionNetwork(4, 3, SMALL).eval()
    network.load_pretrained(str(tmp_path / "weights.pt"))
    x = torch.randn(1, 3, 64, 64)
    # torchvision's network dilates the last blocks, which changes no weights: the stages before them agree
    torch.testing.assert_close(network.model.backbone(x)["low"], classifier.eval().features[:5](x))
    expected = {name.removeprefix("features."): value for name, value in classifier.state_dict().items()}
    for name, value in network.model.backbone.state_dict().items():
        assert torch.equal(value, expected[name])


def test_a_resnet_starts_from_a_classifier_and_from_a_whole_network(tmp_path: Path) -> None:
    classifier = random_classifier("resnet50")
    torch.save(classifier.state_dict(), tmp_path / "classifier.pt")
    network = TorchvisionNetwork(4, 3, "fcn_resnet50")
    network.load_pretrained(str(tmp_path / "classifier.pt"))
    assert torch.equal(network.model.backbone.layer4[2].conv3.weight, classifier.layer4[2].conv3.weight)
    torch.save(network.model.state_dict(), tmp_path / "whole.pt")
    other = TorchvisionNetwork(9, 3, "deeplabv3_resnet50")  # of other classes, with another head
    other.load_pretrained(str(tmp_path / "whole.pt"))
    assert torch.equal(other.model.backbone.layer4[2].conv3.weight, classifier.layer4[2].conv3.weight)


def test_weights_are_spread_over_other_channels(tmp_path: Path) -> None:
    """Gray as the sum of the three: an image of equal channels gives the same."""
    classifier = random_classifier("mobilenet_v3_large")
    torch.save(classifier.state_dict(), tmp_path / "weights.pt")
    network = TorchvisionNetwork(4, 1, SMALL)
    network.load_pretrained(str(tmp_path / "weights.pt"))
    first = network.model.backbone["0"][0].weight
    torch.testing.assert_close(first, classifier.features[0][0].weight.sum(1, keepdim=True))


def test_weights_that_cannot_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = TorchvisionNetwork(4, 3, SMALL)
    torch.save(random_classifier("resnet18").state_dict(), tmp_path / "other.pt")
    with pytest.raises(UserError, match="does not fit the network's backbone"):
        network.load_pretrained(str(tmp_path / "other.pt"))
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(UserError, match="no mapping of names to tensors"):
        network.load_pretrained(str(tmp_path / "list.pt"))
    with pytest.raises(UserError, match="no file"):
        network.load_pretrained(str(tmp_path / "missing.pt"))

    def unreachable(*_: object, **__: object) -> None:
        raise httpx.ConnectError("no route")

    monkeypatch.setattr(httpx, "head", unreachable)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(UserError, match=r"not in the local cache and .* cannot be reached"):
        network.load_pretrained("imagenet")


def test_weights_come_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file where torch.hub would have put it."""
    classifier = random_classifier("mobilenet_v3_large")
    (tmp_path / "checkpoints").mkdir()
    url = torchvision.models.MobileNet_V3_Large_Weights.IMAGENET1K_V1.url
    torch.save(classifier.state_dict(), tmp_path / "checkpoints" / Path(url).name)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    network = TorchvisionNetwork(4, 3, SMALL)
    network.load_pretrained("imagenet")
    assert torch.equal(network.model.backbone["0"][0].weight, classifier.features[0][0].weight)
