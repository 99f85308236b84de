# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast this host's time stamp counter counts, which is what QEMU's emulation shows to a machine.

A kernel measures its counter at boot against other clocks. On a busy host it is interrupted while it does so, and may
find a tenth of the real speed: then its clock runs ten times too fast for as long as it is up. So it is told.
"""

from __future__ import annotations

import ctypes
import functools
import mmap
import platform
import time
from collections.abc import Callable

# rdtsc; shl rdx, 32; or rax, rdx; ret
_RDTSC = bytes.fromhex("0f3148c1e2204809d0c3")
_SECONDS = 0.2


@functools.cache
def host_khz() -> int | None:
    """Thousands of counts in a second; None where that is not known."""
    if platform.machine() != "x86_64":
        return None
    try:
        memory = mmap.mmap(
            -1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
        )
    except OSError:
        return None
    memory.write(_RDTSC)
    place = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    count = ctypes.CFUNCTYPE(ctypes.c_uint64)(place)
    first = _now(count)
    time.sleep(_SECONDS)
    last = _now(count)
    return round((last[1] - first[1]) * 1e6 / (last[0] - first[0]))


def _now(count: Callable[[], int]) -> tuple[int, int]:
    """(nanoseconds, counts) of one moment: of several readings that which took the least time."""
    found = []
    for _reading in range(20):
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
        counted = int(count())
        after = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
        found.append((after - before, (before + after) // 2, counted))
    _took, moment, counted = min(found)
    return moment, counted
