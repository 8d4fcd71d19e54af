"""What torch's allocator holds at the most."""

import os
from collections.abc import Callable

import torch


def peak_bytes(work: Callable[[], object], device: torch.device) -> int:
    """Bytes that one call of `work` holds at the most, beyond what was held before it.

    On CUDA as the caching allocator counts, on a CPU from the allocations that torch's profiler lists: both are the
    tensors of torch. What libraries such as oneDNN and OpenCV allocate by themselves is not in it.

    Args:
        work: warmed up by the caller.
        device: that of its tensors.
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        work()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # else it writes into the progress bar
    with torch.autograd.profiler.profile(profile_memory=True) as profile:
        work()
    held = most = 0
    events = [event for event in profile.kineto_results.events() if event.name() == "[memory]"]
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        most = max(most, held)
    return most
