"""Offers of sessions that nobody accepts: the classic way at the first sign of an old peer."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from edgelake import limits
from edgelake.wire import FileFlag, Job, file_blocks
from tests.old_node import announces, command_of, old_node
from tests.sessions import (
    OFFER,
    PATIENCE_S,
    Place,
    accepting,
    kind_of,
    listening,
    marked,
    pattern,
    request,
)
from tests.stations import classic, offered, station
from tests.waiting import eventually


@pytest.mark.parametrize("asks", [False, True])
def test_a_peer_that_closes_is_old(asks: bool) -> None:
    with station() as new, listening() as (place, accept):
        sent = new.tell(place, request("print 1"), asks=asks)
        with accept() as line:
            assert kind_of(line.block()) == OFFER
            assert not asks or not sent.done()
        assert sent.result(PATIENCE_S) is False
        eventually(lambda: new.sender.statistics()["sockets"] == 0, "the end of the offer")
        for number in (2, 3):
            assert new.tell(place, request(f"print {number}")).result(PATIENCE_S) is False
            assert classic(accept) == f"print {number}"


def test_a_peer_that_says_nothing_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SESSION_ACCEPT_S", 0.1)
    with station() as new, listening() as (place, accept):
        line, _ = offered(new, place, accept)
        with line:
            assert line.block() == b""
            assert new.tell(place, request("print 2"), asks=False).result(PATIENCE_S) is False
            assert classic(accept) == "print 2"


def test_an_old_peer_is_asked_again_some_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SESSION_ASK_PAUSE_S", 0)
    with station() as new, listening() as (place, accept):
        for _ in range(3):
            line, offer = offered(new, place, accept)
            line.socket.close()
            assert kind_of(offer) == OFFER
            eventually(lambda: new.sender.statistics()["sockets"] == 0, "the end of the offer")


@pytest.mark.parametrize(
    "wrong",
    [
        lambda offer, place: offer[:16] + accepting(offer, place)[16:],
        lambda offer, place: bytes(8) + accepting(offer, place)[8:],
        lambda offer, place: accepting(offer, (place[0], place[1] ^ 1)),
        lambda offer, place: accepting(offer, place)[:17] + b"\1" + accepting(offer, place)[18:],
        lambda offer, place: accepting(offer, place, told=2),
        lambda offer, place: accepting(offer, place, told=2**64 - 1),
        lambda offer, place: pattern(2048),
        lambda offer, place: bytes(2048),
        lambda offer, place: accepting(offer, place)[:1000],
        lambda offer, place: accepting(offer, place)[:2047],
        lambda offer, place: b"\0",
    ],
)
def test_a_wrong_answer_is_no_accept(wrong: Callable[[bytes, Place], bytes]) -> None:
    with station() as new, listening() as (place, accept):
        line, offer = offered(new, place, accept)
        with line:
            line.send(wrong(offer, place))
            line.socket.shutdown(socket.SHUT_WR)
            assert line.block() == b""
        assert new.tell(place, request("print 2")).result(PATIENCE_S) is False
        assert classic(accept) == "print 2"
        assert new.figures()["sessions_opened"] == 0


def test_an_accept_may_come_in_pieces() -> None:
    with station() as new, listening() as (place, accept):
        line, offer = offered(new, place, accept)
        with line:
            for byte in accepting(offer, place) + marked(request("print back")):
                line.send(bytes([byte]))
            eventually(lambda: len(new.taken) == 1, "the message behind the accept")
            assert new.figures()["sessions"] == 1


def test_a_peer_that_accepts_and_closes_gets_every_message_once() -> None:
    with station() as new, listening() as (place, accept):
        for number in range(5):
            assert new.tell(place, request(f"print {number}")).result(PATIENCE_S) is False
            with accept() as line:
                offer = line.block()
                assert command_of(offer) == f"print {number}"
                if announces(offer):
                    line.send(accepting(offer, place))
            eventually(
                lambda opened=number + 1: (
                    new.figures()["sessions_opened"] == opened and new.figures()["sessions"] == 0
                ),
                "the end of the session",
            )


def test_large_requests_to_an_old_node_are_carried_out_and_nobody_waits() -> None:
    command = "print " + "x" * 5000
    with station() as new, old_node() as old:
        blocks = file_blocks(
            "cmd.x.1.lmsg", command.encode(), FileFlag.COMMAND, *new.place, Job(number=4)
        )
        for _ in range(2):
            assert new.tell((old.host, old.port), blocks, asks=True).result(PATIENCE_S) is False
        eventually(lambda: old.executed == [command] * 2, "the large requests")
