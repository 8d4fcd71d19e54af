from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules.corruptions.digital import Contrast, JpegCompression

KEY = torch.tensor([0])


def noise_image(channels: int) -> torch.Tensor:
    shape = (1, channels, 45, 61)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("level", range(0, 256, 5))
def test_contrast_keeps_flat_images(level):
    images = torch.full((1, 2, 33, 37), level, dtype=torch.uint8)
    assert torch.equal(Contrast()(images, 5, KEY), images)


@pytest.mark.parametrize("severity", [1, 5])
def test_contrast_treats_channels_by_themselves(severity):
    images = noise_image(4)
    together = Contrast()(images, severity, KEY)
    alone = torch.cat([Contrast()(images[:, c : c + 1], severity, KEY) for c in range(4)], 1)
    assert torch.equal(together, alone)


@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_is_pillows(severity, channels):
    images = noise_image(channels)
    levels = images[0].permute(1, 2, 0).squeeze(-1).numpy()
    file = BytesIO()
    Image.fromarray(levels).save(file, "JPEG", quality=JpegCompression.qualities[severity - 1])
    expected = np.array(Image.open(file)).reshape(45, 61, channels)
    assert (JpegCompression()(images, severity, KEY)[0].permute(1, 2, 0).numpy() == expected).all()
