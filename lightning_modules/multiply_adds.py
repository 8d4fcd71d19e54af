"""Multiply-adds: the computational cost of a network, independent of the machine."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import prod
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

Shape = tuple[int, ...]

aten = torch.ops.aten


def count_multiply_adds(work: Callable[[], object]) -> int:
    """Multiply-adds of one call of `work`, whose tensors are on the CPU: half of the FLOPs of torch's counter.

    As in the tables of papers, convolutions, matrix products (linear layers, attention, einsum, matrix-vector products) and
    recurrent layers are counted. Biases, normalisation, activations, pooling, resizing, distances, Fourier transforms and
    everything outside torch are not counted.

    Args:
        work: is called once, without gradients; the caller puts modules into evaluation mode.
    """
    with (
        _disable_fused_attention(),
        torch.no_grad(),
        FlopCounterMode(display=False, custom_mapping=FORMULAS) as counter,
    ):
        work()
    return counter.get_total_flops() // 2


@contextmanager
def _disable_fused_attention() -> Iterator[None]:
    """Disable the fused operator of torch's transformer layers in evaluation mode, whose parts the counter cannot see."""
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)


def _count_attention(query: Shape, key: Shape, value: Shape, *_: Any, **__: Any) -> int:
    return sdpa_flop_count(query, key, value)


def _count_recurrence(x: Shape, of_input: Shape, of_state: Shape, *_: Any, **__: Any) -> int:
    """FLOPs of one direction of one layer: products of inputs and states with their weights at each step of each sequence."""
    return 2 * prod(x[:-1]) * (prod(of_input) + prod(of_state))


def _count_matrix_vector(matrix: Shape, *_: Any, **__: Any) -> int:
    return 2 * prod(matrix)


def _count_added_matrix_vector(added: Shape, matrix: Shape, *_: Any, **__: Any) -> int:
    return 2 * prod(matrix)


def _count_added_matrices(added: Shape, first: Shape, second: Shape, *_: Any, **__: Any) -> int:
    return 2 * prod(first) * second[-1]


FORMULAS: dict[Any, Callable[..., int]] = {
    aten._scaled_dot_product_flash_attention_for_cpu: _count_attention,
    aten.mkldnn_rnn_layer: _count_recurrence,  # an LSTM; other cells are decomposed into products
    aten.mv: _count_matrix_vector,
    aten.dot: _count_matrix_vector,
    aten.addmv: _count_added_matrix_vector,
    aten.addbmm: _count_added_matrices,
}
"""FLOPs of operators that torch's counter does not know, from the shapes of their arguments."""
