"""Sessions with peers that break the rules, are slow, or cut their bytes as they like."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgelake.errors import PeerClosed
from edgelake.wire import Reply, encode_message
from tests.sessions import (
    ACCEPT,
    ACKNOWLEDGE,
    BLOCK,
    HOST,
    LEAVE,
    OFFER,
    PATIENCE_S,
    TRACKED,
    Line,
    Station,
    accepting,
    control,
    descriptors,
    echo,
    kind_of,
    listening,
    marked,
    native_threads,
    offering,
    open_session,
    pattern,
    request,
    station,
    told_by,
)
from tests.waiting import eventually


def long_one(size: int) -> bytes:
    """Return a message that is answered if anything is."""
    return encode_message(b"data", pattern(size), source_ip=HOST.encode(), source_port=9)


LARGE = long_one(24_000_000)
THREE = long_one(5000)


# ------------------------------------------------------------ broken sessions


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(control(ACCEPT), id="accept"),
        pytest.param(control(OFFER), id="offer"),
        pytest.param(control(6), id="unknown"),
        pytest.param(control(65535), id="unknown, highest"),
        pytest.param(marked(THREE)[:2048] + control(ACKNOWLEDGE), id="acknowledge inside"),
        pytest.param(marked(THREE)[:2048] + control(LEAVE), id="leave inside"),
        pytest.param(marked(THREE)[:2048] + marked(request("x"), TRACKED), id="message inside"),
        pytest.param(control(ACKNOWLEDGE, told=1), id="one too many"),
        pytest.param(marked(request("print x"), told=1), id="one too many, in a message"),
        pytest.param(control(LEAVE, told=2**64 - 1), id="far too many"),
    ],
)
def test_a_session_against_the_rules_ends(bad: bytes) -> None:
    with station() as server, open_session(server.place) as other:
        with open_session(server.place) as line:
            line.send(bad)
            assert line.block() == b""
        assert server.figures()["bad_session"] == 1
        eventually(lambda: server.figures()["sessions"] == 1, "the end of the session")
        assert server.figures()["assembly_bytes"] == 0
        assert server.figures()["unfinished"] == 0
        other.send(marked(request("print x"), TRACKED))
        assert told_by(other.control(ACKNOWLEDGE)) == 2


def test_a_count_of_a_message_that_is_not_whole_yet_ends_a_session() -> None:
    with station() as new, listening() as (place, accept):
        new.tell(place, request("print first"))
        with accept() as line:
            line.send(accepting(line.block(), place))
            eventually(lambda: new.figures()["sessions"] == 1, "the session")
            sent = new.tell(place, LARGE)
            line.block()
            line.send(control(ACKNOWLEDGE, told=2))
            with pytest.raises(PeerClosed):
                sent.result(PATIENCE_S)
        assert new.figures()["bad_session"] == 1


def test_counts_go_down_without_harm() -> None:
    with station(echo) as server, open_session(server.place) as line:
        assert b"first" in line.message()
        for told in (1, 0, 1, 2):
            line.send(marked(request("get x"), told=told))
            assert b"get x" in line.message()
        assert server.figures()["bad_session"] == 0


# ---------------------------------------------------------------- slow readers


def test_a_slow_reader_is_held_and_then_dropped() -> None:
    answer = Reply.ok("x" * 30_000)
    with station(echo, block_timeout_s=0.5) as server, station() as other:
        server.server.route("get much", answer)
        with open_session(server.place, receive_bytes=4096) as line:
            line.socket.settimeout(0.2)
            ask = marked(request("get much", job=1)) * 100
            with pytest.raises((TimeoutError, ConnectionResetError, BrokenPipeError)):  # noqa: PT012
                for _ in range(1000):
                    line.send(ask)
            # Others are served meanwhile, and what is kept for this one has a bound.
            assert other.ask(server.place, "get x").result(PATIENCE_S).text == "get x"
            eventually(lambda: server.figures()["slow_reader"] == 1, "the end of the slow one")
        answered = server.figures()["native"] * 32_768
        assert answered - server.figures()["sent_bytes"] < 8_000_000
        assert server.figures()["bytes"] < 200_000_000


def test_a_slow_reader_that_reads_on_gets_everything() -> None:
    asked = 3000
    with station(echo, byte_timeout_s=0.2) as server:
        server.server.route("get much", Reply.ok("x" * 5000))
        with open_session(server.place, receive_bytes=4096) as line:
            line.message()

            def ask() -> None:
                for _ in range(asked // 100):
                    line.send(marked(request("get much")) * 100)

            # It writes into a session that is held until somebody reads.
            writer = threading.Thread(target=ask)
            writer.start()
            eventually(lambda: server.figures()["native"] > 300, "answers nobody reads yet")
            for _ in range(asked):
                assert len(line.message()) == 3 * BLOCK
            writer.join(PATIENCE_S)
        assert server.figures()["native"] == asked
        assert server.figures()["byte_timeout"] == server.figures()["slow_reader"] == 0


def test_the_opener_reads_from_a_peer_that_takes_nothing() -> None:
    # Were both sides to stop reading, neither could ever write on.
    with station() as new, listening() as (place, accept):
        new.tell(place, request("print first"))
        with accept() as line:
            line.send(accepting(line.block(), place))
            sent = new.tell(place, LARGE)
            line.block()
            for number in range(1, 4):
                line.send(marked(request(f"print {number}")))
                eventually(lambda count=number: len(new.taken) == count, "a message meanwhile")
            assert not sent.done()


def test_a_large_answer_goes_back_by_the_session() -> None:
    with station() as one, station(lambda message: Reply.ok(pattern(9_000_000).decode())) as two:
        one.ask(two.place, "get first").result(PATIENCE_S)
        answer = one.ask(two.place, "get much").result(PATIENCE_S)
        assert answer.text.encode() == pattern(9_000_000)
        assert two.figures()["accepted"] == 1


# ------------------------------------------------- bytes in any pieces, and cut


@contextmanager
def session_of(server: Station) -> Iterator[Line]:
    with open_session(server.place, request("event first")) as line:
        yield line


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cuts), len(data)]
    return [data[a:b] for a, b in pairwise(edges) if a != b]


def test_one_byte_at_a_time_into_a_session() -> None:
    with station(echo) as server, session_of(server) as line:
        line.message()
        sent = marked(THREE, TRACKED) + marked(request("get this"))
        for byte in sent:
            line.send(bytes([byte]))
        assert pattern(1830) in line.message()
        assert b"get this" in line.message()
        assert server.figures()["messages"] == 3


WIRE = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def listener() -> Iterator[Station]:
    with station(echo) as server:
        yield server


@WIRE
@given(cuts=st.lists(st.integers(1, 6 * BLOCK), max_size=30), sizes=st.lists(st.integers(0, 4000)))
def test_any_split_from_a_peer_that_opened(listener: Station, cuts: list[int], sizes: list[int]):
    sizes = sizes[:4]
    with session_of(listener) as line:
        line.message()
        blocks = [long_one(size) for size in sizes]
        for piece in pieces(b"".join(marked(each, TRACKED) for each in blocks), cuts):
            line.send(piece)
        lengths = sorted(len(line.message()) for _ in sizes)
        # "data" and `size` bytes come back as the text of a print.
        assert lengths == sorted(len(encode_message(b"print", pattern(4 + n))) for n in sizes)


@WIRE
@given(cuts=st.lists(st.integers(1, 6 * BLOCK), max_size=30), sizes=st.lists(st.integers(0, 4000)))
def test_any_split_from_a_peer_that_accepted(cuts: list[int], sizes: list[int]):
    sizes = sizes[:4]
    with station(threads=1) as new, listening() as (place, accept):
        new.tell(place, request("print first"))
        with accept() as line:
            data = accepting(line.block(), place)
            data += b"".join(marked(long_one(n), TRACKED) for n in sizes)
            for piece in pieces(data, cuts):
                line.send(piece)
            told = 0
            while told < len(sizes):
                told = told_by(line.control(ACKNOWLEDGE))
            assert told == len(sizes)
            eventually(lambda: len(new.taken) == len(sizes), "every message")
            assert [len(message.data) for message in new.taken] == sizes


OFFSETS = [0, 1, 15, 16, 17, 25, 26, 38, 206, 207, 208, 2047, 2048, 2049, 4095, 4096, 6143, 6144]


@pytest.mark.parametrize("ending", ["close", "reset"])
def test_an_end_at_any_byte(ending: str) -> None:
    with station() as server:
        whole = 0
        for offset in OFFSETS:
            with session_of(server) as line:
                line.send(marked(THREE, TRACKED)[:offset])
                if offset == len(THREE):
                    line.control(ACKNOWLEDGE)
                    whole += 1
                if ending == "reset":
                    line.reset()
            eventually(lambda: server.figures()["connections"] == 0, "the end")
        figures = server.figures()
        assert figures["sessions_accepted"] == len(OFFSETS)
        assert figures["messages"] == len(OFFSETS) + whole
        assert figures["sessions"] == figures["unfinished"] == figures["assembly_bytes"] == 0
        inside = sum(1 for offset in OFFSETS if offset % len(THREE))
        assert figures["truncated"] <= inside
        if ending == "close":
            assert figures["truncated"] == inside


@pytest.mark.parametrize("offset", OFFSETS)
def test_an_end_at_any_byte_of_an_offer(offset: int) -> None:
    with station() as server:
        with Line(socket.create_connection(server.place)) as line:
            line.send(offering(THREE, server.place)[:offset])
            if offset >= BLOCK:
                line.control(ACCEPT)
        eventually(
            lambda: server.figures()["accepted"] == 1 and server.figures()["connections"] == 0,
            "the end",
        )
        figures = server.figures()
        assert figures["messages"] == (offset == len(THREE))
        assert figures["truncated"] == (0 < offset < len(THREE))
        assert figures["sessions_accepted"] == (offset >= BLOCK)
        assert figures["sessions"] == 0


@pytest.mark.stress
def test_random_bytes_in_sessions() -> None:
    noise = random.Random(20)
    with station() as server:
        for _ in range(100):
            with session_of(server) as line:
                block = bytearray(control(noise.randrange(7), told=noise.randrange(3)))
                for _ in range(noise.randrange(4)):
                    block[noise.randrange(BLOCK)] = noise.randrange(256)
                line.send(bytes(block) * noise.randrange(1, 4))
        eventually(lambda: server.figures()["connections"] == 0, "the end of all")
        assert server.figures()["sessions"] == server.figures()["assembly_bytes"] == 0
        with session_of(server) as line:
            line.send(marked(request("print x"), TRACKED))
            assert told_by(line.control(ACKNOWLEDGE)) == 2


@pytest.mark.leak
def test_sessions_give_everything_back() -> None:
    before = descriptors(), native_threads()
    for _ in range(3):
        with station(echo) as one, station(echo) as two, listening() as (place, accept):
            for _ in range(5):
                one.ask(two.place, "get x").result(PATIENCE_S)
            one.tell(place, request("print x"))
            with accept() as line:
                line.send(accepting(line.block(), place))
                eventually(lambda: one.figures()["sessions"] == 2, "both sessions")
                line.reset()
                eventually(lambda: one.figures()["sessions"] == 1, "the end of one")
            with session_of(two) as line:
                line.send(marked(THREE)[:3000])
                assert kind_of(line.message()) in (0, TRACKED)
    assert (descriptors(), native_threads()) == before
