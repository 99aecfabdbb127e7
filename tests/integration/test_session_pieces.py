"""Bytes of sessions in any pieces, and sessions that are cut at any byte."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgelake.wire import encode_message
from tests.sessions import (
    ACCEPT,
    ACKNOWLEDGE,
    BLOCK,
    HOST,
    PATIENCE_S,
    TRACKED,
    Line,
    accepting,
    control,
    kind_of,
    listening,
    marked,
    offering,
    open_session,
    pattern,
    request,
    told_by,
)
from tests.stations import Station, descriptors, echo, native_threads, station
from tests.waiting import eventually


def long_one(size: int) -> bytes:
    """Return a message that is answered if anything is."""
    return encode_message(b"data", pattern(size), source_ip=HOST.encode(), source_port=9)


THREE = long_one(5000)


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
