"""The native sender over real sockets: outcomes, retries, dead and silent peers, bounds."""

from __future__ import annotations

import errno
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from edgelake import limits
from edgelake._native import Message, Sender, Server, encode_message
from edgelake.errors import (
    AlreadyRunning,
    ConfigurationError,
    LocalProtocolError,
    NotRunning,
    Overloaded,
)

DEADLINE_S = 15.0
HOST = "127.0.0.1"
BLOCK = encode_message(b"get status")
# More than the kernel takes for a peer that does not read.
LARGE = encode_message(b"print", b"x" * 12_000_000)


@contextmanager
def sending(**options: Any) -> Iterator[Sender]:
    sender = Sender(**options)
    sender.start()
    try:
        yield sender
    finally:
        sender.close()


@contextmanager
def serving(port: int = 0) -> Iterator[Server]:
    server = Server(HOST, port, threads=1)
    server.start()
    try:
        yield server
    finally:
        server.close()


@contextmanager
def silent_peer() -> Iterator[int]:
    """Listen, and neither accept nor read."""
    with socket.create_server((HOST, 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        yield listener.getsockname()[1]


def free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])


def collect(sender: Sender, count: int) -> dict[int, int]:
    found: dict[int, int] = {}
    end = time.monotonic() + DEADLINE_S
    while len(found) < count:
        assert time.monotonic() < end, f"{len(found)} of {count} outcomes"
        batch = sender.completions(count, 0.05)
        assert batch is not None
        for ticket, number, _kept in batch:
            assert ticket not in found
            found[ticket] = number
    return found


def receive(server: Server, count: int) -> list[Message]:
    found: list[Message] = []
    end = time.monotonic() + DEADLINE_S
    while len(found) < count:
        assert time.monotonic() < end, f"{len(found)} of {count} messages arrived"
        found += server.receive(count, 0.05) or []
    return found


