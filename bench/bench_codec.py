"""The wire codec, each part beside a plain copy of the same bytes."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from edgelake.wire import (
    Assembler,
    decode_block,
    encode_block,
    encode_message,
    header_view,
)

BLOCK_BYTES = 2048
TEXT_BYTES = 64 * 1024
VIEW_BLOCKS = 1000

BLOCK = encode_message(b"get status", info_type=6, source_ip=b"127.0.0.1", source_port=32048)
TEXT = b"0123456789abcdef" * (TEXT_BYTES // 16)
MESSAGE = encode_message(b"print", TEXT, info_type=4, source_ip=b"127.0.0.1", source_port=32048)

DECODE = "codec.decode 1 block"
ENCODE = "codec.encode 1 block"
ENCODE_TEXT = "codec.encode 64 KiB"
ASSEMBLE_TEXT = "codec.assemble 64 KiB"
ASSEMBLE = "codec.assemble 1,000 messages of 1 block"
VIEW = "codec.header view 1,000 blocks"

SIZES = {
    DECODE: BLOCK_BYTES,
    ENCODE: BLOCK_BYTES,
    ENCODE_TEXT: len(MESSAGE),
    ASSEMBLE_TEXT: len(MESSAGE),
    ASSEMBLE: VIEW_BLOCKS * BLOCK_BYTES,
    VIEW: VIEW_BLOCKS * BLOCK_BYTES,
}
COUNTS = {ASSEMBLE: VIEW_BLOCKS, VIEW: VIEW_BLOCKS}


def _describe(benchmark: BenchmarkFixture, group: str) -> None:
    benchmark.group = group
    benchmark.extra_info["bytes"] = SIZES[group]
    benchmark.extra_info["messages"] = COUNTS.get(group, 1)


@pytest.mark.parametrize("group", SIZES)
def bench_floor(benchmark: BenchmarkFixture, group: str) -> None:
    """Copy as many bytes as the group handles into memory that is there already."""
    _describe(benchmark, group)
    source = bytes(SIZES[group])
    room = memoryview(bytearray(len(source)))

    def copy() -> None:
        room[:] = source

    benchmark(copy)


def bench_decode_block(benchmark: BenchmarkFixture) -> None:
    """Check a block and read every field."""
    _describe(benchmark, DECODE)
    assert benchmark(decode_block, BLOCK).command == b"get status"


def bench_encode_block(benchmark: BenchmarkFixture) -> None:
    """Write a decoded block again."""
    _describe(benchmark, ENCODE)
    assert benchmark(encode_block, decode_block(BLOCK)) == BLOCK


def bench_encode_request(benchmark: BenchmarkFixture) -> None:
    """Make the block of a request from its parts."""
    _describe(benchmark, ENCODE)

    def encode() -> bytes:
        return encode_message(b"get status", info_type=6, source_ip=b"127.0.0.1", source_port=32048)

    assert benchmark(encode) == BLOCK


def bench_encode_text(benchmark: BenchmarkFixture) -> None:
    """Cut 64 KiB of text into blocks, at character boundaries."""
    _describe(benchmark, ENCODE_TEXT)

    def encode() -> bytes:
        return encode_message(
            b"print", TEXT, info_type=4, source_ip=b"127.0.0.1", source_port=32048
        )

    assert benchmark(encode) == MESSAGE


def bench_assemble_text(benchmark: BenchmarkFixture) -> None:
    """Join the blocks of 64 KiB of text, as a connection delivers them."""
    _describe(benchmark, ASSEMBLE_TEXT)

    def assemble() -> Any:
        return Assembler().feed(MESSAGE)

    (message,) = benchmark(assemble)
    assert message.data == TEXT


def bench_assemble_messages(benchmark: BenchmarkFixture) -> None:
    """Make messages of the blocks of a kept connection, none of which belongs to another."""
    _describe(benchmark, ASSEMBLE)
    blocks = BLOCK * VIEW_BLOCKS

    def assemble() -> Any:
        return Assembler().feed(blocks)

    assert len(benchmark(assemble)) == VIEW_BLOCKS


def bench_header_view(benchmark: BenchmarkFixture) -> None:
    """View 1,000 blocks as records, which copies nothing."""
    _describe(benchmark, VIEW)
    blocks = BLOCK * VIEW_BLOCKS
    assert benchmark(header_view, blocks).shape == (VIEW_BLOCKS,)


def bench_header_view_sum(benchmark: BenchmarkFixture) -> None:
    """View 1,000 blocks and add up one field of theirs."""
    _describe(benchmark, VIEW)
    blocks = BLOCK * VIEW_BLOCKS

    def add() -> int:
        return int(header_view(blocks)["data_length"].sum())

    assert benchmark(add) == VIEW_BLOCKS * len(b"get status")
