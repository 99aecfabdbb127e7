"""How the process keeps memory that it needs no more."""

from __future__ import annotations

import ctypes

__all__ = ["give_back_large_blocks"]

_M_MMAP_THRESHOLD = -3
_LARGE_BYTES = 1024 * 1024


def give_back_large_blocks() -> None:
    """Have blocks of a MiB or more go back to the system as soon as they are freed.

    The allocator of glibc keeps blocks of up to 32 MiB once it has seen such ones come and go:
    a node would hold the memory of the longest ledgers and messages it ever had. Other
    allocators are left as they are.

    Notes
    -----
    For the whole process; may be called again. Source: mallopt(3), ``M_MMAP_THRESHOLD``.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
