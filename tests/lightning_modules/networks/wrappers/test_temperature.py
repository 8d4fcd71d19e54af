from functools import partial

import pytest
import torch

from lightning_modules.networks.smp import SmpNetwork
from lightning_modules.networks.wrappers.temperature import TemperatureScaled
from user_error import UserError

SMALL = partial(SmpNetwork, encoder="tu-mobilenetv3_small_050")


@torch.inference_mode()
def test_logits_are_divided() -> None:
    network = TemperatureScaled(3, 3, SMALL, 2.5).eval()
    image = torch.randint(0, 256, (1, 3, 40, 33), dtype=torch.uint8)
    torch.testing.assert_close(network(image), network.network(image) / 2.5)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_temperatures_are_positive(temperature: float) -> None:
    with pytest.raises(UserError, match="above 0"):
        TemperatureScaled(3, 3, SMALL, temperature)
