"""How sessions do not come about and how they end: nothing twice, nothing lost without a word."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait

import pytest

from edgelake import limits
from edgelake._native import Sender, Server
from edgelake.errors import AlreadyRunning, PeerClosed, PeerError
from edgelake.wire import Endpoint, FileFlag, Job, Message, Reply, encode_message, file_blocks
from tests.old_node import announces, command_of, old_node
from tests.sessions import (
    ACKNOWLEDGE,
    HOST,
    LEAVE,
    OFFER,
    PATIENCE_S,
    TRACKED,
    Line,
    Place,
    Station,
    accepting,
    control,
    echo,
    kind_of,
    listening,
    marked,
    open_session,
    pattern,
    request,
    station,
    told_by,
)
from tests.waiting import eventually

# More than the kernel takes for a peer that does not read.
LARGE = encode_message(b"data", pattern(12_000_000))


def offered(new: Station, place: Place, accept: Callable[[], Line]) -> tuple[Line, bytes]:
    """Have a station offer a session to a peer played by hand."""
    assert new.tell(place, request("print 1")).result(PATIENCE_S) is False
    line = accept()
    return line, line.block()


def joined(new: Station, place: Place, accept: Callable[[], Line]) -> Line:
    """Have a session from a station to a peer played by hand."""
    line, offer = offered(new, place, accept)
    line.send(accepting(offer, place))
    eventually(lambda: new.figures()["sessions"] == 1, "the session")
    return line


def classic(accept: Callable[[], Line]) -> str:
    """Return the command of the next message, which has a connection of its own."""
    with accept() as line:
        message = line.message()
        assert not announces(message)
        assert line.block() == b""
        return command_of(message)


def outcome(sent: Future[bool]) -> str:
    """Return how a message went, once that is known."""
    error = sent.exception(PATIENCE_S)
    return "sent" if error is None else type(error).__name__


# ------------------------------------------------------- offers nobody accepts


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


# ------------------------------------------------------------ sessions that end


def end_by_closing(line: Line) -> None:
    line.socket.close()


def end_inside_a_block(line: Line) -> None:
    line.send(marked(request("print half"))[:100])
    line.socket.close()


ENDINGS = [end_by_closing, end_inside_a_block, Line.reset]


@pytest.mark.parametrize("end", ENDINGS)
def test_what_was_written_and_not_acknowledged_failed_and_is_not_sent_again(
    end: Callable[[Line], None],
) -> None:
    with station() as new, listening() as (place, accept):
        line = joined(new, place, accept)
        first, second = (new.tell(place, request(f"print {n}")) for n in (2, 3))
        assert [command_of(line.block()) for _ in range(2)] == ["print 2", "print 3"]
        line.send(control(ACKNOWLEDGE, told=2))
        assert outcome(first) == "sent"
        end(line)
        with pytest.raises(PeerClosed):
            second.result(PATIENCE_S)
        new.tell(place, request("print 4"))
        with accept() as line:
            assert command_of(line.block()) == "print 4"


@pytest.mark.parametrize("end", ENDINGS)
def test_what_was_not_begun_goes_another_way_once(end: Callable[[Line], None]) -> None:
    with station() as new, listening() as (place, accept):
        line = joined(new, place, accept)
        begun = new.tell(place, LARGE)
        assert command_of(line.block()) == "data"
        waiting = [new.tell(place, request(f"print {n}")) for n in range(20)]
        new.sender.reply(Endpoint(*place), request("print answer"), HOST)
        end(line)
        with pytest.raises(PeerClosed):
            begun.result(PATIENCE_S)
        commands = []
        for _ in range(21):
            with accept() as other:
                commands.append(command_of(other.message()))
        assert sorted(commands) == sorted([f"print {n}" for n in range(20)] + ["print answer"])
        assert [outcome(sent) for sent in waiting] == ["sent"] * 20
        assert new.sender.statistics()["pending"] == 0


def test_a_peer_that_leaves_gets_the_rest_another_way() -> None:
    with station() as new, listening() as (place, accept), joined(new, place, accept) as line:
        begun = new.tell(place, LARGE)
        first = line.block()
        line.send(control(LEAVE, told=1))
        eventually(lambda: new.figures()["bytes"] >= 2048, "the leave")
        later = new.tell(place, request("print later"))
        with accept() as other:
            assert command_of(other.block()) == "print later"
            assert later.result(PATIENCE_S) is False
        # The message that was begun is finished, and may still be acknowledged.
        rest = b""
        while len(rest) < len(LARGE) - 2048:
            rest += line.socket.recv(1 << 20)
        assert first[26:] + rest[: len(LARGE) - 2048] == LARGE[26:]
        assert not begun.done()
        line.send(control(ACKNOWLEDGE, told=2))
        assert begun.result(PATIENCE_S) is True
        while piece := line.socket.recv(1 << 20):
            rest += piece
        assert kind_of(rest[-2048:]) == ACKNOWLEDGE


@pytest.mark.parametrize("count", [1, 3, 300])
def test_who_leaves_hears_what_has_arrived(count: int) -> None:
    with station() as server, open_session(server.place) as line:
        line.send(marked(request("print x"), kind=TRACKED) * count + control(LEAVE))
        told = 0
        while block := line.block():
            told = told_by(block)
        assert told == count + 1
        eventually(lambda: len(server.taken) == count + 1, "all messages")


def test_who_is_idle_leaves() -> None:
    with station(session_idle_s=0.05) as one, station(echo) as two:
        for number in range(1, 4):
            assert one.ask(two.place, "get x").result(PATIENCE_S).text == "get x"
            eventually(lambda: one.figures()["sessions"] == 0, "the end of the idle session")
            eventually(lambda: two.figures()["sessions"] == 0, "the same at the other side")
            assert one.figures()["sessions_opened"] == number
        assert two.figures()["idle_timeout"] == two.figures()["truncated"] == 0


def test_a_silent_session_is_left_and_closed_by_the_side_that_accepted_it() -> None:
    with station(idle_timeout_s=0.05) as server, open_session(server.place) as line:
        line.control(LEAVE)
        # What comes now is still read, acknowledged and answered.
        line.send(marked(request("print late"), kind=TRACKED))
        assert told_by(line.control(ACKNOWLEDGE)) == 2
        assert line.block() == b""
        assert server.taken[-1].command == b"print late"


def test_sessions_make_room_as_other_connections_do() -> None:
    with (
        station(max_connections=2, threads=1) as server,
        open_session(server.place) as oldest,
        open_session(server.place) as newer,
        open_session(server.place),
    ):
        assert oldest.block() == b""
        newer.send(marked(request("print x"), kind=TRACKED))
        assert told_by(newer.control(ACKNOWLEDGE)) == 2
        assert server.figures()["evicted"] == 1
        assert server.figures()["sessions"] == 2


# -------------------------------------------------------------- orderly stops


def test_a_stop_of_the_acceptor_loses_nothing_it_took() -> None:
    with station() as one, station(echo) as two:
        one.tell(two.place, request("print first")).result(PATIENCE_S)
        eventually(lambda: one.figures()["sessions"] == 1, "the session")
        asked = [one.ask(two.place, f"get {n}", attempts=1) for n in range(600)]
        two.stop()
        done, late = wait(asked, PATIENCE_S)
        assert not late, f"{len(late)} have no outcome"
        good = [answer for answer in done if answer.exception() is None]
        assert all(isinstance(answer.exception() or PeerError("x"), PeerError) for answer in done)
        # Each request that was handled is answered, and no request twice.
        handled = [message.command for message in two.taken[1:]]
        assert len(set(handled)) == len(handled)
        assert {answer.result().text.encode() for answer in good} == set(handled)


def test_a_stop_of_the_opener_gives_every_message_an_outcome() -> None:
    with station() as one, station() as two:
        one.tell(two.place, request("print first")).result(PATIENCE_S)
        eventually(lambda: one.figures()["sessions"] == 1, "the session")
        sent = [one.tell(two.place, request(f"print {n}")) for n in range(600)]
        one.stop()
        assert {outcome(each) for each in sent} == {"sent"}
        eventually(lambda: len(two.taken) == 601, "every message")
        assert two.figures()["truncated"] == 0


def test_a_sender_that_stops_before_its_server_leaves_nobody_waiting() -> None:
    with station() as new, listening() as (place, accept), joined(new, place, accept) as line:
        sent = new.tell(place, request("print 2"))
        assert command_of(line.block()) == "print 2"
        assert new.sender.stop(0.1) is False
        with pytest.raises(PeerError):
            sent.result(PATIENCE_S)


def test_a_late_answer_finds_no_session_of_another_server() -> None:
    with station() as before:
        with open_session(before.place):
            eventually(lambda: len(before.taken) == 1, "the message")
        old = before.taken[0].session
    with station() as after, open_session(after.place, request("print x", source=(HOST, 9))):
        eventually(lambda: len(after.taken) == 1, "the message")
        assert after.taken[0].session not in (0, old)


def test_a_sender_belongs_to_one_server() -> None:
    sender = Sender()
    sender.attach(Server(HOST, 0))
    with pytest.raises(AlreadyRunning):
        sender.attach(Server(HOST, 0))


def test_answers_by_python_to_who_left_go_to_the_address() -> None:
    go = threading.Event()

    def respond(message: Message) -> Reply | None:
        assert go.wait(PATIENCE_S)
        return echo(message)

    with station(respond) as server, listening() as (place, accept):
        with open_session(server.place, request("get this", source=place)) as line:
            line.send(control(LEAVE))
            while line.block():
                pass
        go.set()
        assert classic(accept) == "print"
