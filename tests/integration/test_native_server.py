"""The native server over real sockets: hostile peers, deadlines, marks, stops."""

from __future__ import annotations

import os
import select
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from edgelake._native import Message, Server, encode_message
from edgelake.errors import AlreadyRunning, ConfigurationError, NotRunning

DEADLINE_S = 15.0
BLOCK = encode_message(b"get status", source_ip=b"127.0.0.1", source_port=1)
LONG = encode_message(b"print", b"x" * 5000)


@contextmanager
def serving(**options: Any) -> Iterator[Server]:
    server = Server("127.0.0.1", 0, **{"threads": 2, **options})
    server.start()
    try:
        yield server
    finally:
        server.close()


def peer(server: Server) -> socket.socket:
    return socket.create_connection(server.address, timeout=DEADLINE_S)


def send(server: Server, blocks: bytes) -> None:
    with peer(server) as connection:
        connection.sendall(blocks)


def receive(server: Server, count: int) -> list[Message]:
    """Receive exactly so many messages, in time."""
    found: list[Message] = []
    end = time.monotonic() + DEADLINE_S
    while len(found) < count:
        assert time.monotonic() < end, f"{len(found)} of {count} messages arrived"
        found += server.receive(count - len(found), 0.05) or []
    return found


def eventually(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


def counted(server: Server, name: str, value: int) -> None:
    """Wait until a counter has exactly a value."""
    # A connection that moves to another worker is with neither for a moment.
    eventually(lambda: server.statistics()[name] == value)


def closed_by_server(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def patched(offset: int, layout: str, value: int) -> bytes:
    changed = bytearray(BLOCK)
    struct.pack_into(">" + layout, changed, offset, value)
    return bytes(changed)


def test_a_message_arrives_with_its_peer() -> None:
    with serving() as server, peer(server) as connection:
        connection.sendall(LONG)
        (message,) = receive(server, 1)
        assert (message.command, message.data, message.blocks) == (b"print", b"x" * 5000, 3)
        assert (message.peer_ip, message.peer_port) == connection.getsockname()


def test_messages_follow_one_another_on_a_connection() -> None:
    with serving() as server, peer(server) as connection:
        for _ in range(3):
            connection.sendall(BLOCK + LONG)
            assert [m.command for m in receive(server, 2)] == [b"get status", b"print"]
        assert server.statistics()["accepted"] == 1
        connection.shutdown(socket.SHUT_WR)
        assert closed_by_server(connection)
        assert server.statistics()["truncated"] == 0


def test_one_byte_at_a_time() -> None:
    with serving() as server, peer(server) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in BLOCK:
            connection.sendall(bytes([byte]))
        assert receive(server, 1)[0].command == b"get status"


def test_stalled_connections_do_not_delay_others() -> None:
    with serving(threads=2) as server, ExitStack() as stack:
        for number in range(200):
            stalled = stack.enter_context(peer(server))
            stalled.sendall(LONG[: 100 + number * 20])
        counted(server, "unfinished", 200)
        for _ in range(20):
            send(server, BLOCK)
            assert receive(server, 1)[0].command == b"get status"
        counted(server, "unfinished", 200)


@pytest.mark.parametrize(
    ("option", "begin", "counter"),
    [
        ("byte_timeout_s", LONG[:3000], "byte_timeout"),
        ("byte_timeout_s", LONG[:100], "byte_timeout"),
        ("byte_timeout_s", LONG[:2048], "byte_timeout"),
        ("message_timeout_s", LONG[:3000], "message_timeout"),
        ("idle_timeout_s", b"", "idle_timeout"),
        ("idle_timeout_s", BLOCK, "idle_timeout"),
    ],
)
def test_silence_ends_a_connection(option: str, begin: bytes, counter: str) -> None:
    options = {option: 0.05}
    with serving(**options) as server, peer(server) as connection:
        connection.sendall(begin)
        assert closed_by_server(connection)
        counted(server, counter, 1)
        eventually(lambda: server.statistics()["connections"] == 0)
        assert server.statistics()["assembly_bytes"] == 0


def test_a_message_in_drops_has_an_end_all_the_same() -> None:
    with serving(byte_timeout_s=5, message_timeout_s=0.2) as server, peer(server) as connection:
        drops = iter(LONG)
        while not select.select([connection], [], [], 0.01)[0]:
            connection.sendall(bytes([next(drops)]))
        assert closed_by_server(connection)
        counted(server, "message_timeout", 1)


def test_each_message_of_a_connection_has_its_own_time() -> None:
    with serving(message_timeout_s=0.4) as server, peer(server) as connection:
        end = time.monotonic() + 0.8
        while time.monotonic() < end:
            # Never idle: the next message has begun when one ends.
            connection.sendall(BLOCK[:1000])
            eventually(lambda: server.statistics()["unfinished"] == 1)
            connection.sendall(BLOCK[1000:])
            receive(server, 1)
        assert server.statistics()["message_timeout"] == 0


@pytest.mark.parametrize(
    ("bad", "counter"),
    [
        (patched(39, "H", 65535), "bad_header"),
        (patched(41, "H", 65535), "bad_header"),
        (patched(43, "I", 100_000), "bad_header"),
        (patched(72, "B", 255), "bad_header"),
        (bytes(2048), "bad_header"),
        (patched(30, "I", 2), "bad_counter"),
        (patched(30, "I", 2**32 - 1), "bad_counter"),
        (LONG[:2048] * 2, "bad_counter"),
        (patched(207, "B", 0xFF), "bad_text"),
        (encode_message(b"print", b"x" * 50_000), "too_large"),
        (LONG[:-1], "truncated"),
        (LONG[:4096], "truncated"),
        (BLOCK[:1], "truncated"),
    ],
)
def test_a_bad_peer_is_dropped_and_counted(bad: bytes, counter: str) -> None:
    with serving(max_message_bytes=20_000) as server, peer(server) as other:
        other.sendall(LONG[:3000])
        with peer(server) as connection:
            connection.sendall(bad)
            if counter == "truncated":
                connection.shutdown(socket.SHUT_WR)
            assert closed_by_server(connection)
        counted(server, counter, 1)
        other.sendall(LONG[3000:])
        assert receive(server, 1)[0].command == b"print"
        assert server.statistics()["messages"] == 1


def test_random_bytes_are_dropped() -> None:
    with serving() as server:
        for _ in range(50):
            with peer(server) as connection:
                connection.sendall(os.urandom(2048))
                assert closed_by_server(connection)
        statistics = server.statistics()
        dropped = ("bad_header", "bad_counter", "bad_text")
        assert sum(statistics[name] for name in dropped) + statistics["messages"] == 50
        send(server, BLOCK)
        assert receive(server, 1)


def test_unfinished_messages_share_their_memory() -> None:
    with serving(max_assembly_bytes=40_000) as server, ExitStack() as stack:
        begun = encode_message(b"print", b"x" * 20_000)[: 5 * 2048]
        for _ in range(8):
            stack.enter_context(peer(server)).sendall(begun)
        eventually(lambda: server.statistics()["too_large"] > 0)
        assert server.statistics()["assembly_bytes"] <= 40_000
        send(server, BLOCK)
        assert receive(server, 1)
    assert server.statistics()["assembly_bytes"] == 0


def test_the_longest_idle_connection_makes_room() -> None:
    with serving(threads=1, max_connections=3) as server, ExitStack() as stack:
        idle, silent, recent = (stack.enter_context(peer(server)) for _ in range(3))
        counted(server, "accepted", 3)
        silent.sendall(LONG[:3000])
        counted(server, "unfinished", 1)
        recent.sendall(BLOCK)
        receive(server, 1)
        stack.enter_context(peer(server)).sendall(LONG[:10])
        assert closed_by_server(idle)
        stack.enter_context(peer(server)).sendall(LONG[:10])
        assert closed_by_server(recent)
        counted(server, "unfinished", 3)
        stack.enter_context(peer(server))
        assert closed_by_server(silent)
        counted(server, "evicted", 3)
        assert server.statistics()["connections"] == 3


def test_reading_pauses_at_the_high_mark_and_loses_nothing() -> None:
    options = {"max_queued_messages": 20, "byte_timeout_s": 0.5, "threads": 2}
    with serving(**options) as server, peer(server) as unfinished:
        unfinished.sendall(LONG[:3000])
        counted(server, "unfinished", 1)
        with ThreadPoolExecutor(4) as pool:
            jobs = [pool.submit(send, server, BLOCK * 10) for _ in range(100)]
            eventually(lambda: server.statistics()["pauses"] >= 2)
            held = server.statistics()["queued_messages"]
            # What one round of each thread can read is above the mark, no more: one
            # full read of every connection that it accepts or is told of at a time.
            assert 20 <= held < 20 + 2 * 64 * 10
            # Longer than the time a peer has between two bytes: a pause of ours
            # does not count.
            time.sleep(0.7)
            assert server.statistics()["queued_messages"] == held
            assert server.statistics()["byte_timeout"] == 0
            unfinished.sendall(LONG[3000:])
            assert len(receive(server, 1001)) == 1001
            for job in jobs:
                job.result(DEADLINE_S)
        assert server.receive(1, 0) == []


def test_bytes_have_a_high_mark_too() -> None:
    with serving(max_queued_bytes=100_000, threads=1) as server, ThreadPoolExecutor(4) as pool:
        jobs = [
            pool.submit(send, server, encode_message(b"print", b"x" * 60_000)) for _ in range(8)
        ]
        eventually(lambda: server.statistics()["pauses"] >= 1)
        assert server.statistics()["queued_bytes"] >= 100_000
        assert len(receive(server, 8)) == 8
        for job in jobs:
            job.result(DEADLINE_S)


@pytest.mark.stress
def test_every_message_of_many_threads_arrives_once() -> None:
    senders, each = 16, 150
    start = threading.Barrier(senders)

    def work(sender: int) -> None:
        start.wait(DEADLINE_S)
        for number in range(each):
            send(server, encode_message(b"m", f"{sender} {number} ".encode() * (number % 400)))

    def collect() -> list[bytes]:
        found: list[bytes] = []
        while (batch := server.receive(64)) is not None:
            found += [message.data[: message.data.find(b" ", 3) + 1] for message in batch]
        return found

    with serving(threads=4) as server, ThreadPoolExecutor(senders + 3) as pool:
        collectors = [pool.submit(collect) for _ in range(3)]
        for job in [pool.submit(work, sender) for sender in range(senders)]:
            job.result(60)
        counted(server, "messages", senders * each)
        assert server.stop(DEADLINE_S)
        found = [data for job in collectors for data in job.result(DEADLINE_S)]
        assert len(found) == senders * each
        told = [data for data in found if data]
        assert len(set(told)) == len(told)
        assert sum(thread["messages"] for thread in server.threads()) == senders * each
        assert len(server.threads()) == 4


def test_the_port_can_be_bound_again_at_once() -> None:
    with serving() as server:
        send(server, BLOCK)
        with peer(server) as connection:
            connection.sendall(BLOCK)
            receive(server, 2)
            assert server.stop(1)
            again = Server(*server.address, threads=1)
            again.start()
            try:
                send(again, BLOCK)
                receive(again, 1)
            finally:
                again.close()


def test_stop_takes_what_was_accepted() -> None:
    with serving(threads=2) as server:
        for _ in range(300):
            send(server, BLOCK)
        assert server.stop(DEADLINE_S)
        assert not server.running
        with pytest.raises(ConnectionRefusedError):
            peer(server)
        assert len(receive(server, 300)) == 300
        assert server.receive(1) is None


def test_stop_lets_unfinished_messages_finish() -> None:
    with serving() as server, peer(server) as connection, peer(server) as idle:
        connection.sendall(LONG[:3000])
        counted(server, "unfinished", 1)
        with ThreadPoolExecutor(1) as pool:
            stopped = pool.submit(server.stop, DEADLINE_S)
            assert closed_by_server(idle)
            connection.sendall(LONG[3000:])
            assert stopped.result(DEADLINE_S) is True
        assert [m.command for m in receive(server, 1)] == [b"print"]
        assert server.receive(1) is None


def test_stop_cuts_off_what_does_not_finish() -> None:
    with serving() as server, peer(server) as connection:
        connection.sendall(LONG[:3000])
        counted(server, "unfinished", 1)
        assert server.stop(0.05) is False
        assert closed_by_server(connection)
        counted(server, "truncated", 1)
        assert server.stop(0.05) is False
        assert server.receive(1) is None


def test_stop_ends_a_pause() -> None:
    with serving(max_queued_messages=1, threads=1) as server:
        for _ in range(5):
            send(server, BLOCK)
        eventually(lambda: server.statistics()["pauses"] == 1)
        # Nobody takes messages, so the pause would last: the stop must end it, and
        # say whether what the kernel held was still taken.
        whole = server.stop(0.05)
        found = 0
        while (batch := server.receive(5)) is not None:
            found += len(batch)
        assert found == 5 or not whole
        assert found > 0


def test_close_wakes_who_waits() -> None:
    with serving() as server, ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(server.receive, 1) for _ in range(2)]
        stopping = pool.submit(server.stop, DEADLINE_S)
        server.close()
        assert [job.result(DEADLINE_S) for job in waiting] == [None, None]
        assert stopping.result(DEADLINE_S) in (True, False)
        server.close()
        assert server.receive(1) is None


@pytest.mark.leak
def test_descriptors_and_threads_are_given_back() -> None:
    def threads() -> int:
        return len(list(Path("/proc/self/task").iterdir()))

    # A sanitizer starts a thread of its own with the first thread of ours.
    with serving(threads=1):
        pass
    files, most = descriptors(), threads()
    for _ in range(3):
        with serving(threads=4) as server, ExitStack() as stack:
            for _ in range(10):
                stack.enter_context(peer(server)).sendall(LONG[:3000])
            counted(server, "unfinished", 10)
    assert descriptors() == files
    # A thread of an earlier test may have been on its way out.
    assert threads() <= most


@pytest.mark.leak
def test_an_unclosed_server_is_closed_and_told() -> None:
    before = descriptors()
    server = Server("127.0.0.1", 0, threads=1)
    server.start()
    with pytest.warns(ResourceWarning, match="unclosed <Server"):
        del server
    assert descriptors() == before


def test_a_taken_address_is_told_at_once() -> None:
    with serving() as server:
        other = Server(*server.address)
        with pytest.raises(OSError, match=r"Address already in use: 127\.0\.0\.1:\d+"):
            other.start()
        assert not other.running
        assert other.receive(1) is None
        other.close()


def test_a_server_lives_once() -> None:
    server = Server("127.0.0.1", 0)
    assert server.address == ("127.0.0.1", 0)
    assert server.stop(1) is True
    with pytest.raises(NotRunning):
        server.receive(1)
    with serving() as server:
        assert server.running
        with pytest.raises(AlreadyRunning):
            server.start()
        with pytest.raises(AlreadyRunning):
            server.__init__("127.0.0.1", 0)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"host": "localhost"}, "host 'localhost' is no IPv4 address in numbers"),
        ({"port": 65536}, "port 65536 is not in 0..65535"),
        ({"threads": 0}, "threads 0 is not in 1..64"),
        ({"threads": 65}, "threads 65 is not in 1..64"),
        ({"max_connections": 0}, "max_connections 0 is not in 1.."),
        ({"byte_timeout_s": -1}, "byte_timeout_s -1 is no time in seconds"),
        ({"idle_timeout_s": float("nan")}, "idle_timeout_s nan is no time in seconds"),
    ],
)
def test_wrong_settings_are_told(options: dict[str, Any], words: str) -> None:
    with pytest.raises((ConfigurationError, ValueError), match=words):
        Server(**{"host": "127.0.0.1", "port": 0, **options})


