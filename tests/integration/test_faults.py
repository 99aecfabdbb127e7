"""Faults of the world between two nodes and in the system below them."""

from __future__ import annotations

import resource
import signal
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, wait
from contextlib import ExitStack, contextmanager, suppress
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgelake import limits
from edgelake._native import Server, encode_message
from edgelake.wire import Endpoint, Reply
from tests.old_node import command_of
from tests.peer_process import Child, no_descriptors, raise_limit
from tests.proxy import Faults, Proxy
from tests.sessions import (
    ACKNOWLEDGE,
    LEAVE,
    PATIENCE_S,
    Line,
    Place,
    accepting,
    control,
    listening,
    marked,
    open_session,
    request,
)
from tests.stations import Station, descriptors, echo, native_threads, station
from tests.waiting import eventually


@contextmanager
def nothing_left() -> Iterator[None]:
    """Hold that descriptors and threads are as many afterwards as before."""
    before = descriptors(), native_threads(), threading.active_count()

    def left() -> bool:
        return (descriptors(), native_threads(), threading.active_count()) == before

    yield
    eventually(left, f"descriptors and threads are back at {before}")


def outcomes(futures: list[Future[bool]]) -> list[bool]:
    """Return of each message whether it is said to have arrived; all must be known."""
    done = wait(futures, PATIENCE_S)
    assert not done.not_done, f"{len(done.not_done)} messages have no outcome"
    return [future.exception() is None for future in futures]


# ------------------------------------------------------ between two of our nodes

FAULTS = {
    "drops": Faults(piece=7),
    "late": Faults(piece=1500, delay_s=0.001),
    "out of order": Faults(swap=True),
    "ends within the header": Faults(cut_after=100),
    "ends within a message": Faults(cut_after=3000),
    "ends between messages": Faults(cut_after=4096),
    "resets within the header": Faults(cut_after=100, reset=True),
    "resets within a message": Faults(cut_after=3000, reset=True),
    "resets between messages": Faults(cut_after=4096, reset=True),
    "resets late": Faults(cut_after=40_000, reset=True),
}


@contextmanager
def joined_by_proxy(sessions: bool) -> Iterator[tuple[Station, Proxy, Station]]:
    """Have two stations, and a proxy by which the second one reaches the first one."""
    with pytest.MonkeyPatch.context() as patch, nothing_left(), ExitStack() as stack:
        # A server without sessions says nothing to an offer, and leaves the end to the opener.
        patch.setattr(limits, "SESSION_ACCEPT_S", PATIENCE_S if sessions else 0.2)
        there = stack.enter_context(station(sessions=sessions))
        proxy = stack.enter_context(Proxy(there.place))
        here = stack.enter_context(station())
        there.server.own_addresses([Endpoint(*proxy.address)])
        yield there, proxy, here


def tell_all(here: Station, place: Place, numbers: range) -> list[Future[bool]]:
    """Send numbered messages of one to three blocks."""
    return [
        here.tell(
            place,
            encode_message(f"print {n}".encode(), b"x" * (n % 3 * 1800)),
            attempts=5,
            retry_pause_s=0.05,
            asks=True,
        )
        for n in numbers
    ]


def counted(there: Station) -> Counter[int]:
    """Return how often each numbered message has arrived."""
    return Counter(int(message.command.split()[1]) for message in there.taken)


