"""The native codec against a slow one that can be seen to be right."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from edgelake._native import (
    Assembler,
    Message,
    decode_block,
    encode_block,
    encode_message,
    encode_rows,
)
from edgelake.errors import RemoteProtocolError

ROOM = 1841

# (name, offset, bytes) of every number in the header.
NUMBERS = [
    ("socket_id", 16, 2),
    ("sender_thread", 26, 4),
    ("block_counter", 30, 4),
    ("data_structure", 34, 1),
    ("last_flag", 35, 1),
    ("info_type", 36, 1),
    ("error", 37, 2),
    ("command_length", 39, 2),
    ("authentication_length", 41, 2),
    ("data_length", 43, 4),
    ("segment_count", 47, 2),
    ("reply_flag", 49, 1),
    ("job_location", 50, 2),
    ("job_id", 52, 4),
    ("receivers", 56, 2),
    ("receiver_index", 58, 2),
    ("partitions_used", 60, 2),
    ("partition_index", 62, 2),
    ("database_time", 64, 4),
    ("send_time", 68, 4),
    ("source_ip_length", 72, 1),
    ("source_port", 201, 4),
    ("generic_flag", 205, 2),
]


def slow_fields(block: bytes) -> dict[str, Any] | None:
    """Read a block by the table; None if it contradicts itself."""
    fields: dict[str, Any] = {
        name: int.from_bytes(block[at : at + size], "big") for name, at, size in NUMBERS
    }
    command, authentication = fields["command_length"], fields["authentication_length"]
    if (
        fields["source_ip_length"] > 128
        or fields["data_length"] > ROOM
        or command < 1
        or command + authentication > fields["data_length"]
        or fields["block_counter"] == 0
    ):
        return None
    used = block[207 : 207 + fields["data_length"]]
    fields["command"] = used[:command]
    fields["authentication"] = used[command : command + authentication]
    fields["data"] = used[command + authentication :]
    fields["source_ip"] = block[73 : 73 + fields["source_ip_length"]]
    try:
        fields["command"].decode()
    except UnicodeDecodeError:
        return None
    rows = slow_rows(fields)
    if rows is None:
        return None
    fields["rows"] = rows
    return fields


def slow_rows(fields: dict[str, Any]) -> list[tuple[int, bytes]] | None:
    rows: list[tuple[int, bytes]] = []
    if (fields["command"], fields["data_structure"], fields["error"]) != (b"job reply", 2, 0):
        return rows
    rest = fields["data"]
    for _ in range(fields["segment_count"]):
        if len(rest) < 3 or rest[2] > 2 or len(rest) - 3 < rest[0] * 256 + rest[1]:
            return None
        length = rest[0] * 256 + rest[1]
        rows.append((rest[2], rest[3 : 3 + length]))
        rest = rest[3 + length :]
    return rows


def slow_block(counter: int, last: bool, command: bytes, data: bytes, **fields: Any) -> bytes:
    """Write a block field by field."""
    block = bytearray(2048)
    source = fields.pop("source_ip", b"")
    numbers = {
        "receivers": 1,
        "partitions_used": 1,
        **fields,
        "block_counter": counter,
        "last_flag": int(last),
        "command_length": len(command),
        "data_length": len(command) + len(data),
        "source_ip_length": len(source),
    }
    for name, at, size in NUMBERS:
        block[at : at + size] = numbers.get(name, 0).to_bytes(size, "big")
    block[73 : 73 + len(source)] = source
    body = command + data
    block[207 : 207 + len(body)] = body
    return bytes(block)


def slow_message(command: bytes, text: str, **fields: Any) -> bytes:
    """Write a text message: characters are put into a block until one does not fit."""
    parts = [b""]
    for character in text:
        encoded = character.encode()
        if len(command) + len(parts[-1]) + len(encoded) > ROOM:
            parts.append(b"")
        parts[-1] += encoded
    return b"".join(
        slow_block(number, number == len(parts), command, part, **fields)
        for number, part in enumerate(parts, 1)
    )


FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "info_type": st.integers(0, 0xFF),
        "error": st.integers(0, 0xFFFF),
        "generic_flag": st.integers(0, 0xFFFF),
        "job_location": st.integers(0, 0xFFFF),
        "job_id": st.integers(0, 0xFFFFFFFF),
        "receivers": st.integers(0, 0xFFFF),
        "receiver_index": st.integers(0, 0xFFFF),
        "partitions_used": st.integers(0, 0xFFFF),
        "partition_index": st.integers(0, 0xFFFF),
        "source_ip": st.binary(max_size=128),
        "source_port": st.integers(0, 0xFFFFFFFF),
    },
)
COMMANDS = st.text(min_size=1, max_size=40).map(lambda text: text.encode(errors="replace"))
# Short patterns repeated: many characters of every width at few bytes of entropy.
TEXTS = st.builds(
    lambda head, pattern, times: head + pattern * times,
    st.text(st.characters(codec="utf-8"), max_size=8),
    st.text(st.characters(codec="utf-8"), max_size=8),
    st.integers(0, 400),
)
ROWS = st.lists(
    st.builds(lambda pattern, times: (pattern * times).encode(), TEXTS, st.integers(0, 3)),
    max_size=5,
)


def key(message: Message) -> tuple[Any, ...]:
    names = ("command", "data", "blocks", "error", "info_type", "job_id", "source_ip")
    return tuple(getattr(message, name) for name in names)


@given(COMMANDS, TEXTS, FIELDS)
def test_text_is_sent_as_the_slow_codec_sends_it(
    command: bytes, text: str, fields: dict[str, Any]
) -> None:
    assert encode_message(command, text.encode(), **fields) == slow_message(command, text, **fields)


@given(COMMANDS, st.binary(max_size=6000), st.booleans(), FIELDS)
def test_a_message_comes_back_as_it_was_sent(
    command: bytes, data: bytes, closing: bool, fields: dict[str, Any]
) -> None:
    blocks = encode_message(command, data, text=False, closing_block=closing, **fields)
    (message,) = Assembler().feed(blocks)
    assert (message.command, message.data) == (command, data)
    assert {name: getattr(message, name) for name in fields} == fields


@given(ROWS)
def test_rows_come_back_as_they_were_sent(rows: list[bytes]) -> None:
    (message,) = Assembler().feed(encode_rows(b"job reply", rows))
    found: list[bytes] = []
    open_row = False
    for flag, text in message.segments():
        if not open_row:
            found.append(text)
        else:
            found[-1] += text
            assert flag != 0
        open_row = flag == 1
    assert found == rows


@st.composite
def crafted_blocks(draw: st.DrawFn) -> bytes:
    """Draw blocks that are nearly right: every check is reached."""
    command = draw(st.sampled_from([b"job reply", b"print", "é€😀".encode(), b"\xff"]))
    body = command + draw(st.binary(max_size=60))
    block = bytearray(2048)
    lengths = st.one_of(st.integers(0, len(body) + 2), st.sampled_from([ROOM, ROOM + 1, 0xFFFF]))
    for name, at, size in NUMBERS:
        value = draw(
            {
                "block_counter": st.sampled_from([1, 1, 1, 0, 2, 0xFFFFFFFF]),
                "command_length": st.one_of(st.just(len(command)), lengths),
                "authentication_length": st.one_of(st.just(0), lengths),
                "data_length": st.one_of(st.just(len(body)), lengths),
                "data_structure": st.sampled_from([0, 2]),
                "segment_count": st.integers(0, 3),
                "error": st.sampled_from([0, 0, 77]),
                "source_ip_length": st.sampled_from([0, 9, 128, 129, 255]),
            }.get(name, st.integers(0, 256**size - 1))
        )
        block[at : at + size] = value.to_bytes(size, "big")
    block[207 : 207 + len(body)] = body
    return bytes(block)


@settings(max_examples=500)
@given(st.one_of(crafted_blocks(), st.binary(min_size=2048, max_size=2048)))
def test_any_block_is_read_as_by_the_slow_codec_or_refused(block: bytes) -> None:
    expected = slow_fields(block)
    try:
        decoded = decode_block(block)
    except RemoteProtocolError:
        assert expected is None
        return
    assert expected is not None
    assert decoded.segments() == expected.pop("rows")
    assert {name: getattr(decoded, name) for name in expected} == expected
    again = encode_block(decoded)
    assert slow_fields(again) == slow_fields(block)
    assert not any(again[207 + decoded.data_length :])
    assert not any(again[73 + decoded.source_ip_length : 201])


@given(st.lists(st.tuples(COMMANDS, TEXTS), max_size=4), st.data())
def test_any_split_of_the_stream_gives_the_same_messages(
    parts: list[tuple[bytes, str]], data: st.DataObject
) -> None:
    stream = b"".join(encode_message(command, text.encode()) for command, text in parts)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=12).map(sorted))
    assembler = Assembler()
    found: list[Message] = []
    for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += assembler.feed(stream[begin:end])
    assembler.finish()
    assert [key(message) for message in found] == [
        key(message) for message in Assembler().feed(stream)
    ]
    assert [message.data.decode() for message in found] == [text for _command, text in parts]


@settings(max_examples=300)
@given(st.lists(crafted_blocks(), min_size=1, max_size=4))
def test_any_stream_gives_messages_or_an_error(blocks: list[bytes]) -> None:
    assembler = Assembler(4000)
    try:
        for block in blocks:
            for message in assembler.feed(block):
                assert len(message.data) <= 4000
        assembler.finish()
    except RemoteProtocolError:
        return
