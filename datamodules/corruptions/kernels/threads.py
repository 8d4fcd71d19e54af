"""Threads for the work of libraries that let others run meanwhile."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_in_threads(work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """`work` of each item, in their order, on as many threads as torch has."""
    threads = torch.get_num_threads()
    if threads < 2:
        return [work(item) for item in items]
    return list(_get_pool(threads, os.getpid()).map(work, items))


@lru_cache(maxsize=4)
def _get_pool(threads: int, process: int) -> ThreadPoolExecutor:
    """Kept, since small images take less time than starting a thread; a forked process has none of its parent's."""
    return ThreadPoolExecutor(threads)
