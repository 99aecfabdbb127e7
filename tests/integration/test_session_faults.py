"""Sessions with peers that break the rules, are slow, or cut their bytes as they like."""

from __future__ import annotations

import threading

import pytest

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
    accepting,
    control,
    listening,
    marked,
    open_session,
    pattern,
    request,
    told_by,
)
from tests.stations import echo, station
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
            eventually(lambda: new.figures()["bad_session"] == 1, "the end")
        # Its last block never left, so that it was not carried out: it comes again.
        with accept() as line:
            assert len(line.message()) == len(LARGE)
        assert sent.result(PATIENCE_S) is False


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
