"""How sessions do not come about and how they end: nothing twice, nothing lost without a word."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait

import pytest

from edgelake.errors import PeerClosed, PeerError
from edgelake.wire import Endpoint, Message, Reply, encode_message
from tests.old_node import command_of
from tests.sessions import (
    ACKNOWLEDGE,
    HOST,
    LEAVE,
    PATIENCE_S,
    TRACKED,
    Line,
    control,
    kind_of,
    listening,
    marked,
    open_session,
    pattern,
    request,
    told_by,
)
from tests.stations import classic, echo, joined, station
from tests.waiting import eventually

# More than the kernel takes for a peer that does not read.
LARGE = encode_message(b"data", pattern(12_000_000))


def outcome(sent: Future[bool]) -> str:
    """Return how a message went, once that is known."""
    error = sent.exception(PATIENCE_S)
    return "sent" if error is None else type(error).__name__


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


def test_who_never_acknowledges_is_not_waited_for_without_end() -> None:
    with (
        station(receipt_timeout_s=0.3) as new,
        listening() as (place, accept),
        joined(new, place, accept) as line,
    ):
        sent = new.tell(place, request("print unheard"))
        assert command_of(line.block()) == "print unheard"
        with pytest.raises(PeerClosed):
            sent.result(PATIENCE_S)
        assert new.figures()["slow_reader"] == 1


def test_who_acknowledges_one_after_the_other_has_the_time_for_each() -> None:
    with (
        station(receipt_timeout_s=0.5) as new,
        listening() as (place, accept),
        joined(new, place, accept) as line,
    ):
        sent = [new.tell(place, request(f"print {n}")) for n in range(4)]
        for number, one in enumerate(sent):
            assert command_of(line.block()) == f"print {number}"
            assert not one.done()
            line.send(control(ACKNOWLEDGE, told=number + 2))
            assert outcome(one) == "sent"
        assert new.figures()["slow_reader"] == 0


@pytest.mark.parametrize("end", ENDINGS)
def test_what_was_not_wholly_written_goes_another_way_once(end: Callable[[Line], None]) -> None:
    with station() as new, listening() as (place, accept):
        line = joined(new, place, accept)
        begun = new.tell(place, LARGE)
        assert command_of(line.block()) == "data"
        waiting = [new.tell(place, request(f"print {n}")) for n in range(20)]
        new.sender.reply(Endpoint(*place), request("print answer"), HOST)
        end(line)
        commands = []
        for _ in range(22):
            with accept() as other:
                commands.append(command_of(other.message()))
        expected = ["data", "print answer", *(f"print {n}" for n in range(20))]
        assert sorted(commands) == sorted(expected)
        assert [outcome(sent) for sent in (begun, *waiting)] == ["sent"] * 21
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


def test_who_was_left_closes_behind_the_last_byte() -> None:
    with station() as new, listening() as (place, accept), joined(new, place, accept) as line:
        new.sender.reply(Endpoint(*place), LARGE, HOST)  # nobody acknowledges it
        length = len(line.block())
        line.send(control(LEAVE, told=1))
        while piece := line.socket.recv(1 << 20):
            length += len(piece)
        assert length == len(LARGE) + 2048
        eventually(lambda: new.figures()["sessions"] == 0, "the end")


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