@pytest.mark.parametrize("sessions", [True, False], ids=["session", "classic"])
@pytest.mark.parametrize("name", FAULTS)
def test_nothing_acknowledged_is_lost_and_nothing_doubled_by_a_bad_line(
    name: str, sessions: bool
) -> None:
    with joined_by_proxy(sessions) as (there, proxy, here):
        proxy.faults = FAULTS[name]
        sent = tell_all(here, proxy.address, range(30))
        arrived = outcomes(sent)
        proxy.faults = Faults()
        proxy.cut(reset=True)
        eventually(lambda: here.figures()["sessions"] == 0, "the end of the session")
        (last,) = tell_all(here, proxy.address, range(30, 31))
        assert last.result(PATIENCE_S) is sessions
        eventually(lambda: counted(there)[30] == 1, "the message on the good line")
        for number, said in enumerate(arrived):
            assert counted(there)[number] <= 1
            if said and sent[number].result():
                # By a session: the peer itself has said so.
                assert counted(there)[number] == 1
        if FAULTS[name].cut_after is None:
            assert all(arrived)
            eventually(lambda: len(there.taken) == 31, "every message")


@pytest.mark.parametrize("sessions", [True, False], ids=["session", "classic"])
def test_a_line_that_stalls_delivers_all_of_it_later(sessions: bool) -> None:
    with joined_by_proxy(sessions) as (there, proxy, here):
        assert tell_all(here, proxy.address, range(1))[0].result(PATIENCE_S) is sessions
        proxy.stall()
        sent = tell_all(here, proxy.address, range(1, 40))
        eventually(lambda: proxy.accepted > 1 or sessions, "connections that are accepted")
        assert len(there.taken) <= 1
        proxy.go_on()
        assert all(outcomes(sent))
        eventually(lambda: len(there.taken) == 40, "every message")
        assert set(counted(there).values()) == {1}


def test_a_session_cut_while_it_is_used_fails_or_delivers_each_message_once() -> None:
    with joined_by_proxy(True) as (there, proxy, here):
        told: list[Future[bool]] = []
        for turn in range(8):
            more = tell_all(here, proxy.address, range(turn * 20, turn * 20 + 20))
            more[turn].exception(PATIENCE_S)  # in the middle of the others
            proxy.cut(reset=turn % 2 == 0)
            told += more
        known = outcomes(told)
        times = counted(there)
        assert max(times.values()) == 1
        for number, said in enumerate(known):
            if said and told[number].result():
                assert times[number] == 1
        assert here.figures()["sessions_opened"] > 1


# ------------------------------------------------------- any pieces, any moment

MESSAGE = encode_message(b"print whole", b"x" * 4000)


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[bytes], bool]:
    """Return the pieces of a message, and whether a reset comes before its end."""
    end = draw(st.one_of(st.just(len(MESSAGE)), st.integers(0, len(MESSAGE) - 1)))
    cuts = sorted(draw(st.sets(st.integers(1, len(MESSAGE)), max_size=12)))
    edges = [0, *(cut for cut in cuts if cut < end), end]
    return [MESSAGE[a:b] for a, b in pairwise(edges)], end < len(MESSAGE)


@pytest.mark.parametrize("sessions", [True, False], ids=["session", "classic"])
def test_any_split_and_a_reset_at_any_byte(sessions: bool) -> None:
    with station() as there:

        @given(deliveries())
        @settings(max_examples=60, deadline=None, database=None)
        def check(delivery: tuple[list[bytes], bool]) -> None:
            pieces, cut = delivery
            before = len(there.taken)
            truncated = there.figures()["truncated"]
            if sessions:
                line = open_session(there.place, request("print first"))
                before += 1
                eventually(lambda: len(there.taken) == before, "the first message")
            else:
                line = Line(socket.create_connection(there.place))
            with line:
                for piece in pieces:
                    line.send(piece)
                if cut:
                    eventually(
                        lambda: there.figures()["unfinished"] == (len(b"".join(pieces)) > 0),
                        "what was sent is read",
                    )
                    line.reset()
                else:
                    eventually(lambda: len(there.taken) == before + 1, "the message")
                    assert there.taken[-1].data == b"x" * 4000
            eventually(lambda: there.figures()["connections"] == 0, "the end of the connection")
            assert len(there.taken) == before + (not cut)
            assert there.figures()["truncated"] == truncated + (cut and len(b"".join(pieces)) > 0)
            assert there.figures()["assembly_bytes"] == 0

        check()