def eventually(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


def test_a_message_is_sent() -> None:
    with serving() as server, sending() as sender:
        sender.send(*server.address, BLOCK, ticket=7)
        assert collect(sender, 1) == {7: 0}
        assert receive(server, 1)[0].command == b"get status"
        sender.send(*server.address, BLOCK)
        receive(server, 1)
        eventually(lambda: sender.statistics()["sent"] == 2)
        assert sender.completions(1, 0) == []
        eventually(lambda: sender.statistics()["destinations"] == 0)
        assert sender.statistics() == {
            "sent": 2,
            "failed": 0,
            "retries": 0,
            "rejected": 0,
            "pending": 0,
            "pending_bytes": 0,
            "sockets": 0,
            "destinations": 0,
            "sent_bytes": 2 * len(BLOCK),
        }


def test_a_large_message_is_whole() -> None:
    with serving() as server, sending() as sender:
        sender.send(*server.address, LARGE, ticket=1)
        (message,) = receive(server, 1)
        assert message.data == b"x" * 12_000_000
        assert collect(sender, 1) == {1: 0}


@pytest.mark.stress
def test_every_message_of_many_threads_arrives_once() -> None:
    senders, each = 8, 250
    start = threading.Barrier(senders)
    with serving() as server, sending() as sender, ThreadPoolExecutor(senders) as pool:

        def work(number: int) -> None:
            start.wait(DEADLINE_S)
            for part in range(each):
                ticket = number * each + part + 1
                blocks = encode_message(b"m", str(ticket).encode())
                sender.send(*server.address, blocks, ticket=ticket)

        jobs = [pool.submit(work, number) for number in range(senders)]
        messages = receive(server, senders * each)
        for job in jobs:
            job.result(DEADLINE_S)
        tickets = set(range(1, senders * each + 1))
        assert {int(message.data) for message in messages} == tickets
        assert collect(sender, senders * each) == dict.fromkeys(tickets, 0)
        assert server.receive(1, 0) == []


def test_a_refused_message_fails_after_its_attempts() -> None:
    with sending() as sender:
        sender.send(HOST, free_port(), BLOCK, ticket=1, attempts=3, retry_pause_s=0.02)
        assert collect(sender, 1) == {1: errno.ECONNREFUSED}
        eventually(lambda: sender.statistics()["retries"] == 2)
        assert sender.statistics()["failed"] == 1
        assert sender.statistics()["destinations"] == 0


def test_a_peer_that_comes_back_gets_what_waited() -> None:
    port = free_port()
    with sending() as sender:
        for ticket in range(1, 21):
            sender.send(HOST, port, BLOCK, ticket=ticket, attempts=200, retry_pause_s=0.02)
        eventually(lambda: sender.statistics()["retries"] > 0)
        with serving(port) as server:
            assert len(receive(server, 20)) == 20
            assert collect(sender, 20) == dict.fromkeys(range(1, 21), 0)
            assert server.receive(1, 0) == []


def test_a_dead_peer_costs_one_cycle_of_attempts() -> None:
    with sending(max_sockets_per_destination=1) as sender:
        port = free_port()
        for ticket in range(1, 201):
            sender.send(HOST, port, BLOCK, ticket=ticket, attempts=3, retry_pause_s=0.2)
        assert collect(sender, 200) == dict.fromkeys(range(1, 201), errno.ECONNREFUSED)
        # Far fewer than the 400 retries of 200 messages on their own.
        assert sender.statistics()["retries"] < 20


def test_messages_keep_their_own_number_of_attempts() -> None:
    with sending(max_sockets_per_destination=1) as sender:
        port = free_port()
        for ticket in (1, 2, 3, 4):
            sender.send(HOST, port, BLOCK, ticket=ticket, attempts=ticket, retry_pause_s=0.05)
        failed: list[int] = []
        while len(failed) < 4:
            failed += [ticket for ticket, _number, _kept in sender.completions(1, DEADLINE_S) or []]
        assert failed == [1, 2, 3, 4]


def test_silent_and_dead_peers_do_not_delay_others() -> None:
    options = {"max_sockets_per_destination": 4}
    with ExitStack() as stack:
        sender = stack.enter_context(sending(**options))
        server = stack.enter_context(serving())
        for ticket in range(1, 4):
            silent = stack.enter_context(silent_peer())
            for _ in range(5):
                sender.send(HOST, silent, LARGE, ticket=ticket)
            sender.send(HOST, free_port(), BLOCK, retry_pause_s=60)
        eventually(lambda: sender.statistics()["sockets"] == 12)
        for ticket in range(101, 151):
            sender.send(*server.address, BLOCK, ticket=ticket)
        assert len(receive(server, 50)) == 50
        assert collect(sender, 50) == dict.fromkeys(range(101, 151), 0)
        assert sender.statistics()["sockets"] == 12


def test_a_peer_that_does_not_read_is_given_up() -> None:
    with silent_peer() as port, sending(block_timeout_s=0.1) as sender:
        sender.send(HOST, port, LARGE, ticket=1, attempts=2, retry_pause_s=0.02)
        assert collect(sender, 1) == {1: errno.ETIMEDOUT}
        assert sender.statistics()["sockets"] == 0


def test_a_peer_that_does_not_answer_is_given_up() -> None:
    # A backlog that is full: the kernel drops further connection requests.
    with socket.socket() as listener, ExitStack() as stack:
        listener.bind((HOST, 0))
        listener.listen(0)
        while True:
            filler = stack.enter_context(socket.socket())
            filler.settimeout(0.1)
            try:
                filler.connect(listener.getsockname())
            except TimeoutError:
                break
        with sending(connect_timeout_s=0.1) as sender:
            sender.send(*listener.getsockname(), BLOCK, ticket=1, attempts=1)
            assert collect(sender, 1) == {1: errno.ETIMEDOUT}


def test_addresses_that_lead_nowhere_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_SENDER_SOCKETS", 4)
    with ExitStack() as stack:
        silent = [stack.enter_context(silent_peer()) for _ in range(8)]
        server = stack.enter_context(serving())
        # Longer than the test may take: only giving way lets the last message go.
        sender = stack.enter_context(sending(block_timeout_s=3600, max_sockets_per_destination=1))
        for ticket, port in enumerate(silent, 1):
            sender.send(HOST, port, LARGE, ticket=ticket, attempts=1)
        sender.send(*server.address, BLOCK, ticket=99)
        assert 99 in collect(sender, 6)
        assert sender.stop(0) is False


def test_a_peer_that_closes_early_fails_the_message() -> None:
    with socket.create_server((HOST, 0)) as listener, sending() as sender:
        sender.send(*listener.getsockname(), LARGE, ticket=1, attempts=1)
        accepted, _address = listener.accept()
        accepted.close()
        assert collect(sender, 1)[1] in (errno.ECONNRESET, errno.EPIPE)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_pending": 3}, r"pending messages have reached 3"),
        ({"max_pending_bytes": 3 * 2048}, r"pending messages would exceed 6144 bytes"),
        (
            {"max_pending_per_destination": 3},
            r"messages pending for 127.0.0.1:\d+ have reached 3",
        ),
    ],
)
def test_bounds_are_told(options: dict[str, int], words: str) -> None:
    with sending(**options) as sender:
        port = free_port()
        for _ in range(3):
            sender.send(HOST, port, BLOCK, retry_pause_s=60)
        with pytest.raises(Overloaded, match=f"^{words}$"):
            sender.send(HOST, port, BLOCK)
        assert sender.statistics()["rejected"] == 1
        assert sender.statistics()["pending"] == 3


