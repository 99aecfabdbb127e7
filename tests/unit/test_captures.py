"""Every captured block is read as it was meant, and written again byte for byte."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgelake._native import Assembler, Block, decode_block, encode_block, encode_message
from edgelake.errors import BadHeader

SAMPLES = Path(__file__).parents[1] / "data" / "captures"
REFERENCE = Path(
    os.environ.get("EDGELAKE_REFERENCE", Path(__file__).parents[3] / "shared" / "reference")
)
FOLDERS = [SAMPLES, REFERENCE / "wire" / "captures"]

# Name in the captures -> our name, where they differ.
NAMES = {
    "socket_counter": "sender_thread",
    "data_struct": "data_structure",
    "flag_last": "last_flag",
    "counter_jsons": "segment_count",
    "counter_receivers": "receivers",
    "receiver_id": "receiver_index",
    "partition_id": "partition_index",
    "dbms_time": "database_time",
}
NO_FIELDS = {
    "command",
    "auth",
    "data",
    "data_segments",
    "source_ip",
    "source_ip_area_stale",
    "block_hash",
    "socket_time_id",
    "used_bytes",
    "bytes_after_used",
    "nonzero_bytes_after_used",
}


@pytest.fixture(params=FOLDERS, ids=["samples", "reference"])
def captures(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    """Read the captures of one folder."""
    folder: Path = request.param
    if not folder.is_dir():
        pytest.skip("the reference is not beside this clone; set EDGELAKE_REFERENCE")
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    assert len(found) >= 8
    return found


def blocks_of(captures: list[dict[str, Any]]) -> Iterator[tuple[bytes, dict[str, Any]]]:
    for capture in captures:
        for connection in capture["connections"]:
            for message in connection["messages"]:
                raw = bytes.fromhex(message["bytes_hex"]).ljust(2048, b"\0")
                yield raw, message["decoded"]


def as_shown(raw: bytes) -> str:
    r"""Write bytes as the captures do: what is no UTF-8 as \xNN."""
    return raw.decode(errors="backslashreplace")


def cleaned(raw: bytes, block: Block) -> bytes:
    used = 207 + block.data_length
    source = 73 + block.source_ip_length
    return raw[:source] + bytes(201 - source) + raw[201:used] + bytes(2048 - used)


def test_every_field_is_as_the_capture_says(captures: list[dict[str, Any]]) -> None:
    for raw, decoded in blocks_of(captures):
        block = decode_block(raw)
        fields = {name: value for name, value in decoded.items() if name not in NO_FIELDS}
        assert {name: getattr(block, NAMES.get(name, name)) for name in fields} == fields
        assert block.block_hash.hex() == decoded["block_hash"]
        assert block.socket_time_id.hex() == decoded["socket_time_id"]
        assert as_shown(block.source_ip) == decoded["source_ip"]
        assert as_shown(block.command) == decoded["command"]
        assert as_shown(block.authentication) == decoded["auth"]
        if "data" in decoded:
            assert as_shown(block.data) == decoded["data"]


def test_every_row_is_as_the_capture_says(captures: list[dict[str, Any]]) -> None:
    seen = 0
    for raw, decoded in blocks_of(captures):
        segments = [
            (part["length"], part["flag"], part["text"])
            for part in decoded.get("data_segments", [])
        ]
        seen += len(segments)
        assert [
            (len(text), flag, as_shown(text)) for flag, text in decode_block(raw).segments()
        ] == segments
    assert seen > 10


def test_every_block_is_written_again(captures: list[dict[str, Any]]) -> None:
    for raw, _decoded in blocks_of(captures):
        block = decode_block(raw)
        assert encode_block(block) == cleaned(raw, block)


def test_single_blocks_are_made_again_from_their_parts(captures: list[dict[str, Any]]) -> None:
    made = 0
    for raw, _decoded in blocks_of(captures):
        block = decode_block(raw)
        if block.block_counter != 1 or block.last_flag != 1 or block.segment_count:
            continue
        made += 1
        assert encode_message(
            block.command,
            block.data,
            info_type=block.info_type,
            data_structure=block.data_structure,
            error=block.error,
            generic_flag=block.generic_flag,
            job_location=block.job_location,
            job_id=block.job_id,
            receivers=block.receivers,
            receiver_index=block.receiver_index,
            partitions_used=block.partitions_used,
            partition_index=block.partition_index,
            source_ip=block.source_ip,
            source_port=block.source_port,
        ) == cleaned(raw, block)
    assert made > 5


def test_connections_are_whole_messages(captures: list[dict[str, Any]]) -> None:
    for capture in captures:
        for connection in capture["connections"]:
            raw = [
                bytes.fromhex(message["bytes_hex"]).ljust(2048, b"\0")
                for message in connection["messages"]
            ]
            assembler = Assembler()
            counters = [decode_block(block).block_counter for block in raw]
            if counters != list(range(1, len(raw) + 1)):
                assert "note" in connection, "blocks are missing without a note"
                jump = next(at for at, counter in enumerate(counters) if counter != at + 1)
                assert assembler.feed(b"".join(raw[:jump])) == []
                with pytest.raises(BadHeader, match=rf"^block counter \d+ is not {jump + 1}$"):
                    assembler.feed(raw[jump])
                continue
            messages = assembler.feed(b"".join(raw))
            assembler.finish()
            assert [message.blocks for message in messages] == [len(raw)]
            if not messages[0].segments():
                assert messages[0].data == b"".join(decode_block(block).data for block in raw)