@pytest.mark.parametrize("sessions", [True, False], ids=["session", "classic"])
def test_one_byte_at_a_time_between_two_nodes(sessions: bool) -> None:
    with joined_by_proxy(sessions) as (there, proxy, here):
        proxy.faults = Faults(piece=1)
        sent = tell_all(here, proxy.address, range(4))
        assert outcomes(sent) == [True] * 4
        eventually(lambda: len(there.taken) == 4, "every message")
        assert sorted(len(message.data) for message in there.taken) == [0, 0, 1800, 3600]


# --------------------------------------------------------- no descriptors left


def test_a_server_without_descriptors_refuses_and_does_not_spin() -> None:
    with station(threads=1) as there:
        clients = [socket.socket() for _ in range(20)]
        with ExitStack() as stack:
            for client in clients:
                stack.enter_context(client)
                client.settimeout(PATIENCE_S)
            with no_descriptors():
                for client in clients:
                    client.connect(there.place)
                for client in clients:
                    with suppress(ConnectionResetError):
                        assert client.recv(1) == b""
                tries = there.figures()["accept_errors"]
            assert there.figures()["refused"] == 20
            # One each; a loop would count thousands.
            assert 20 <= tries <= 40
        assert there.figures()["connections"] == 0
        with Line(socket.create_connection(there.place)) as line:
            line.send(MESSAGE)
            eventually(lambda: len(there.taken) == 1, "a message after the shortage")


def test_a_sender_without_descriptors_waits_for_some() -> None:
    with station() as there, station() as here:
        with no_descriptors():
            sent = tell_all(here, there.place, range(20))
            eventually(lambda: here.sender.statistics()["pending"] == 20, "messages that wait")
            assert not any(future.done() for future in sent)
            assert here.sender.statistics()["sockets"] == 0
        assert all(outcomes(sent))
        eventually(lambda: len(there.taken) == 20, "every message")
        assert set(counted(there).values()) == {1}
        assert here.sender.statistics()["retries"] == 0


def test_a_session_is_handed_over_without_a_descriptor_to_spare() -> None:
    with station() as new, listening() as (place, accept):
        waiting = new.tell(place, request("print first"), asks=True)
        with accept() as line:
            offer = line.block()
            with no_descriptors():
                line.send(accepting(offer, place))
                assert waiting.result(PATIENCE_S) is True
                eventually(lambda: new.figures()["sessions"] == 1, "the session")
                by_session = new.tell(place, request("print second"))
                assert command_of(line.message()) == "print second"
                line.send(control(ACKNOWLEDGE, told=2))
                assert by_session.result(PATIENCE_S) is True


# ------------------------------------------------------------------ many peers


@pytest.fixture
def _many_descriptors() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    raise_limit()
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.stress
@pytest.mark.usefixtures("_many_descriptors")
def test_a_stop_amid_a_thousand_messages_loses_nothing_uncounted() -> None:
    server = Server("127.0.0.1", 0, threads=2)
    server.start()
    with ExitStack() as stack:
        stack.callback(server.close)
        clients = [
            stack.enter_context(socket.create_connection(server.address)) for _ in range(1000)
        ]
        # A third has sent all, a third sends the rest during the stop, a third never does.
        for number, client in enumerate(clients):
            client.sendall(MESSAGE if number % 3 == 0 else MESSAGE[: 1 + number * 4])
        eventually(lambda: server.statistics()["unfinished"] == 666, "unfinished messages")
        stopping = threading.Thread(target=server.stop, args=(3,))
        stopping.start()
        for number, client in enumerate(clients):
            if number % 3 == 1:
                client.sendall(MESSAGE[1 + number * 4 :])
        handled = 0
        while (batch := server.receive(256, PATIENCE_S)) is not None:
            handled += len(batch)
        stopping.join()
        figures = server.statistics()
        assert handled == figures["messages"] == 667
        assert figures["accepted"] == 1000 == handled + figures["truncated"]
        assert figures["connections"] == figures["unfinished"] == figures["assembly_bytes"] == 0


