"""Outbound messages and their outcomes."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from edgelake import limits
from edgelake.errors import LocalProtocolError, Overloaded, PeerError, PeerRefused
from edgelake.wire import Endpoint, MessageSender, MessageServer, request_blocks
from tests.waiting import eventually

BLOCKS = request_blocks("get status", "127.0.0.1", 0)


@pytest.fixture
def sender() -> Iterator[MessageSender]:
    """A sender that runs."""
    made = MessageSender()
    made.start()
    yield made
    made.stop(0.1)


def dead() -> Endpoint:
    """Return an address where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return Endpoint("127.0.0.1", listener.getsockname()[1])


def test_a_future_tells_the_outcome(sender):
    with MessageServer("127.0.0.1", 0, handler=lambda message: None) as server:
        assert sender.send(Endpoint(*server.address), BLOCKS).result(10) is False
        assert sender.send(Endpoint("localhost", server.address[1]), BLOCKS).result(10) is False
    with pytest.raises(PeerRefused, match="refused"):
        sender.send(dead(), BLOCKS, attempts=1).result(10)
    with pytest.raises(PeerError, match="does not resolve"):
        sender.send(Endpoint("no-such-host.invalid", 1), BLOCKS).result(30)
    with pytest.raises(LocalProtocolError):
        sender.send(Endpoint("127.0.0.1", 1), b"no block").result(10)


@pytest.fixture
def strict_sender(monkeypatch) -> Iterator[MessageSender]:
    """A sender that has few replies to one peer under way."""
    monkeypatch.setattr(limits, "MAX_PENDING_REPLIES_PER_PEER", 3)
    monkeypatch.setattr(limits, "MAX_PENDING_REPLY_BYTES_PER_PEER", 100_000)
    made = MessageSender()
    made.start()
    yield made
    made.stop(0.1)


def test_the_bytes_of_replies_to_one_peer_are_bounded(strict_sender):
    nowhere = dead()
    strict_sender.reply(nowhere, BLOCKS * 100, "198.51.100.1")  # one of any size may go
    with pytest.raises(Overloaded, match=r"198\.51\.100\.1 under way would exceed 100000 bytes"):
        strict_sender.reply(nowhere, BLOCKS, "198.51.100.1")
    with pytest.raises(Overloaded, match="100000"):
        strict_sender.require_room("198.51.100.1", 1)
    strict_sender.require_room("198.51.100.2", 10**9)


def test_replies_that_one_peer_causes_are_bounded(strict_sender):
    sender = strict_sender
    nowhere = dead()
    for _ in range(3):
        sender.reply(nowhere, BLOCKS, "198.51.100.1")
    with pytest.raises(Overloaded, match=r"198\.51\.100\.1"):
        sender.reply(nowhere, BLOCKS, "198.51.100.1")
    with MessageServer("127.0.0.1", 0, handler=lambda message: None) as server:
        here = Endpoint(*server.address)
        for _ in range(20):
            before = server.statistics()["messages"]
            sender.reply(here, BLOCKS, "198.51.100.2")
            eventually(lambda n=before: server.statistics()["messages"] > n, "the reply")
            eventually(lambda: sender.statistics()["pending"] == 3, "its outcome")


def test_a_route_rewrites_destinations():
    with MessageServer("127.0.0.1", 0, handler=lambda message: None) as server:
        made = MessageSender(route=lambda to: Endpoint("127.0.0.1", to.port))
        made.start()
        made.send(Endpoint("198.51.100.9", server.address[1]), BLOCKS).result(10)
        eventually(lambda: server.statistics()["messages"] == 1, "the message")
        made.stop(5)
