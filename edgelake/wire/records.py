"""Blocks as NumPy records: n blocks viewed as an array of headers, nothing copied."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgelake import limits
from edgelake.errors import Truncated

__all__ = ["HEADER_DTYPE", "header_view"]

HEADER_DTYPE: np.dtype[np.void] = np.dtype(
    [
        ("block_hash", "V16"),
        ("socket_id", ">u2"),
        ("socket_time_id", "V8"),
        ("sender_thread", ">u4"),
        ("block_counter", ">u4"),
        ("data_structure", "u1"),
        ("last_flag", "u1"),
        ("info_type", "u1"),
        ("error", ">u2"),
        ("command_length", ">u2"),
        ("authentication_length", ">u2"),
        ("data_length", ">u4"),
        ("segment_count", ">u2"),
        ("reply_flag", "u1"),
        ("job_location", ">u2"),
        ("job_id", ">u4"),
        ("receivers", ">u2"),
        ("receiver_index", ">u2"),
        ("partitions_used", ">u2"),
        ("partition_index", ">u2"),
        ("database_time", ">u4"),
        ("send_time", ">u4"),
        ("source_ip_length", "u1"),
        ("source_ip", f"V{limits.MAX_SOURCE_IP_BYTES}"),
        ("source_port", ">u4"),
        ("generic_flag", ">u2"),
        ("body", f"V{limits.BODY_BYTES}"),
    ]
)
"""One block of 2,048 bytes: the header's fields by name, then the raw body.

Source: ``docs/protocol.md``, "Header".
"""


def header_view(blocks: Any) -> npt.NDArray[np.void]:
    """Return a read-only view of whole blocks as records.

    Parameters
    ----------
    blocks : bytes-like
        Any multiple of 2,048 bytes.

    Returns
    -------
    ndarray
        Shape (n,), dtype `HEADER_DTYPE`, over the memory of ``blocks``.
        Field values are as sent; nothing is checked.

    Raises
    ------
    Truncated
        The length is no multiple of 2,048.
    """
    view = memoryview(blocks)
    if view.nbytes % limits.BLOCK_BYTES:
        raise Truncated(f"{view.nbytes} bytes are no multiple of {limits.BLOCK_BYTES}")
    records = np.frombuffer(view, dtype=HEADER_DTYPE)
    records.flags.writeable = False
    return records
