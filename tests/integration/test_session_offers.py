"""Offers of sessions: which are taken, and which are echoes, left-overs or copies."""

from __future__ import annotations

import os
import socket

import pytest

from edgelake.errors import PeerRefused
from edgelake.wire import Endpoint, encode_message
from tests.old_node import OldNode, announces, command_of, old_node
from tests.sessions import (
    ACCEPT,
    HOST,
    OFFER,
    PATIENCE_S,
    Line,
    Place,
    accepting,
    control,
    free_port,
    kind_of,
    listening,
    marked,
    offering,
    open_session,
    request,
    tag,
    told_by,
)
from tests.stations import Station, echo, station
from tests.waiting import eventually


def connect(to: Place) -> Line:
    return Line(socket.create_connection(to, timeout=PATIENCE_S))


def taken(server: Station, blocks: bytes) -> bool:
    """Send a message on a connection of its own; return whether a session came of it."""
    before = server.figures()
    with connect(server.place) as line:
        line.send(blocks)
        eventually(lambda: server.figures()["messages"] > before["messages"], "the message")
        session = server.figures()["sessions_accepted"] > before["sessions_accepted"]
        if session:
            line.control(ACCEPT)
        else:
            # Whatever the server had to say would come before its end.
            line.send(bytes(2048))
            assert line.block() == b""
    return session


@pytest.mark.parametrize("port", [1, 2048, 65535])
@pytest.mark.parametrize("source", [b"", b"127.0.0.1", b"n" * 128])
def test_an_offer_is_bound_to_its_source(source: bytes, port: int) -> None:
    with station() as server:
        blocks = encode_message(b"print x", source_ip=source, source_port=port)
        offer = offering(blocks, server.place)
        assert taken(server, offer)
        other = bytearray(offer)
        other[201:205] = (port ^ 1).to_bytes(4, "big")
        assert not taken(server, bytes(other))
        if source:
            other = bytearray(offer)
            other[73] ^= 1
            assert not taken(server, bytes(other))


def test_an_offer_is_bound_to_its_destination_and_kind() -> None:
    with station() as server:
        host, port = server.place
        blocks = request("print x")
        assert not taken(server, offering(blocks, (host, port ^ 1)))
        assert not taken(server, offering(blocks, ("127.0.0.2", port)))
        nonce = b"\x05" * 8
        assert not taken(server, nonce + tag(ACCEPT, nonce, blocks, server.place) + blocks[16:])
        for kind in (0, 2, 3, 4, 5, 65535):
            offer = offering(blocks, server.place)
            assert not taken(server, offer[:16] + kind.to_bytes(2, "big") + offer[18:])
        assert server.figures()["messages"] == 9
        assert taken(server, offering(blocks, server.place))


