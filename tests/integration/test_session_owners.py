"""Servers and senders that belong together: who goes first, and nobody is left waiting."""

from __future__ import annotations

import gc
import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from edgelake._native import Sender, Server
from edgelake.errors import AlreadyRunning, EdgeLakeError, NotRunning
from edgelake.wire import encode_message
from tests.old_node import command_of
from tests.sessions import (
    HOST,
    PATIENCE_S,
    Line,
    accepting,
    listening,
    open_session,
    pattern,
    request,
)
from tests.stations import Station, descriptors, joined, native_threads, station
from tests.waiting import eventually

ONCE = {"attempts": 1, "retry_pause_s": 0.05}


def acquainted(one: Station, two: Station) -> None:
    one.tell(two.place, request("print first")).result(PATIENCE_S)
    eventually(lambda: one.figures()["sessions"] == 1, "the session")


@pytest.mark.parametrize("closes", ["server", "sender", "peer"])
@pytest.mark.stress
def test_an_end_in_the_middle_of_traffic_gives_every_message_an_outcome(closes: str) -> None:
    with station() as two, station() as one, ThreadPoolExecutor(4) as pool:
        acquainted(one, two)
        begun = threading.Barrier(5)

        def work(number: int) -> list:
            sent = []
            for at in range(400):
                if at == 100:
                    begun.wait(PATIENCE_S)
                sent.append(one.tell(two.place, request(f"print {number} {at}"), **ONCE))
            return sent

        jobs = [pool.submit(work, number) for number in range(4)]
        begun.wait(PATIENCE_S)
        if closes == "server":
            one.server._native.close()
        elif closes == "sender":
            one.sender._native.close()
        else:
            two.server._native.close()
        sent = [each for job in jobs for each in job.result(PATIENCE_S)]
        done, late = wait(sent, PATIENCE_S)
        assert not late
        assert all(
            each.exception() is None or isinstance(each.exception(), EdgeLakeError) for each in done
        )
        # What came, came once.
        came = [message.command for message in two.taken]
        assert len(set(came)) == len(came)


def test_a_sender_that_stops_before_its_server_leaves_nobody_waiting() -> None:
    with station() as new, listening() as (place, accept), joined(new, place, accept) as line:
        sent = new.tell(place, request("print 2"))
        assert command_of(line.block()) == "print 2"
        assert new.sender.stop(0.1) is False
        with pytest.raises(EdgeLakeError):
            sent.result(PATIENCE_S)


def test_a_stop_does_not_cut_a_message_with_an_offer() -> None:
    message = encode_message(b"data", pattern(300_000))
    with (
        station() as new,
        socket.create_server((HOST, 0)) as listener,
        ThreadPoolExecutor(1) as pool,
    ):
        # So much is with our kernel when the message counts as sent.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        place = listener.getsockname()
        assert new.tell(place, message).result(PATIENCE_S) is False
        stopped = pool.submit(new.sender.stop, PATIENCE_S)
        with Line(listener.accept()[0]) as line:
            eventually(lambda: not sends(new), "the stop of the sender")
            offer = line.block()
            line.send(accepting(offer, place))
            rest = b""
            while len(rest) < len(message) - 2048 and (piece := line.socket.recv(1 << 20)):
                rest += piece
            assert offer[26:] + rest == message[26:]
            assert stopped.result(PATIENCE_S)


def sends(new: Station) -> bool:
    try:
        new.sender._native.send(HOST, 1, request("print x"), attempts=1)
    except NotRunning:
        return False
    return True


def test_a_late_answer_finds_no_session_of_another_server() -> None:
    with station() as before:
        with open_session(before.place):
            eventually(lambda: len(before.taken) == 1, "the message")
        old = before.taken[0].session
    with station() as after, open_session(after.place):
        eventually(lambda: len(after.taken) == 1, "the message")
        assert after.taken[0].session not in (0, old)


def test_a_sender_belongs_to_one_server() -> None:
    sender = Sender()
    sender.attach(Server(HOST, 0))
    with pytest.raises(AlreadyRunning):
        sender.attach(Server(HOST, 0))


@pytest.mark.leak
def test_a_pair_that_nobody_closed_is_closed_and_told() -> None:
    gc.collect()
    before = descriptors(), native_threads()
    with pytest.warns(ResourceWarning, match="unclosed <S"):
        forget_a_pair()
    assert (descriptors(), native_threads()) == before


def forget_a_pair() -> None:
    """Have a server and a sender with a session, and let go of them."""
    sender, server, peer = Sender(), Server(HOST, 0, threads=2), Server(HOST, 0, threads=1)
    sender.attach(server)
    server.start()
    sender.start()
    peer.start()
    sender.send(*peer.address, request("print x"))
    while server.statistics()["sessions"] == 0:
        peer.receive(1, 0.05)
    del sender, server
    gc.collect()
    peer.close()


def test_routes_of_a_server_that_ended_harm_nobody() -> None:
    server = Server(HOST, 0, threads=2)
    server.set_route(b"get x", b"", b"")
    server.start()
    server.close()
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    server.set_route(b"get y", b"", b"")
    server.remove_route(b"get x")
    with pytest.raises(BlockingIOError):
        os.read(reader, 1)
    os.close(reader)
    os.close(writer)


def test_a_forked_child_leaves_the_sessions_alone() -> None:
    with station() as one, station() as two:
        acquainted(one, two)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                one.server._native.close()
                one.sender._native.close()
                one.sender._native.send(HOST, 1, request("print x"))
            except NotRunning:
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        assert one.tell(two.place, request("print x")).result(PATIENCE_S) is True
        assert two.figures()["accepted"] == 1
