"""Sessions under pressure: peers that go on after a leave, pauses, memory, hostile sources."""

from __future__ import annotations

import os
import socket
import sys
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from edgelake import MessageServer, Reply, limits
from edgelake._native import Server
from edgelake.wire import Message, encode_message
from tests.old_node import command_of
from tests.sessions import (
    ACKNOWLEDGE,
    HOST,
    LEAVE,
    PATIENCE_S,
    TRACKED,
    Line,
    listening,
    marked,
    open_session,
    pattern,
    request,
    told_by,
)
from tests.stations import echo, joined, station
from tests.waiting import eventually

LARGE = encode_message(b"data", pattern(12_000_000))


def dispatchers() -> int:
    """Return how many handler threads live."""
    return sum(thread.name.startswith("dispatch-") for thread in threading.enumerate())


@contextmanager
def native(**options: float) -> Iterator[Server]:
    server = Server(HOST, 0, **{"threads": 1, **options})  # type: ignore[arg-type]
    server.start()
    try:
        yield server
    finally:
        server.close()


# -------------------------------------------------------- nothing ends a dispatcher


def test_a_source_that_is_no_text_ends_no_dispatcher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_PENDING_REPLIES_PER_PEER", 1)
    odd = encode_message(b"get x", source_ip=b"\xff\xfe", source_port=9)
    large = Reply.ok("x" * 3_000_000)
    with station(lambda message: large) as server:
        before = dispatchers()
        with open_session(server.place, receive_bytes=4096) as line:
            line.send(marked(odd) * 50)
            eventually(
                lambda: server.figures()["reply_failures"] >= 40, "answers that have no room"
            )
            assert dispatchers() == before
        assert server.figures()["reply_failures"] >= 40


def test_an_answer_that_cannot_be_written_ends_no_dispatcher() -> None:
    def respond(message: Message) -> Reply:
        return Reply("echo \ud800") if message.command == b"get half" else echo(message)

    with station(respond) as server, station() as other:
        before = dispatchers()
        for _ in range(8):
            other.tell(server.place, request("get half", source=other.place))
        eventually(lambda: server.figures()["reply_failures"] == 8, "the failures")
        assert dispatchers() == before
        assert other.ask(server.place, "get x").result(PATIENCE_S).text == "get x"


def test_a_batch_of_answers_that_breaks_off_ends_no_dispatcher() -> None:
    def handle(batch: list[Message]) -> Iterable[tuple[Message, Reply]]:
        yield batch[0], echo(batch[0])
        raise ValueError("broken")

    with MessageServer(HOST, 0, handler=handle, batch=True) as server:
        before = dispatchers()
        for number in range(1, 9):
            with socket.create_connection(server.address) as connection:
                connection.sendall(request("get x"))
            eventually(lambda n=number: server.statistics()["handler_errors"] == n, "the failure")
        assert dispatchers() == before


# ------------------------------------------------------------- leaves that do not end


def test_who_goes_on_after_a_leave_makes_room_for_others() -> None:
    with native(idle_timeout_s=0.2, max_connections=3) as server:
        lines = [open_session(server.address) for _ in range(3)]
        for line in lines:
            line.control(LEAVE)
            line.send(marked(request("print on")))
        with socket.create_connection(server.address, timeout=PATIENCE_S) as honest:
            honest.sendall(request("print honest"))
            eventually(lambda: server.statistics()["messages"] == 7, "the honest one")
        assert server.statistics()["refused"] == 0
        for line in lines:
            line.socket.close()


def test_who_goes_on_after_a_leave_gets_no_more_time() -> None:
    with native(idle_timeout_s=0.2) as server, open_session(server.address) as line:
        line.control(LEAVE)

        def gone() -> bool:
            try:
                line.send(marked(request("print on")))
            except OSError:
                return True
            return server.statistics()["sessions"] == 0

        eventually(gone, "the end")


def test_a_session_is_not_left_while_the_peer_takes_a_large_message() -> None:
    with (
        station(session_idle_s=0.2) as new,
        listening() as (place, accept),
        joined(new, place, accept) as line,
    ):
        sent = new.tell(place, LARGE)
        taken = b""
        while len(taken) < len(LARGE):
            taken += line.socket.recv(100_000)
            if len(taken) % 1_000_000 < 100_000:
                # A slow peer: all its pauses together are longer than a session may be idle.
                threading.Event().wait(0.1)
        line.send(marked(request("print done"), told=2))
        assert sent.result(PATIENCE_S) is True


@pytest.mark.parametrize("acknowledged", [True, False])
def test_a_stop_says_whether_sessions_were_cut(acknowledged: bool) -> None:
    with (
        station(receipt_timeout_s=0.5) as new,
        listening() as (place, accept),
        joined(new, place, accept) as line,
    ):
        sent = new.tell(place, request("print last"))
        assert command_of(line.block()) == "print last"
        stopped: list[bool] = []
        stop = threading.Thread(target=lambda: stopped.append(new.server.stop(5)))
        stop.start()
        line.control(LEAVE)
        if acknowledged:
            line.send(marked(request("print ok"), told=2))
            assert sent.result(PATIENCE_S) is True
        stop.join(PATIENCE_S)
        assert stopped == [acknowledged]


# ------------------------------------------------------------- pauses and memory


def test_what_has_come_is_acknowledged_in_a_pause() -> None:
    with native(max_queued_messages=2) as server, open_session(server.address) as line:
        line.send(marked(request("print x"), TRACKED))
        assert told_by(line.control(ACKNOWLEDGE)) == 2
        assert server.statistics()["paused"] == 1


