"""Children of the harness: their first line, their last words, their time and memory."""

from __future__ import annotations

import os
import selectors
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

__all__ = ["cpu_s", "failure", "read_line", "resident_bytes"]


def read_line(process: subprocess.Popen[bytes], timeout_s: float) -> str | None:
    """Return the next line of a child; empty when it ended, ``None`` when none came in time."""
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        if not selector.select(timeout_s):
            return None
    return process.stdout.readline().decode(errors="replace").strip()


def failure(name: str, process: subprocess.Popen[bytes], words: IO[bytes]) -> str:
    """Return how a child ended, with the last line it wrote to ``words``."""
    words.seek(0)
    lines = words.read().decode(errors="replace").strip().splitlines()
    return f"{name}: ended with status {process.returncode}: {lines[-1] if lines else 'no message'}"


def cpu_s(pid: int, *, group: bool = False) -> float:
    """Return the processor time of a process, or of its whole group, in seconds."""
    if not group:
        return time.clock_gettime(_cpu_clock(pid))
    total = 0.0
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with suppress(OSError):  # it ended while we looked
                member = int(entry.name)
                if os.getpgid(member) == pid:
                    total += time.clock_gettime(_cpu_clock(member))
    return total


def _cpu_clock(pid: int) -> int:
    # What clock_getcpuclockid() makes of a process on Linux; its resolution is
    # a nanosecond, that of /proc/PID/stat 10 ms.
    return ~pid << 3 | 2


def resident_bytes(pid: int) -> int:
    """Return the memory of a process that is resident."""
    pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