@pytest.mark.stress
@pytest.mark.usefixtures("_many_descriptors")
def test_active_peers_are_served_beside_stalled_and_idle_ones() -> None:
    with station(echo) as there, ExitStack() as stack:
        idle = stack.enter_context(Child("idle", *there.place, 9000))
        for number in range(500):
            line = stack.enter_context(Line(socket.create_connection(there.place)))
            line.send(MESSAGE[: 1 + number * 4])
        assert idle.line() == "9000"
        eventually(lambda: there.figures()["connections"] == 9500, "9,500 connections")
        eventually(lambda: there.figures()["unfinished"] == 500, "500 of them inside a message")
        with station() as here:
            for number in range(50):
                assert here.ask(there.place, f"get {number}").result(PATIENCE_S).error == 0
        with Line(socket.create_connection(there.place)) as line:
            line.send(MESSAGE)
            eventually(lambda: len(there.taken) == 51, "a message on a new connection")
        assert there.figures()["unfinished"] == 500
        assert there.figures()["evicted"] == 0


# ------------------------------------------------------ the end of another node


def test_a_peer_killed_and_started_again_is_found_again() -> None:
    with nothing_left(), station() as here:
        with Child("station", 0) as peer:
            place = ("127.0.0.1", int(peer.line()))
            assert here.tell(place, request("print a"), asks=True).result(PATIENCE_S) is True
            peer.sleep()
            sent = tell_all(here, place, range(20))
            peer.process.kill()
            assert not any(outcomes(sent))
            eventually(lambda: here.figures()["sessions"] == 0, "the end of the session")
        with Child("station", place[1]) as peer:
            assert int(peer.line()) == place[1]
            assert here.tell(
                place, request("print b"), asks=True, attempts=5, retry_pause_s=0.05
            ).result(PATIENCE_S)
            assert peer.line() == "got b"
            answer = here.ask(place, "get c").result(PATIENCE_S)
            assert "get c" in answer.text


def test_a_peer_that_sleeps_gets_everything_when_it_wakes() -> None:
    large = encode_message(b"data", b"x" * 12_000_000)
    with (
        nothing_left(),
        station(block_timeout_s=0.3) as here,
        station() as other,
        Child("station", 0) as peer,
    ):
        place = ("127.0.0.1", int(peer.line()))
        assert here.tell(place, request("print a"), asks=True).result(PATIENCE_S) is True
        peer.sleep()
        sent = [here.tell(place, large) for _ in range(2)]
        assert here.tell(other.place, request("print 1"), asks=True).result(PATIENCE_S) is True
        # The first was begun, the second not: neither was carried out, and both come again.
        eventually(lambda: here.figures()["slow_reader"] == 1, "the end of the session")
        peer.process.send_signal(signal.SIGCONT)
        assert [one.exception(PATIENCE_S) for one in sent] == [None, None]
        assert here.tell(
            place, request("print b"), asks=True, attempts=5, retry_pause_s=0.05
        ).result(PATIENCE_S)
        # Each has a connection of its own, so that the last one may come first.
        assert peer.line() == "got a"
        assert sorted(peer.line() for _ in range(3)) == ["got b", "got data", "got data"]
        assert here.tell(place, request("print c")).result(PATIENCE_S)
        assert peer.line() == "got c"


# -------------------------------------------------------- what fuzzing has found


def test_a_native_answer_is_not_written_behind_a_leave() -> None:
    with (
        station(idle_timeout_s=0.1) as server,
        listening() as (place, accept),
        open_session(server.place) as line,
    ):
        server.server.route("get it", Reply.ok("here"))
        line.control(LEAVE)
        line.send(marked(request("get it", job=7, source=place)))
        with accept() as apart:
            assert command_of(apart.message()) == "print"