def test_answers_that_nobody_takes_have_a_bound_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_SESSION_ANSWER_BYTES", 3_000_000)
    with station(echo, block_timeout_s=60) as server:
        server.server.route("get much", Reply.ok("x" * 30_000))
        lines: list[Line] = []
        while server.figures()["slow_reader"] == 0:
            assert len(lines) < 20
            line = open_session(server.place, receive_bytes=4096)
            lines.append(line)
            line.socket.settimeout(0.2)
            try:
                for _ in range(100):
                    line.send(marked(request("get much")) * 100)
            except OSError:
                continue
        assert server.figures()["sessions"] >= 1
        for line in lines:
            line.socket.close()
        # Their memory is given back: another one is served as ever.
        eventually(lambda: server.figures()["sessions"] == 0, "the end of all")
        with open_session(server.place, request("event x")) as line:
            line.send(marked(request("get much")))
            assert command_of(line.message()) == "print"


# ------------------------------------------------------------- forks, forgotten servers


def watched_sockets() -> int:
    """Return how many descriptors the I/O threads wait for, those that are closed too."""
    found = 0
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            if "eventpoll" in os.readlink(link):
                found += Path("/proc/self/fdinfo", link.name).read_text().count("tfd:")
    return found


def test_a_socket_that_a_child_holds_open_is_watched_no_more() -> None:
    with native() as server:
        with socket.create_connection(server.address) as connection:
            connection.sendall(request("print x"))
        eventually(lambda: server.statistics()["messages"] == 1, "a message, all threads up")
        eventually(lambda: server.statistics()["connections"] == 0, "its end")
        before = watched_sockets()
        with open_session(server.address) as line:
            eventually(lambda: watched_sockets() == before + 1, "the session is watched")
            reading, writing = os.pipe()
            child = os.fork()
            if child == 0:
                os.close(writing)
                os.read(reading, 1)
                os._exit(0)
            os.close(reading)
            try:
                line.send(bytes(2048))  # breaks the rules: the server closes, the child does not
                eventually(lambda: server.statistics()["connections"] == 0, "the end")
                assert watched_sockets() == before
            finally:
                os.close(writing)
                os.waitpid(child, 0)


def test_a_forgotten_server_ends_also_when_warnings_are_errors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda what: told.append(str(what.exc_value)))
    server = Server(HOST, 0)
    server.start()
    place = server.address
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del server
    assert told == [f"unclosed <Server {place[0]}:{place[1]} running>"]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(place)


# ------------------------------------------------------------- who shares with whom


def test_who_takes_its_answers_gets_them_whatever_its_neighbours_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "MAX_PENDING_REPLIES_PER_PEER", 2)
    monkeypatch.setattr(limits, "MAX_PENDING_PER_DESTINATION", 2)
    large = Reply.ok("x" * 3_000_000)

    def respond(message: Message) -> Reply:
        return large if message.command == b"get large" else echo(message)

    with station(respond) as server, open_session(server.place, receive_bytes=4096) as slow:
        slow.send(marked(request("get large", job=1)) * 20)
        eventually(lambda: server.figures()["reply_failures"] > 5, "answers beyond the bound")
        with open_session(server.place, request("event x")) as line:
            line.message()
            for number in range(20):
                line.send(marked(request("get small", job=number + 1)))
                assert command_of(line.message()) == "print"


def test_connections_that_stay_are_shared_out() -> None:
    block = request("print x")
    with native(threads=2) as server:
        connections = [socket.create_connection(server.address) for _ in range(20)]
        for number, connection in enumerate(connections):
            connection.sendall(block[: 1000 + number])  # a message that is not whole yet moves too
        eventually(lambda: server.statistics()["unfinished"] == 20, "their beginnings")
        eventually(
            lambda: all(8 <= thread["unfinished"] <= 12 for thread in server.threads()),
            "nearly equal shares",
        )
        for number, connection in enumerate(connections):
            connection.sendall(block[1000 + number :])
        eventually(lambda: server.statistics()["messages"] == 20, "all of them")
        for connection in connections:
            connection.close()
        eventually(lambda: server.statistics()["connections"] == 0, "their ends")


def test_who_does_not_take_its_answers_is_read_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_PENDING_SENDS", 8)
    large = Reply.ok("x" * 1_000_000)

    def respond(message: Message) -> Reply:
        return large if message.command == b"get large" else echo(message)

    with station(respond, max_queued_messages=100) as server, listening() as (place, accept):
        slow = [open_session(server.place, receive_bytes=4096) for _ in range(3)]
        for line in slow:
            line.socket.settimeout(0.3)
            with pytest.raises(TimeoutError):
                line.send(marked(request("get large", job=1)) * 20_000)
        eventually(lambda: server.figures()["queued_messages"] == 0, "the end of what was read")
        for line in slow:  # nothing more is taken, although no handler is busy
            with pytest.raises(TimeoutError):
                line.send(bytes(16_000_000))
        # All room for answers is theirs; whoever takes what it asks for is served all the same,
        with open_session(server.place, request("event x")) as line:
            line.message()
            line.send(marked(request("get small", job=1)))
            assert command_of(line.message()) == "print"
        # by a connection of its own, too.
        with socket.create_connection(server.place) as connection:
            connection.sendall(request("get classic", job=1, source=place))
        with accept() as apart:
            assert command_of(apart.message()) == "print"
        for line in slow:
            line.socket.close()
