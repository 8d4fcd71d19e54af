"""Threads for calls of libraries that release the interpreter lock."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_in_threads(work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Map `work` over items, in order, on as many threads as torch has."""
    threads = torch.get_num_threads()
    if threads < 2:
        return [work(item) for item in items]
    return list(_get_pool(threads, os.getpid()).map(work, items))


@lru_cache(maxsize=4)
def _get_pool(threads: int, process: int) -> ThreadPoolExecutor:
    """Cached pool: starting a thread takes longer than a small image. By process, as threads do not survive a fork."""
    return ThreadPoolExecutor(threads)
