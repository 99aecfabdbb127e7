"""The protocol between nodes: blocks, messages, the server and the sender.

What it is: everything that knows how bytes lie on the wire, and the Python
face of the native core. What it is not: it does not know what a command
means, who may call it, or what a ledger is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgelake._native import (
    Assembler,
    Block,
    Message,
    decode_block,
    encode_block,
    encode_message,
    encode_rows,
)
from edgelake.wire.addresses import Endpoint, is_private, numeric_ip, parse_endpoint, route_to
from edgelake.wire.codes import error_from_peer, known_codes, short_text, wire_code
from edgelake.wire.latencies import Latency, bucket_bounds, counts_of, percentile
from edgelake.wire.messages import (
    FileFlag,
    InfoType,
    Job,
    Reply,
    TextFlag,
    command_text,
    data_text,
    encoded_command,
    file_blocks,
    fixed_reply_blocks,
    reply_blocks,
    reply_destination,
    request_blocks,
    travels_as_file,
)
from edgelake.wire.sender import MessageSender
from edgelake.wire.server import BatchHandler, Handler, MessageServer

if TYPE_CHECKING:
    from edgelake.wire.arrays import counter_array, latency_arrays
    from edgelake.wire.records import HEADER_DTYPE, header_view

__all__ = [
    "HEADER_DTYPE",
    "Assembler",
    "BatchHandler",
    "Block",
    "Endpoint",
    "FileFlag",
    "Handler",
    "InfoType",
    "Job",
    "Latency",
    "Message",
    "MessageSender",
    "MessageServer",
    "Reply",
    "TextFlag",
    "bucket_bounds",
    "command_text",
    "counter_array",
    "counts_of",
    "data_text",
    "decode_block",
    "encode_block",
    "encode_message",
    "encode_rows",
    "encoded_command",
    "error_from_peer",
    "file_blocks",
    "fixed_reply_blocks",
    "header_view",
    "is_private",
    "known_codes",
    "latency_arrays",
    "numeric_ip",
    "parse_endpoint",
    "percentile",
    "reply_blocks",
    "reply_destination",
    "request_blocks",
    "route_to",
    "short_text",
    "travels_as_file",
    "wire_code",
]


def __getattr__(name: str) -> Any:
    """Load what needs NumPy when it is first asked for: nodes run without it."""
    if name in ("HEADER_DTYPE", "header_view"):
        from edgelake.wire import records

        return getattr(records, name)
    if name in ("counter_array", "latency_arrays"):
        from edgelake.wire import arrays

        return getattr(arrays, name)
    raise AttributeError(name)
