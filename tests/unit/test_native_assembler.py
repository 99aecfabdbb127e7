"""The blocks of a connection become messages, or one clear error."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from edgelake._native import Assembler, Message, encode_message, encode_rows
from edgelake.errors import BadHeader, MessageTooLarge, Truncated

LONG = encode_message(b"print", b"0123456789" * 1000, info_type=4, source_ip=b"10.1.2.3")
SHORT = encode_message(b"get status", source_ip=b"0.0.0.0", source_port=70000)


def patched(blocks: bytes, offset: int, layout: str, value: int) -> bytes:
    changed = bytearray(blocks)
    struct.pack_into(">" + layout, changed, offset, value)
    return bytes(changed)


def key(message: Message) -> Any:
    return message.command, message.data, message.blocks, message.source_ip, message.source_port


def test_messages_follow_one_another() -> None:
    messages = Assembler().feed(LONG + SHORT + LONG)
    assert [key(message) for message in messages] == [
        (b"print", b"0123456789" * 1000, 6, b"10.1.2.3", 0),
        (b"get status", b"", 1, b"0.0.0.0", 70000),
        (b"print", b"0123456789" * 1000, 6, b"10.1.2.3", 0),
    ]
    assert (messages[0].peer_ip, messages[0].peer_port) == ("0.0.0.0", 0)


def test_one_byte_at_a_time() -> None:
    assembler = Assembler()
    found = [m for byte in LONG + SHORT for m in assembler.feed(bytes([byte]))]
    assembler.finish()
    assert [key(m) for m in found] == [key(m) for m in Assembler().feed(LONG + SHORT)]


@pytest.mark.parametrize("size", [1, 2047, 2048, 2049, len(LONG) - 1])
def test_an_end_inside_a_message_is_told(size: int) -> None:
    assembler = Assembler()
    assert assembler.feed(LONG[:size]) == []
    with pytest.raises(Truncated, match=r"are not a block of 2048$|^message ends after block \d$"):
        assembler.finish()


def test_an_end_between_messages_is_none() -> None:
    assembler = Assembler()
    assembler.finish()
    assembler.feed(SHORT)
    assembler.finish()


@pytest.mark.parametrize("counter", [0, 2, 2**32 - 1])
def test_counters_start_at_1(counter: int) -> None:
    with pytest.raises(BadHeader, match=f"^block counter {counter} is not 1$"):
        Assembler().feed(patched(SHORT, 30, "I", counter))


@pytest.mark.parametrize("counter", [1, 2, 4])
def test_counters_go_up_by_one(counter: int) -> None:
    with pytest.raises(BadHeader, match=f"^block counter {counter} is not 3$"):
        Assembler().feed(patched(LONG, 2 * 2048 + 30, "I", counter))


def test_what_was_whole_comes_before_the_error() -> None:
    assembler = Assembler()
    bad = patched(SHORT, 72, "B", 255)
    assert [message.command for message in assembler.feed(SHORT + bad + SHORT)] == [b"get status"]
    for _ in range(2):
        with pytest.raises(BadHeader, match=r"^source address length 255 exceeds 128$"):
            assembler.feed(SHORT)
    with pytest.raises(BadHeader):
        assembler.finish()


def test_a_message_has_a_limit() -> None:
    assert Assembler(10_000).feed(LONG)[0].blocks == 6
    with pytest.raises(MessageTooLarge, match=r"^message of 10000 bytes exceeds 9999$"):
        Assembler(9_999).feed(LONG)
    with pytest.raises(MessageTooLarge, match=r"^message of 11 bytes exceeds 10$"):
        Assembler(10).feed(encode_message(b"print", b"x" * 11))
    with pytest.raises(ValueError, match=r"^max_message_bytes 0 is below 1$"):
        Assembler(0)


def test_rows_of_all_blocks_are_joined() -> None:
    rows = [b"r" * 3000, b"", b"short"]
    (message,) = Assembler().feed(encode_rows(b"job reply", rows, send_time=9))
    assert [flag for flag, _text in message.segments()] == [1, 2, 0, 0]
    assert b"".join(text for _flag, text in message.segments()) == b"".join(rows)
    assert message.send_time == 9


def test_an_error_ends_rows_without_more_of_them() -> None:
    rows = encode_rows(b"job reply", [b"r" * 3000])
    last = patched(rows[2048:], 37, "H", 77)
    (message,) = Assembler().feed(rows[:2048] + last)
    assert (message.error, [flag for flag, _text in message.segments()]) == (77, [1])


def test_rows_end_at_the_count_of_their_block() -> None:
    both = encode_rows(b"job reply", [b"one", b"two"])
    (message,) = Assembler().feed(patched(both, 47, "H", 1))
    assert message.segments() == [(0, b"one")]


@pytest.mark.parametrize(("block", "structure"), [(0, 0), (1, 0)])
def test_rows_and_other_data_do_not_mix(block: int, structure: int) -> None:
    rows = encode_rows(b"job reply", [b"r" * 3000])
    with pytest.raises(BadHeader, match=r"^data structure \d of a later block is not \d$"):
        Assembler().feed(patched(rows, block * 2048 + 34, "B", structure))


def test_the_text_of_a_failed_job_is_kept() -> None:
    (message,) = Assembler().feed(
        encode_message(b"job reply", b"no such table", error=46, data_structure=2)
    )
    assert (message.error, message.data, message.segments()) == (46, b"no such table", [])


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_any_buffer_is_fed(kind: Any) -> None:
    assert len(Assembler().feed(kind(SHORT))) == 1
    assert Assembler().feed(kind(b"")) == []


def test_a_message_knows_its_size() -> None:
    small, large = (Assembler().feed(blocks)[0].__sizeof__() for blocks in (SHORT, LONG))
    assert 9_900 <= large - small <= 10_100
    assert repr(Assembler().feed(SHORT)[0]) == (
        "<Message 'get status' error=0 data=0 bytes blocks=1 from=0.0.0.0:0>"
    )
