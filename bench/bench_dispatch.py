"""Messages into a Python handler, and a command from a client to the answer of a node."""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pytest_benchmark.fixture import BenchmarkFixture

from edgelake import Client, Message, MessageServer, Node
from edgelake.wire import request_blocks

MESSAGES = 10_000
ROUNDS = 7
THREADS = 2
BLOCK = request_blocks("set a = 5", "127.0.0.1", 0)
STREAM = BLOCK * MESSAGES

DISPATCH = f"dispatch.{MESSAGES:,} messages on a kept connection"
STATUS = "dispatch.get status end to end"
DEADLINE_S = 30.0
LISTEN = "run tcp server where external_ip = 127.0.0.1 and external_port = 0 and bind = true"


class Arrivals:
    """Counts messages, from any thread, and tells when all of a round are there."""

    def __init__(self) -> None:
        self._count = itertools.count(1)
        self._total = 0
        self._lock = threading.Lock()
        self._round = threading.Event()

    def take(self, _message: Message) -> None:
        """Count one message."""
        # Without a lock, which would cost more than the call: next() is atomic.
        if next(self._count) % MESSAGES == 0:
            self._round.set()

    def take_all(self, messages: list[Message]) -> None:
        """Count the messages of a batch."""
        with self._lock:
            self._total += len(messages)
            if self._total % MESSAGES == 0:
                self._round.set()

    def wait(self) -> None:
        """Wait for the last message of this round."""
        assert self._round.wait(DEADLINE_S), "messages are missing"
        self._round.clear()


# ------------------------------------------------------------------ dispatch


def _run(benchmark: BenchmarkFixture, port: int, wait: Callable[[], None]) -> None:
    """Send the stream and wait until it has been handled, again and again."""
    benchmark.group = DISPATCH
    benchmark.extra_info["messages"] = MESSAGES
    benchmark.extra_info["bytes"] = len(STREAM)
    with socket.create_connection(("127.0.0.1", port)) as peer:

        def send() -> None:
            peer.sendall(STREAM)
            wait()

        benchmark.pedantic(send, rounds=ROUNDS, warmup_rounds=1)  # type: ignore[no-untyped-call]


def bench_floor_dispatch(benchmark: BenchmarkFixture) -> None:
    """Receive the bytes on a plain Python thread, which counts blocks."""
    done = threading.Event()

    def count() -> None:
        with listener.accept()[0] as peer:
            received = 0
            while more := peer.recv(65_536):
                received += len(more)
                if received == len(STREAM):
                    received = 0
                    done.set()

    def wait() -> None:
        assert done.wait(DEADLINE_S), "bytes are missing"
        done.clear()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=count, daemon=True)
        thread.start()
        _run(benchmark, listener.getsockname()[1], wait)
        thread.join(DEADLINE_S)


def bench_message(benchmark: BenchmarkFixture) -> None:
    """Call the handler with each message."""
    arrivals = Arrivals()
    with MessageServer("127.0.0.1", 0, threads=THREADS, handler=arrivals.take) as server:
        _run(benchmark, server.address[1], arrivals.wait)


def bench_batch(benchmark: BenchmarkFixture) -> None:
    """Call the handler with as many messages as there are."""
    arrivals = Arrivals()
    with MessageServer(
        "127.0.0.1", 0, threads=THREADS, batch=True, handler=arrivals.take_all
    ) as server:
        _run(benchmark, server.address[1], arrivals.wait)


# ---------------------------------------------------------------- get status


@contextmanager
def _on_a_thread(work: Callable[[], None]) -> Iterator[None]:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    yield
    thread.join(DEADLINE_S)


def _receive(peer: socket.socket) -> bytes:
    return peer.recv(len(BLOCK), socket.MSG_WAITALL)


def _describe_status(benchmark: BenchmarkFixture) -> None:
    benchmark.group = STATUS
    benchmark.extra_info["messages"] = 1


def bench_floor_connections(benchmark: BenchmarkFixture) -> None:
    """Send a block and get one back, each on a connection of its own."""
    _describe_status(benchmark)

    def answer() -> None:
        while True:
            with there.accept()[0] as peer:
                if not _receive(peer):
                    return
            with socket.create_connection(here.getsockname()) as peer:
                peer.sendall(BLOCK)

    def ask() -> bytes:
        with socket.create_connection(there.getsockname()) as peer:
            peer.sendall(BLOCK)
        with here.accept()[0] as peer:
            return _receive(peer)

    with (
        socket.create_server(("127.0.0.1", 0)) as here,
        socket.create_server(("127.0.0.1", 0)) as there,
        _on_a_thread(answer),
    ):
        assert benchmark(ask) == BLOCK
        # A connection without a block ends the other side.
        socket.create_connection(there.getsockname()).close()


def bench_kept_connection(benchmark: BenchmarkFixture) -> None:
    """Send a block and get one back, all on one connection: what keeping it could save."""
    _describe_status(benchmark)

    def answer() -> None:
        with there.accept()[0] as peer:
            while block := _receive(peer):
                peer.sendall(block)

    def ask() -> bytes:
        peer.sendall(BLOCK)
        return _receive(peer)

    with (
        socket.create_server(("127.0.0.1", 0)) as there,
        _on_a_thread(answer),
        socket.create_connection(there.getsockname()) as peer,
    ):
        assert benchmark(ask) == BLOCK


def bench_get_status(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """Ask a whole node by `edgelake.Client` and wait for its answer."""
    _describe_status(benchmark)
    with Node(tmp_path) as node:
        node.run(LISTEN)
        address = node.run("get connections").data["TCP"]["bind"]
        with Client(address) as client:
            assert "running" in benchmark(client.request, "get status")
