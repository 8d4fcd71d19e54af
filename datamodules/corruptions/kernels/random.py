"""Random numbers that are a function of (key, position): the same bits on every device and in every batch.

The generators of torch differ between CPU and CUDA and draw one image after the other from one stream. Here every
position of a field is hashed on its own, in wrap-around integer arithmetic, which all devices share.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import prod

import torch
from torch import Tensor


def draw_bits(keys: Tensor, shape: Sequence[int], stream: int = 0) -> Tensor:
    """Independent uniform 16-bit words for each key.

    Args:
        keys: int64 (B,), one per image.
        shape: shape of the field of one image.
        stream: index of the field; the fields of one key are independent.

    Returns:
        int32 (B, *shape) in 0..65535, contiguous, on the device of `keys`.
    """
    size = prod(shape)
    pairs = (size + 1) // 2
    state = _scramble(keys, stream)
    low, high = (state << 32) >> 32, state >> 32  # signed halves: they fit int32 without an overflowing cast
    words = _hash_positions(pairs, keys.device) ^ low.to(torch.int32)[:, None]
    words *= (high | 1).to(torch.int32)[:, None]
    _mix(words)
    bits = torch.empty((len(keys), 2 * pairs), dtype=torch.int32, device=keys.device)
    torch.bitwise_and(words, 0xFFFF, out=bits[:, :pairs])
    torch.bitwise_right_shift(words, 16, out=bits[:, pairs:])
    bits[:, pairs:] &= 0xFFFF
    return bits[:, :size].contiguous().view(len(keys), *shape)


def draw_uniforms(keys: Tensor, shape: Sequence[int], stream: int = 0) -> Tensor:
    """float32 (B, *shape): uniform numbers in (0, 1), the midpoints of 65536 equal intervals; see `draw_bits`."""
    return draw_bits(keys, shape, stream).to(torch.float32).add_(0.5).mul_(2**-16)


def draw_normals(keys: Tensor, shape: Sequence[int], stream: int = 0) -> Tensor:
    """float32 (B, *shape): standard normal numbers within 4.2 standard deviations; see `draw_bits`."""
    words = draw_bits(keys, shape, stream)
    return _make_quantile_table(words.device).index_select(0, words.view(-1)).view(words.shape)


def compute_normal_quantiles() -> Tensor:
    """float64 (65536,): quantiles of the normal distribution at the midpoints of 65536 equal intervals, of unit variance."""
    fractions = (torch.arange(1 << 16, dtype=torch.float64) + 0.5) / (1 << 16)
    quantiles = torch.special.ndtri(fractions)
    return quantiles / quantiles.square().mean().sqrt()


@lru_cache(maxsize=4)
def _make_quantile_table(device: torch.device) -> Tensor:
    return compute_normal_quantiles().to(torch.float32).to(device)


def _scramble(keys: Tensor, stream: int) -> Tensor:
    """64 well-mixed bits of (key, stream): the output function of SplitMix64 (Steele, Lea & Flood, OOPSLA 2014)."""
    state = keys + _as_signed((stream + 1) * 0x9E3779B97F4A7C15)
    state = (state ^ _shift_right(state, 30)) * _as_signed(0xBF58476D1CE4E5B9)
    state = (state ^ _shift_right(state, 27)) * _as_signed(0x94D049BB133111EB)
    return state ^ _shift_right(state, 31)


def _as_signed(word: int) -> int:
    return ((word + (1 << 63)) % (1 << 64)) - (1 << 63)


def _shift_right(state: Tensor, places: int) -> Tensor:
    """Logical right shift: the shift of signed integers would copy the sign into the upper bits."""
    return (state >> places) & ((1 << (64 - places)) - 1)


@lru_cache(maxsize=4)
def _hash_positions(count: int, device: torch.device) -> Tensor:
    """int32 (count,): hashed positions; neighbours differ in half of their bits before a key is mixed in."""
    positions = torch.arange(count, dtype=torch.int32, device=device)
    positions += 0x3C6EF372
    return _mix(positions)


def _mix(words: Tensor) -> Tensor:
    """Hash int32 `words` in place: the 32-bit mixer `lowbias32` of C. Wellons' hash-prospector, bias 0.17."""
    shifted = torch.empty_like(words)
    for places, factor in ((16, 0x7FEB352D), (15, 0x846CA68B - (1 << 32)), (16, 1)):
        torch.bitwise_right_shift(words, places, out=shifted)
        shifted &= (1 << (32 - places)) - 1
        words ^= shifted
        if factor != 1:
            words *= factor
    return words