@pytest.mark.parametrize("bit", [8 * 8, 8 * 15 + 7, 0])
def test_a_wrong_tag_is_no_offer(bit: int) -> None:
    with station() as server:
        offer = bytearray(offering(request("print x"), server.place))
        offer[bit // 8] ^= 0x80 >> bit % 8
        assert not taken(server, bytes(offer))


def test_no_random_mark_is_an_offer() -> None:
    with station() as server:
        for _ in range(50):
            blocks = os.urandom(16) + OFFER.to_bytes(2, "big") + request("print x")[18:]
            assert not taken(server, blocks)


def test_an_offer_to_an_address_behind_a_router_is_for_us() -> None:
    with station() as server:
        offer = offering(request("print x"), ("192.0.2.7", 32048))
        assert not taken(server, offer)
        server.server.own_addresses([Endpoint("192.0.2.7", 32048), Endpoint("some.name", 1)])
        assert taken(server, offer)
        assert taken(server, offering(request("print x"), server.place))
        server.server.own_addresses([])
        assert not taken(server, offer)


def test_a_server_may_keep_no_sessions() -> None:
    with station(sessions=False) as server:
        assert not taken(server, offering(request("print x"), server.place))


def test_an_offer_behind_the_first_block_is_none() -> None:
    with station() as server, connect(server.place) as line:
        line.send(request("print x") + offering(request("print y"), server.place))
        eventually(lambda: len(server.taken) == 2, "both messages")
        assert server.figures()["sessions_accepted"] == 0


def test_a_second_offer_inside_a_session_breaks_it() -> None:
    with station() as server, open_session(server.place) as line:
        line.send(offering(request("print y"), server.place))
        assert line.block() == b""
        assert server.figures()["bad_session"] == 1


def test_a_copied_offer_gives_its_sender_a_session_of_his_own_and_no_more() -> None:
    # An offer holds no secret: whoever can connect can make one himself. What
    # matters is that nothing goes to him that is meant for the first sender.
    hidden = (HOST, free_port())
    with station(echo) as server:
        first = request("print first", source=hidden)
        with (
            open_session(server.place, first) as right,
            open_session(server.place, first, host="127.0.0.2") as copied,
        ):
            server.tell(hidden, request("print to the first"), attempts=1)
            assert b"print to the first" in right.message() + right.message()
            copied.send(marked(request("get mine", job=3), told=1))
            answers = copied.message() + copied.message()
            assert b"get mine" in answers
            assert b"print to the first" not in answers
            assert server.figures()["sessions"] == 2


# ------------------------------------------------------ echoes and left-overs


def met(new: Station, old: OldNode) -> bytes:
    """Have one of ours offer a session to an old node; return the block with the offer."""
    new.tell((old.host, old.port), request("print offered", source=new.place)).result(PATIENCE_S)
    eventually(lambda: len(old.heard) == 1, "the offer")
    offer = old.heard[0].blocks[0]
    assert kind_of(offer) == OFFER
    return offer


def test_an_echo_of_our_offer_is_an_answer_like_any() -> None:
    with station() as new, old_node() as old:
        answer = new.ask((old.host, old.port), "get status").result(PATIENCE_S)
        assert answer.text.endswith(" running")
        assert announces(old.heard[0].blocks[0])
        assert new.figures()["accepted"] == 1
        assert new.figures()["sessions_accepted"] == new.figures()["sessions"] == 0


def test_an_echo_with_our_own_source_address_is_no_offer() -> None:
    with station() as new, old_node() as old:
        # Rows keep the source address of the request, so even the source fits.
        new.tell((old.host, old.port), request("sql x", source=new.place)).result(PATIENCE_S)
        eventually(lambda: len(new.taken) == 1, "the rows")
        assert new.taken[0].command == b"job reply"
        assert new.taken[0].source_port == new.place[1]
        assert new.figures()["sessions_accepted"] == 0


def test_a_left_over_offer_at_ourselves_and_at_another_of_ours() -> None:
    with station(echo) as new, station(echo) as third, old_node() as old:
        met(new, old)
        for number, to in enumerate((new, third), 1):
            buffer = old.left_over("print offered")
            old.say(buffer, f"{HOST}:{to.place[1]}", "get this", job_id=number)
            eventually(lambda number=number: number in old.answers, "the classic answer")
            assert old.answers[number] == "get this"
        for to in (new, third):
            assert to.figures()["accepted"] == 1
            assert to.figures()["sessions_accepted"] == to.figures()["sessions"] == 0
            assert to.figures()["bad_session"] == 0


def test_left_overs_reach_us_as_they_were() -> None:
    # The stand-in is worth something only if what it leaves over really travels.
    with old_node() as old, listening() as (place, accept):
        buffer = bytearray(offering(request("print offered"), (old.host, old.port)))
        old.run_client(old.address, "print x")
        old.say(buffer, f"{HOST}:{place[1]}", "get this")
        with accept() as line:
            block = line.block()
            assert kind_of(block) == OFFER
            assert block[:16] == buffer[:16]
            assert command_of(block) == "get this"
            assert line.block() == b""


# ---------------------------------------------------------------- our offers


def test_our_offer_and_what_follows_the_accept() -> None:
    with station() as new, listening() as (place, accept):
        sent = new.tell(place, request("print 1"))
        with accept() as line:
            offer = line.block()
            nonce = offer[:8]
            assert nonce[0]
            assert (
                offer
                == nonce + tag(OFFER, nonce, offer, place) + b"\0\x01" + request("print 1")[18:]
            )
            assert sent.result(PATIENCE_S) is False  # not known yet
            line.send(accepting(offer, place))
            eventually(lambda: new.figures()["sessions"] == 1, "the session")
            sent = new.tell(place, request("print 2"))
            block = line.block()
            assert block == marked(request("print 2"), kind=5)
            assert not sent.done()
            line.send(control(3, told=2))
            assert sent.result(PATIENCE_S) is True
            # Nobody waits for the outcome of an answer, so none is tracked.
            line.send(marked(request("event metadata_ping", job=1)))
            new.sender.reply(Endpoint(*place), request("print 3"), HOST)
            message = line.message()
            assert command_of(message) == "print 3"
            assert kind_of(message) == 0
            assert told_by(message) in (0, 1)


def test_offers_differ() -> None:
    with station() as new:
        nonces = set()
        for _ in range(4):
            with listening() as (place, accept):
                new.tell(place, request("print 1"))
                with accept() as line:
                    nonces.add(line.block()[:8])
        assert len(nonces) == 4


def test_answers_make_no_offer() -> None:
    with station(echo) as new, listening() as (place, accept):
        with connect(new.place) as line:
            line.send(request("get this", source=place))
        with accept() as line:
            block = line.block()
            assert not announces(block)
            assert command_of(block) == "print"
            assert line.block() == b""


def test_a_refused_offer_is_made_again_at_the_next_attempt() -> None:
    port = free_port()
    with station() as new:
        with pytest.raises(PeerRefused):
            new.tell((HOST, port), request("print 1"), attempts=1).result(PATIENCE_S)
        with station(port=port) as other:
            assert new.tell(other.place, request("print 2"), asks=True).result(PATIENCE_S)
            assert other.figures()["sessions_accepted"] == 1
