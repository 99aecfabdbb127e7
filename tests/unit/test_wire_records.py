"""Blocks as NumPy records."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgelake import limits
from edgelake.errors import Truncated
from edgelake.wire import HEADER_DTYPE, decode_block, encode_message, header_view

CAPTURES = Path(__file__).parents[1] / "data" / "captures"


def recorded_blocks():
    """Return every recorded block, padded to its size."""
    for path in sorted(CAPTURES.glob("*.json")):
        for connection in json.loads(path.read_text())["connections"]:
            for message in connection["messages"]:
                yield bytes.fromhex(message["bytes_hex"]).ljust(limits.BLOCK_BYTES, b"\0")


def test_the_type_is_one_block():
    assert HEADER_DTYPE.itemsize == limits.BLOCK_BYTES
    assert HEADER_DTYPE.fields["body"][1] == limits.HEADER_BYTES


def test_every_field_is_what_the_codec_reads():
    blocks = list(recorded_blocks())
    assert len(blocks) > 10
    records = header_view(b"".join(blocks))
    assert records.shape == (len(blocks),)
    for record, raw in zip(records, blocks, strict=True):
        block = decode_block(raw)
        for name in HEADER_DTYPE.names or ():
            if name == "body":
                assert record[name].tobytes() == raw[limits.HEADER_BYTES :]
            elif name == "source_ip":
                assert record[name].tobytes()[: block.source_ip_length] == block.source_ip
            elif HEADER_DTYPE[name].kind == "V":
                assert record[name].tobytes() == getattr(block, name)
            else:
                assert record[name] == getattr(block, name)


def test_nothing_is_copied_and_nothing_can_be_written():
    buffer = bytearray(encode_message(b"print", b"x" * 5000))
    records = header_view(buffer)
    assert records["block_counter"].tolist() == [1, 2, 3]
    buffer[2048 + 36] = 77
    assert records["info_type"][1] == 77
    assert np.shares_memory(records, np.frombuffer(buffer, np.uint8))
    with pytest.raises(ValueError, match="read-only"):
        records["info_type"][0] = 1


def test_parts_of_a_block_are_refused():
    assert header_view(b"").shape == (0,)
    with pytest.raises(Truncated, match="2049"):
        header_view(bytes(2049))