def test_outcomes_nobody_fetches_are_bounded() -> None:
    with serving() as server, sending(max_pending=3) as sender:
        for ticket in (1, 2, 3):
            sender.send(*server.address, BLOCK, ticket=ticket)
        receive(server, 3)
        eventually(lambda: sender.statistics()["sent"] == 3)
        with pytest.raises(Overloaded):
            sender.send(*server.address, BLOCK, ticket=4)
        assert collect(sender, 3) == {1: 0, 2: 0, 3: 0}
        sender.send(*server.address, BLOCK, ticket=4)
        assert collect(sender, 1) == {4: 0}


def test_stop_sends_what_waits() -> None:
    with serving() as server, sending() as sender:
        for ticket in range(1, 501):
            sender.send(*server.address, BLOCK, ticket=ticket)
        assert sender.stop(DEADLINE_S) is True
        assert len(receive(server, 500)) == 500
        assert len(sender.completions(1000) or []) == 500
        assert sender.completions(1) is None
        with pytest.raises(NotRunning):
            sender.send(*server.address, BLOCK)


def test_stop_cancels_what_cannot_go() -> None:
    with silent_peer() as silent, sending() as sender:
        sender.send(HOST, silent, LARGE, ticket=1)
        sender.send(HOST, free_port(), BLOCK, ticket=2, retry_pause_s=60)
        eventually(lambda: sender.statistics()["retries"] == 1)
        assert sender.stop(0.05) is False
        assert collect(sender, 2) == {1: errno.ECANCELED, 2: errno.ECANCELED}
        assert sender.completions(1) is None
        assert sender.statistics()["pending"] == 0


def test_stop_does_not_wait_for_peers_that_are_down() -> None:
    with sending() as sender:
        sender.send(HOST, free_port(), BLOCK, ticket=1, attempts=100, retry_pause_s=3600)
        eventually(lambda: sender.statistics()["retries"] == 1)
        assert sender.stop(3600) is False
        assert collect(sender, 1) == {1: errno.ECANCELED}


def test_close_wakes_who_waits() -> None:
    with silent_peer() as silent, sending() as sender, ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(sender.completions, 1) for _ in range(2)]
        sender.send(HOST, silent, LARGE)
        stopping = pool.submit(sender.stop, DEADLINE_S)
        sender.close()
        assert [job.result(DEADLINE_S) for job in waiting] == [None, None]
        assert stopping.result(DEADLINE_S) is False
        sender.close()


def test_a_sender_sends_to_its_own_process() -> None:
    with serving() as server, sending() as sender:
        for _ in range(100):
            sender.send("0.0.0.0", server.address[1], BLOCK)
        assert {message.peer_ip for message in receive(server, 100)} == {HOST}


@pytest.mark.leak
def test_descriptors_and_threads_are_given_back() -> None:
    def used() -> tuple[int, int]:
        return (len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task")))

    before = used()
    for _ in range(3):
        with silent_peer() as silent, sending() as sender:
            for _ in range(5):
                sender.send(HOST, silent, LARGE)
            eventually(lambda: sender.statistics()["sockets"] == 5)
    assert used() == before


@pytest.mark.leak
def test_an_unclosed_sender_is_closed_and_told() -> None:
    before = len(list(Path("/proc/self/task").iterdir()))
    sender = Sender()
    sender.start()
    with pytest.warns(ResourceWarning, match="unclosed <Sender>"):
        del sender
    assert len(list(Path("/proc/self/task").iterdir())) == before


@pytest.mark.parametrize(
    ("ip", "port", "blocks", "words"),
    [
        ("localhost", 1, BLOCK, "destination 'localhost' is no IPv4 address in numbers"),
        ("", 1, BLOCK, "destination '' is no IPv4 address in numbers"),
        ("::1", 1, BLOCK, "destination '::1' is no IPv4 address in numbers"),
        (HOST, 0, BLOCK, "port 0 is not in 1..65535"),
        (HOST, 65536, BLOCK, "port 65536 is not in 1..65535"),
        (HOST, 1, b"", "0 bytes are no whole blocks of 2048"),
        (HOST, 1, BLOCK[:-1], "2047 bytes are no whole blocks of 2048"),
    ],
)
def test_wrong_messages_are_told(ip: str, port: int, blocks: bytes, words: str) -> None:
    with sending() as sender, pytest.raises(LocalProtocolError, match=f"^{words}$"):
        sender.send(ip, port, blocks)


def test_a_sender_lives_once() -> None:
    sender = Sender()
    with pytest.raises(NotRunning):
        sender.send(HOST, 1, BLOCK)
    with pytest.raises(NotRunning):
        sender.completions(1)
    assert sender.stop(1) is True
    sender.close()
    with sending() as sender, pytest.raises(AlreadyRunning):
        sender.start()
    with pytest.raises(ConfigurationError, match=r"^max_pending 0 is not in 1\.\.\d+$"):
        Sender(max_pending=0)
