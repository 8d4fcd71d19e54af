"""Words burnt into the image, as an annotation or the name of a device."""

from functools import lru_cache
from string import ascii_lowercase

import cv2
import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from datamodules.corruptions.base import Corruption
from datamodules.corruptions.declaration import declare
from datamodules.corruptions.kernels.random import draw_bits

CELL = 48  # pixels of a letter's cell before it is shrunk


class Characters(Corruption):
    """Words of random letters, places and colours.

    A corruption of Di Salvo, Doerrich & Ledig, "MedMNIST-C" (2024), for dermatoscopes, there in letters of a few pixels.
    Letters of one size relative to the image, and that size, are our choice. OpenCV draws them.
    """

    name = "characters"
    family = "occlusion"
    libraries = ("opencv-python-headless",)
    severities = declare(words=(1, 2, 4, 7, 12), letters=(6, 7, 8, 9, 10))
    """Number of words, and the most letters of one; the fewest are three."""
    constants = declare(height=0.07)
    """Of the letters, relative to the shorter side."""

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, words: int, letters: int, height: float) -> Tensor:
        size, channels = images.shape[2:], images.shape[1]
        tall = max(5, round(height * min(size)))
        alphabet = _draw_alphabet(tall, images.device)
        wide = alphabet.shape[2]
        text = _draw_below(keys, (words, letters), len(alphabet), 0)
        lengths = _draw_below(keys, (words,), letters - 2, 1) + 3
        tops = _draw_below(keys, (words,), max(1, size[0] - tall + 1), 2)
        lefts = draw_bits(keys, (words,), 3).to(torch.int64) * (size[1] - lengths * wide + 1).clamp_(min=1) >> 16
        colours = draw_bits(keys, (words, channels, 1, 1), 4).bitwise_right_shift_(8).to(torch.float32)
        levels = images.to(torch.float32)
        for word in range(words):
            down, right = (
                torch.arange(side, device=images.device) - start[:, word, None]
                for side, start in zip(size, (tops, lefts), strict=True)
            )
            place = right.div(wide, rounding_mode="floor")
            letter = text[:, word].gather(1, place.clamp(0, letters - 1))
            columns = letter * (tall * wide) + right % wide
            index = down.clamp(0, tall - 1)[:, :, None] * wide + columns[:, None]
            ink = alphabet.view(-1).index_select(0, index.view(-1)).view(index.shape)
            ink *= ((down >= 0) & (down < tall))[:, :, None]
            ink *= ((place >= 0) & (place < lengths[:, word, None]))[:, None]
            levels += (colours[:, word] - levels) * ink[:, None]
        return levels.add_(0.5).clamp_(0, 255).to(torch.uint8)


def _draw_below(keys: Tensor, shape: tuple[int, ...], end: int, stream: int) -> Tensor:
    """int64 (B, *shape): whole numbers from 0 on, below `end`."""
    return draw_bits(keys, shape, stream).to(torch.int64).mul_(end).bitwise_right_shift_(16)


@lru_cache(maxsize=16)
def _draw_alphabet(height: int, device: torch.device) -> Tensor:
    """float32 (26, height, width): how far each pixel of a letter's cell is covered."""
    cells = []
    for letter in ascii_lowercase:
        cell = np.zeros((CELL, CELL * 4 // 5), np.uint8)
        cv2.putText(cell, letter, (2, CELL * 3 // 4), cv2.FONT_HERSHEY_SIMPLEX, 1.5, 255, 4, cv2.LINE_AA)
        cells.append(cv2.resize(cell, (max(4, height * 4 // 5), height), interpolation=cv2.INTER_AREA))
    return torch.from_numpy(np.stack(cells)).to(torch.float32).div_(255).to(device)
