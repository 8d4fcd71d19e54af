"""Noise of a given spectrum: blue and brown.

Two of the corruptions of ImageNet-C-bar (Mintun, Kirillov & Xie, "On Interaction Between Augmentations and Corruptions in
Natural Corruption Robustness", NeurIPS 2021). The amplitude of each frequency is given, and its phase is random. Frequencies
count periods along the shorter side. There, phases are mirrored about the middle of the spectrum without a change of sign,
which makes the noise nearly symmetric about the corner of the image; here each wave has a phase of its own.

Transforms are computed in float64, so that batches and threads change no pixel. Results are rounded down.
"""

from functools import lru_cache

import torch
from torch import Tensor
from typing_extensions import override

from datamodules.corruptions.base import Corruption
from datamodules.corruptions.declaration import declare
from datamodules.corruptions.kernels.soft_shapes import draw_directions


class BlueNoiseSample(Corruption):
    """Black pixels, most of them far from each other: where blue noise is below a threshold (Mintun et al., NeurIPS 2021).

    Amplitudes grow with the frequency. The pixels are the same in all channels.
    """

    name = "blue_noise_sample"
    family = "noise"
    severities = declare(threshold=(-2.26, -2.02, -1.78, -1.3, -0.82))
    """In standard deviations of the noise, of which it blackens what lies below."""

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, threshold: float) -> Tensor:
        noise = draw_coloured_noise(keys, (1, *images.shape[2:]), blue=True)
        return images * (noise > threshold)


class BrownishNoise(Corruption):
    """Added noise whose amplitudes fall with the square of the frequency (Mintun et al., NeurIPS 2021).

    They are 1 / (1 + f ** 2), so that the mean level changes as well. Every channel has noise of its own.
    """

    name = "brownish_noise"
    family = "noise"
    severities = declare(deviation=(6.4, 12.8, 19.2, 25.6, 32.0))
    """Standard deviation of the noise within an image, in levels of 255."""

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, deviation: float) -> Tensor:
        noise = draw_coloured_noise(keys, tuple(images.shape[1:]), blue=False)
        return noise.mul_(deviation).add_(images).clamp_(0, 255).to(torch.uint8)


def draw_coloured_noise(keys: Tensor, shape: tuple[int, ...], blue: bool) -> Tensor:
    """Noise with unit variance over each field.

    Args:
        keys: int64 (B,), one per image.
        shape: (C, H, W) of the fields of an image.
        blue: whether amplitudes are f at the frequency f, else 1 / (1 + f ** 2).

    Returns:
        float32 (B, C, H, W).
    """
    height, width = shape[-2:]
    amplitudes = _compute_amplitudes(height, width, blue, keys.device)
    waves = draw_directions(keys, (*shape[:-1], width // 2 + 1), stream=0).to(torch.float64).mul_(amplitudes)
    noise = torch.fft.irfft2(torch.complex(waves[0], waves[1]), s=(height, width))
    deviation = (noise - noise.mean((-2, -1), keepdim=True)).square_().mean((-2, -1), keepdim=True).sqrt_()
    return noise.div_(deviation).to(torch.float32)


@lru_cache(maxsize=8)
def _compute_amplitudes(height: int, width: int, blue: bool, device: torch.device) -> Tensor:
    """float64 (H, W // 2 + 1), of the waves of a real transform."""
    side = min(height, width)
    rows, columns = torch.fft.fftfreq(height, dtype=torch.float64), torch.fft.rfftfreq(width, dtype=torch.float64)
    squared = (rows * side).square()[:, None] + (columns * side).square()
    return (squared.sqrt() if blue else 1 / (1 + squared)).to(device)
