"""The native part: block codec, message server and sender, compiled from ``pyx/``.

Bytes, descriptors and I/O threads live here and nowhere else. Only
`edgelake.wire` imports it; programs use what `edgelake.wire` offers.
"""

from __future__ import annotations

try:
    from edgelake._native.assembler import Assembler
    from edgelake._native.block import Block, decode_block, encode_block
    from edgelake._native.encoder import encode_message, encode_reply, encode_rows
    from edgelake._native.message import Message
    from edgelake._native.metered import latency_bucket
    from edgelake._native.sender import Sender
    from edgelake._native.server import Server
except ModuleNotFoundError as exc:
    raise ImportError(
        f"the native modules are not compiled ({exc.name} is missing): "
        "run `make dev`, or `pip install -e .` in the source folder"
    ) from exc

from edgelake import limits as _limits

BLOCK_BYTES = _limits.BLOCK_BYTES
HEADER_BYTES = _limits.HEADER_BYTES
BODY_BYTES = _limits.BODY_BYTES

__all__ = [
    "Assembler",
    "BLOCK_BYTES",
    "BODY_BYTES",
    "Block",
    "HEADER_BYTES",
    "Message",
    "Sender",
    "Server",
    "decode_block",
    "encode_block",
    "encode_message",
    "encode_reply",
    "encode_rows",
    "latency_bucket",
]
