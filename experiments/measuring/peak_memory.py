"""Peak memory of torch's allocator."""

import os
from collections.abc import Callable

import torch


def measure_peak_bytes(work: Callable[[], object], device: torch.device) -> int:
    """Peak bytes of one call of `work`, beyond what was allocated before it.

    On CUDA by the caching allocator, on a CPU by the allocations that torch's profiler lists: both count the tensors of
    torch, but not what libraries such as oneDNN and OpenCV allocate by themselves.

    Args:
        work: warmed up by the caller.
        device: of its tensors.
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        work()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # otherwise it prints into the progress bar
    with torch.autograd.profiler.profile(profile_memory=True) as profile:
        work()
    allocated = peak = 0
    events = [event for event in profile.kineto_results.events() if event.name() == "[memory]"]
    for event in sorted(events, key=lambda event: event.start_ns()):
        allocated += event.nbytes()
        peak = max(peak, allocated)
    return peak