def test_out_of_descriptors_refuses_and_goes_on() -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with serving(threads=1) as server:
        client = socket.socket()
        with ExitStack() as stack:
            stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
            limit = max(int(name.name) for name in Path("/proc/self/fd").iterdir()) + 1
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
            holes = []
            while True:
                try:
                    holes.append(os.dup(0))
                except OSError:
                    break
            stack.callback(lambda: [os.close(hole) for hole in holes])
            with client:
                client.settimeout(DEADLINE_S)
                client.connect(server.address)
                assert closed_by_server(client)
                eventually(lambda: server.statistics()["accept_errors"] >= 1)
        send(server, BLOCK)
        assert receive(server, 1)


def test_signals_are_heard_while_waiting() -> None:
    class Heard(Exception):
        """Raised by the handler."""

    def raise_heard(*_arguments: object) -> None:
        raise Heard

    before = signal.signal(signal.SIGUSR1, raise_heard)
    timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1))
    try:
        with serving() as server:
            timer.start()
            with pytest.raises(Heard):
                server.receive(1, DEADLINE_S)
            send(server, BLOCK)
            assert receive(server, 1)
    finally:
        timer.join()
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.skipif(
    bool({"ASAN_OPTIONS", "TSAN_OPTIONS"} & set(os.environ)),
    reason="a sanitizer keeps memory that is freed",
)
def test_idle_connections_cost_little() -> None:
    def resident_kib() -> int:
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])

    with serving(threads=1) as server, ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(peer(server))
        counted(server, "connections", 20)
        before = resident_kib()
        for _ in range(300):
            stack.enter_context(peer(server)).sendall(BLOCK)
        receive(server, 300)
        counted(server, "connections", 320)
        # A buffer for each would be 600 KiB. The sockets here cost something too.
        assert resident_kib() - before < 500


def test_a_forked_child_leaves_the_server_alone() -> None:
    with serving() as server:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                server.close()
                server.statistics()
            except NotRunning:
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        send(server, BLOCK)
        assert receive(server, 1)
