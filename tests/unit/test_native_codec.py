"""Blocks: what is accepted, what is refused with which words, what is written."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from edgelake._native import (
    BLOCK_BYTES,
    BODY_BYTES,
    HEADER_BYTES,
    Block,
    Message,
    decode_block,
    encode_block,
    encode_message,
    encode_rows,
)
from edgelake.errors import BadHeader, LocalProtocolError, Truncated

JOB_REPLY = b"job reply"


def one_block(command: bytes = b"get status", data: bytes = b"", **fields: Any) -> bytes:
    return encode_message(command, data, text=False, **fields)


def patched(block: bytes, offset: int, layout: str, *values: int) -> bytes:
    changed = bytearray(block)
    struct.pack_into(">" + layout, changed, offset, *values)
    return bytes(changed)


def blocks_of(encoded: bytes) -> list[Block]:
    assert len(encoded) % BLOCK_BYTES == 0
    return [
        decode_block(encoded[at : at + BLOCK_BYTES]) for at in range(0, len(encoded), BLOCK_BYTES)
    ]


def test_the_example_of_the_protocol() -> None:
    block = encode_message(b"get status", info_type=6, source_ip=b"127.0.0.1", source_port=33148)
    expected = bytearray(2048)
    for offset, value in {33: 1, 35: 1, 36: 6, 40: 10, 46: 10, 57: 1, 61: 1, 72: 9}.items():
        expected[offset] = value
    expected[73:82] = b"127.0.0.1"
    expected[203:205] = b"\x81\x7c"
    expected[207:217] = b"get status"
    assert block == expected


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_buffer_is_decoded(kind: Any) -> None:
    assert decode_block(kind(one_block())).command == b"get status"


@pytest.mark.parametrize("size", [0, 1, 2047, 2049, 4096])
def test_a_block_has_2048_bytes(size: int) -> None:
    with pytest.raises(Truncated, match=f"^{size} bytes are not a block of 2048$"):
        decode_block(bytes(size))


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (patched(one_block(), 39, "H", 65535), "command length 65535 exceeds data length 10"),
        (patched(one_block(), 39, "H", 11), "command length 11 exceeds data length 10"),
        (patched(one_block(), 39, "H", 0), "command length 0 is below 1"),
        (bytes(2048), "command length 0 is below 1"),
        (patched(one_block(), 43, "I", 1842), "data length 1842 exceeds 1841"),
        (patched(one_block(), 43, "I", 2**32 - 1), "data length 4294967295 exceeds 1841"),
        (patched(one_block(), 72, "B", 129), "source address length 129 exceeds 128"),
        (patched(one_block(), 72, "B", 255), "source address length 255 exceeds 128"),
        (patched(one_block(), 30, "I", 0), "block counter 0 is not 1"),
        (
            patched(one_block(), 41, "H", 1),
            "authentication length 1 exceeds the 0 bytes after the command",
        ),
        (patched(one_block(), 41, "H", 65535), "authentication length 65535 exceeds the 0 bytes"),
        (patched(one_block(), 210, "B", 0xFF), "byte 3 of the command is not UTF-8"),
    ],
)
def test_contradictions_are_refused(block: bytes, words: str) -> None:
    with pytest.raises(BadHeader, match=f"^{words}"):
        decode_block(block)


@pytest.mark.parametrize(
    ("command", "at"),
    [
        (b"\x80", 0),
        (b"a\xc0\x80", 1),
        (b"\xc1\xbf", 0),
        (b"ab\xe0\x9f\xbf", 2),
        (b"\xed\xa0\x80", 0),
        (b"\xf0\x8f\xbf\xbf", 0),
        (b"\xf4\x90\x80\x80", 0),
        (b"\xf5\x80\x80\x80", 0),
        ("é".encode()[:1], 0),
        ("a€".encode()[:-1], 1),
        ("ab😀".encode()[:-1], 2),
        (b"\xe2\x82A", 0),
    ],
)
def test_commands_that_are_no_text(command: bytes, at: int) -> None:
    with pytest.raises(UnicodeDecodeError):
        command.decode()
    block = bytearray(one_block(b"x" * len(command)))
    block[HEADER_BYTES : HEADER_BYTES + len(command)] = command
    with pytest.raises(BadHeader, match=f"^byte {at} of the command is not UTF-8$"):
        decode_block(block)
    with pytest.raises(LocalProtocolError, match=f"^byte {at} of the command is not UTF-8$"):
        encode_message(command)


@pytest.mark.parametrize("command", ["print é€😀\U0010ffff", "\ud7ff\ue000", "get \x00"])
def test_commands_that_are_text(command: str) -> None:
    assert decode_block(one_block(command.encode())).command.decode() == command


def test_undefined_bytes_are_dropped() -> None:
    block = bytearray(one_block(data=b"data", source_ip=b"10.0.0.1"))
    clean = bytes(block)
    block[73 + 8 : 201] = b"\xee" * (201 - 81)
    block[HEADER_BYTES + 14 :] = b"\xee" * (BODY_BYTES - 14)
    assert encode_block(decode_block(block)) == clean


def test_hash_and_ids_are_kept() -> None:
    block = patched(one_block(), 0, "16sH8sI", b"h" * 16, 7, b"t" * 8, 9)  # type: ignore[arg-type]
    decoded = decode_block(block)
    assert (decoded.block_hash, decoded.socket_id) == (b"h" * 16, 7)
    assert (decoded.socket_time_id, decoded.sender_thread) == (b"t" * 8, 9)
    assert encode_block(decoded) == block


@pytest.mark.parametrize("flag", [2, 255])
def test_only_1_means_last(flag: int) -> None:
    assert decode_block(patched(one_block(), 35, "B", flag)).last_flag == flag


def test_left_over_row_marks_of_requests_mean_nothing() -> None:
    block = patched(one_block(b"sql demo select 1", data_structure=2), 47, "H", 1)
    decoded = decode_block(block)
    assert (decoded.segment_count, decoded.segments()) == (1, [])


@pytest.mark.parametrize(
    ("data", "count", "words"),
    [
        (b"\x00\x05\x00abcd", 1, "segment of 5 bytes exceeds the 4 left in its block"),
        (b"\xff\xff\x00", 1, "segment of 65535 bytes exceeds the 0 left in its block"),
        (b"\x00\x01", 1, "segment of 3 bytes exceeds the 2 left in its block"),
        (b"\x00\x01\x00a", 2, "segment of 3 bytes exceeds the 0 left in its block"),
        (b"\x00\x01\x03a", 1, "segment flag 3 exceeds 2"),
    ],
)
def test_broken_segments_are_refused(data: bytes, count: int, words: str) -> None:
    block = patched(one_block(JOB_REPLY, data, data_structure=2), 47, "H", count)
    with pytest.raises(BadHeader, match=f"^{words}$"):
        decode_block(block)


def test_segments_beyond_the_count_are_no_rows() -> None:
    data = b"\x00\x01\x00a\x00\x02\x00bc"
    block = patched(one_block(JOB_REPLY, data, data_structure=2), 47, "H", 1)
    assert decode_block(block).segments() == [(0, b"a")]


def test_segments_of_an_error_are_not_looked_at() -> None:
    block = patched(one_block(JOB_REPLY, data_structure=2, error=77), 47, "H", 4)
    assert decode_block(block).segments() == []


def test_long_data_fills_every_block_but_the_last() -> None:
    data = bytes(range(256)) * 20
    blocks = blocks_of(one_block(b"file write a", data))
    assert [block.data_length for block in blocks[:-1]] == [BODY_BYTES] * (len(blocks) - 1)
    assert [block.block_counter for block in blocks] == list(range(1, len(blocks) + 1))
    assert [block.last_flag for block in blocks] == [0] * (len(blocks) - 1) + [1]
    assert b"".join(block.data for block in blocks) == data


@pytest.mark.parametrize("shift", range(4))
@pytest.mark.parametrize("character", ["é", "€", "😀"])
def test_text_is_cut_between_characters(character: str, shift: int) -> None:
    text = "a" * shift + character * 2000
    blocks = blocks_of(encode_message(b"print", text.encode()))
    assert "".join(block.data.decode() for block in blocks) == text
    room = BODY_BYTES - len(b"print")
    width = len(character.encode())
    assert all(room - len(block.data) < width for block in blocks[:-1])


@pytest.mark.parametrize("data", [b"\x80" * 5000, b"a" + b"\xbf" * 4000, b"\xf0" * 4000])
def test_data_that_is_no_text_is_sent_all_the_same(data: bytes) -> None:
    assert b"".join(block.data for block in blocks_of(encode_message(b"print", data))) == data


@pytest.mark.parametrize(
    ("size", "lengths"),
    [(0, [0]), (1838, [1838]), (1839, [1839, 0]), (1840, [1839, 1]), (3678, [1839, 1839, 0])],
)
def test_files_end_with_a_block_that_is_not_full(size: int, lengths: list[int]) -> None:
    encoded = one_block(b"fw", b"x" * size, closing_block=True)
    assert [len(block.data) for block in blocks_of(encoded)] == lengths
    full = [length for length in lengths if length or size == 0]
    assert [len(block.data) for block in blocks_of(one_block(b"fw", b"x" * size))] == full


def test_authentication_is_in_the_first_block_only() -> None:
    blocks = blocks_of(encode_message(b"print", b"d" * 3000, authentication=b"secret"))
    assert [block.authentication for block in blocks] == [b"secret", b""]
    assert [block.command for block in blocks] == [b"print", b"print"]
    assert b"".join(block.data for block in blocks) == b"d" * 3000


def test_the_largest_command() -> None:
    assert decode_block(encode_message(b"c" * 1841)).command == b"c" * 1841
    with pytest.raises(
        LocalProtocolError, match=r"^command length 1842 exceeds 1841 of one block$"
    ):
        encode_message(b"c" * 1842)
    with pytest.raises(LocalProtocolError, match=r"leaves 2 bytes of a block for data of 10$"):
        encode_message(b"c" * 1839, b"d" * 10)
    with pytest.raises(LocalProtocolError, match=r"^command length 0 is below 1$"):
        encode_message(b"")


@pytest.mark.parametrize(
    ("field", "limit"),
    {
        "info_type": 0xFF,
        "data_structure": 0xFF,
        "error": 0xFFFF,
        "generic_flag": 0xFFFF,
        "job_location": 0xFFFF,
        "job_id": 0xFFFFFFFF,
        "receivers": 0xFFFF,
        "receiver_index": 0xFFFF,
        "partitions_used": 0xFFFF,
        "partition_index": 0xFFFF,
        "source_port": 0xFFFFFFFF,
    }.items(),
)
def test_fields_never_wrap(field: str, limit: int) -> None:
    assert getattr(decode_block(one_block(**{field: limit})), field) == limit
    name = field.replace("_", " ")
    for value in (-1, limit + 1):
        with pytest.raises(LocalProtocolError, match=f"^{name} {value} is not in 0..{limit}$"):
            one_block(**{field: value})


def test_a_source_address_has_128_bytes() -> None:
    assert decode_block(one_block(source_ip=b"s" * 128)).source_ip == b"s" * 128
    with pytest.raises(LocalProtocolError, match=r"^source address length 129 is not in 0..128$"):
        one_block(source_ip=b"s" * 129)


def test_rows_are_cut_as_nodes_cut_them() -> None:
    blocks = blocks_of(encode_rows(JOB_REPLY, [b"x" * 5046] * 3, job_id=7, database_time=3))
    assert [[(flag, len(text)) for flag, text in block.segments()] for block in blocks] == [
        [(1, 1829)],
        [(1, 1829)],
        [(2, 1388), (1, 438)],
        [(1, 1829)],
        [(1, 1829)],
        [(2, 950), (1, 876)],
        [(1, 1829)],
        [(1, 1829)],
        [(2, 512)],
    ]
    assert [block.segment_count for block in blocks] == [1, 1, 2, 1, 1, 2, 1, 1, 1]
    assert {(block.info_type, block.data_structure, block.job_id) for block in blocks} == {
        (1, 2, 7)
    }
    assert [block.database_time for block in blocks] == [0] * 8 + [3]


@pytest.mark.parametrize(("left", "blocks"), [(9, 2), (10, 1)])
def test_a_row_begins_only_where_ten_bytes_are_left(left: int, blocks: int) -> None:
    first = b"x" * (1829 - left)
    assert len(blocks_of(encode_rows(JOB_REPLY, [first, b"y" * 7]))) == blocks


def test_no_rows_are_one_empty_block() -> None:
    (block,) = blocks_of(encode_rows(JOB_REPLY, []))
    assert (block.segment_count, block.data, block.last_flag) == (0, b"", 1)


def test_row_pieces_are_cut_between_characters() -> None:
    row = ("a" + "😀" * 1000).encode()
    pieces = [
        segment
        for block in blocks_of(encode_rows(JOB_REPLY, [row]))
        for segment in block.segments()
    ]
    assert "".join(text.decode() for _flag, text in pieces).encode() == row
    assert [flag for flag, _text in pieces] == [1, 1, 2]


def test_rows_are_bytes_and_need_room() -> None:
    with pytest.raises(TypeError, match=r"^a row is bytes, not str$"):
        encode_rows(JOB_REPLY, ["text"])  # type: ignore[list-item]
    with pytest.raises(LocalProtocolError, match=r"leaves fewer than 10 bytes for rows$"):
        encode_rows(b"c" * 1835, [b""])


@pytest.mark.parametrize("kind", [Block, Message])
def test_nobody_makes_half_objects(kind: type[object]) -> None:
    with pytest.raises(TypeError, match="is made by"):
        kind()


def test_a_block_shows_itself() -> None:
    shown = repr(decode_block(one_block(data=b"abc", source_ip=b"10.0.0.1", source_port=9)))
    assert shown == "<Block 1 last 'get status' error=0 data=3 bytes source=10.0.0.1:9>"
