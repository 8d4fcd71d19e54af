"""Freed memory stays with the process: blocks like those of large tensors cost no page of the system the second time."""

import subprocess
import sys

import pytest
from command_line import ROOT

ALLOCATES = """
import resource

from experiments.command_line.freed_memory import keep_freed_memory

keep_freed_memory()
for _ in range(2):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = b"x" * (64 << 20)
    del block
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) * resource.getpagesize() >> 20)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc alone can be told to keep memory")
@pytest.mark.parametrize(("environment", "kept"), [({}, True), ({"MALLOC_MMAP_MAX_": "65536"}, False)])
def test_what_a_block_of_64_mib_takes_of_the_system_the_second_time(environment: dict[str, str], kept: bool) -> None:
    process = subprocess.run(
        [sys.executable, "-c", ALLOCATES], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert (int(process.stdout) < 4) is kept
