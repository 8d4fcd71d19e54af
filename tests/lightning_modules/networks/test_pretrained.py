from pathlib import Path

import pytest
import segmentation_models_pytorch as smp
import torch
from safetensors.torch import save_file

from lightning_modules.networks.smp import SmpNetwork
from user_error import UserError

ENCODER = "mobilenet_v2"


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return smp.encoders.get_encoder(ENCODER, weights=None).state_dict()


@pytest.fixture(params=["weights.safetensors", "weights.pt"])
def file(request: pytest.FixtureRequest, weights: dict[str, torch.Tensor], tmp_path: Path) -> Path:
    path = tmp_path / request.param
    half = {key: value.half() if value.is_floating_point() else value for key, value in weights.items()}
    save_file(half, path) if path.suffix == ".safetensors" else torch.save(half, path)
    return path


def test_local_weights_reach_the_encoder(file: Path, weights: dict[str, torch.Tensor]) -> None:
    network = SmpNetwork(2, encoder=ENCODER)
    network.load_pretrained(str(file))
    loaded = network.model.encoder.state_dict()
    assert all(torch.equal(loaded[key], _through_half(value)) for key, value in weights.items())


def _through_half(value: torch.Tensor) -> torch.Tensor:
    return value.half().float() if value.is_floating_point() else value


def test_other_channels_adapt_the_first_convolution(file: Path) -> None:
    network = SmpNetwork(2, in_channels=5, encoder=ENCODER)
    network.load_pretrained(str(file))
    assert network(torch.zeros(1, 5, 64, 64)).shape == (1, 2, 64, 64)


@pytest.mark.parametrize("channels", [3, 5])
def test_local_weights_of_timm(tmp_path: Path, channels: int) -> None:
    """All but the first convolution is taken over as it is; that one repeats its colours over the channels."""
    name = "tu-resnet18"
    torch.manual_seed(1)
    known = smp.encoders.get_encoder(name, weights=None).state_dict()
    torch.save(known, tmp_path / "weights.pt")
    network = SmpNetwork(2, in_channels=channels, encoder=name)
    network.load_pretrained(str(tmp_path / "weights.pt"))
    loaded = network.encoder.state_dict()
    first = next(iter(known))
    assert all(torch.equal(loaded[key], value) for key, value in known.items() if key != first)
    for channel in range(channels):  # colours in turn, together as strong as the three
        torch.testing.assert_close(loaded[first][:, channel], known[first][:, channel % 3] * 3 / channels)


def test_refusals(tmp_path: Path, file: Path) -> None:
    network = SmpNetwork(2, encoder=ENCODER)
    with pytest.raises(UserError, match="no file"):
        network.load_pretrained(str(tmp_path / "none.pt"))
    with pytest.raises(UserError, match="does not fit the encoder 'resnet18'"):
        SmpNetwork(2, encoder="resnet18").load_pretrained(str(file))
    broken = tmp_path / f"broken{file.suffix}"
    broken.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(UserError, match="broken"):
        network.load_pretrained(str(broken))
    with pytest.raises(UserError, match="pass one of"):
        network.load_pretrained("imagenet22k")


def test_no_hub_is_said_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("lightning_modules.networks.pretrained.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("lightning_modules.networks.pretrained.try_to_load_from_cache", lambda *_, **__: None)
    with pytest.raises(UserError, match=r"cannot be reached.*local file"):
        SmpNetwork(2, encoder=ENCODER).load_pretrained("imagenet")


def test_a_payload_does_not_run(tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple:
            return (Path(tmp_path / "ran").touch, ())

    torch.save({"conv": Payload()}, tmp_path / "evil.pt")
    with pytest.raises(UserError, match="more than tensors"):
        SmpNetwork(2, encoder=ENCODER).load_pretrained(str(tmp_path / "evil.pt"))
    assert not (tmp_path / "ran").exists()
