"""Memory of a node without work, and of a server with connections that do nothing."""

from __future__ import annotations

import random
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import IO

from bench.build import ROOT
from bench.child import (
    Child,
    Memory,
    allow_descriptors,
    last_words,
    memory,
    running_child,
    wait_until,
)
from bench.start_up import node_command
from edgelake.wire import request_blocks

__all__ = ["ConnectionMemory", "connection_memory", "idle_memory"]

_RUN_TIMEOUT_S = 30.0
_LISTEN_TIMEOUT_S = 30.0
_STABLE_S = 0.5
_STABLE_TIMEOUT_S = 10.0
_POLL_S = 0.05
_LISTEN_STATE = "0A"
_SPARE_DESCRIPTORS = 64
_NO_LINGER = struct.pack("ii", 1, 0)


# ------------------------------------------------------------------ a node


def idle_memory() -> Memory:
    """Return the memory of a node with a TCP server, once it no longer changes.

    Raises
    ------
    RuntimeError
        The node ended, or does not listen; with its last words.
    """
    port = _free_port()
    listen = f"run tcp server where external_ip = 127.0.0.1 and external_port = {port}"
    with (
        tempfile.TemporaryDirectory(prefix="edgelake-bench-") as home,
        tempfile.TemporaryFile() as words,
    ):
        # It reads commands from a pipe that nothing comes through, and ends with it:
        # that happens too when this process is killed.
        command = [*node_command(), "--home", home, "--console", "-c", listen]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=words, stderr=words, cwd=ROOT
        ) as process:
            try:
                _wait_until_listening(process, port, words)
                found = _stable_memory(process, words)
                process.communicate(timeout=_RUN_TIMEOUT_S)
                if process.returncode != 0:
                    raise RuntimeError(last_words(command, process.returncode, words))
            except BaseException:
                process.kill()
                raise
    return found


def _free_port() -> int:
    """Return a port below the ephemeral ones, so that no connection takes it meanwhile."""
    for port in random.sample(range(20_000, 32_768), 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    raise RuntimeError("no free port from 20000 to 32767")


def _wait_until_listening(process: subprocess.Popen[bytes], port: int, words: IO[bytes]) -> None:
    # From the table of sockets: a connection to try it would be work for the node.
    deadline = time.monotonic() + _LISTEN_TIMEOUT_S
    while time.monotonic() < deadline:
        if port in _listening_ports():
            return
        _pause(process, words)
    raise RuntimeError(f"the node does not listen on {port} after {_LISTEN_TIMEOUT_S:g} s")


def _listening_ports() -> set[int]:
    ports = set()
    with open("/proc/net/tcp", encoding="ascii") as table:
        next(table)
        for line in table:
            _, local, _, state = line.split(maxsplit=4)[:4]
            # They come first; behind them may be 100,000 in TIME_WAIT.
            if state != _LISTEN_STATE:
                break
            ports.add(int(local.rpartition(":")[2], 16))
    return ports


def _stable_memory(process: subprocess.Popen[bytes], words: IO[bytes]) -> Memory:
    found = memory(process.pid)
    changed = begin = time.monotonic()
    while time.monotonic() - changed < _STABLE_S:
        if time.monotonic() - begin > _STABLE_TIMEOUT_S:
            raise RuntimeError(f"memory still changes after {_STABLE_TIMEOUT_S:g} s")
        _pause(process, words)
        latest = memory(process.pid)
        if latest != found:
            found, changed = latest, time.monotonic()
    return found


def _pause(process: subprocess.Popen[bytes], words: IO[bytes]) -> None:
    """Wait a moment, or raise when the process ends in it."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(_POLL_S)
        raise RuntimeError(last_words(["edgelake"], process.returncode, words))


# ------------------------------------------------------------- connections


@dataclass(frozen=True, slots=True)
class ConnectionMemory:
    """Memory of a message server with idle connections.

    Attributes
    ----------
    connections : int
        How many are open.
    resident_bytes : int
        Of the process, when they are open and have sent nothing.
    per_connection_bytes : float
        What each of them added to the private memory of the process; 0.0
        without connections. What the kernel keeps for a socket is not in it.
    used_resident_bytes, used_per_connection_bytes
        The same after each of them has sent a whole message and stays.
    """

    connections: int
    resident_bytes: int
    per_connection_bytes: float
    used_resident_bytes: int
    used_per_connection_bytes: float

    def as_json(self) -> dict[str, float]:
        """Return the fields as JSON data."""
        return asdict(self)


def connection_memory(
    counts: Sequence[int], threads: int, progress: Callable[[str], None] = lambda _step: None
) -> list[ConnectionMemory]:
    """Return the memory of a server at each number of idle connections, a new server for each.

    Parameters
    ----------
    counts : sequence of int
        At most 9,000 within the limit of a server.
    threads : int
        I/O threads of the server.

    Raises
    ------
    RuntimeError
        The system grants too few descriptors, or the server failed.
    """
    granted = allow_descriptors()
    if granted < max(counts) + _SPARE_DESCRIPTORS:
        raise RuntimeError(f"{max(counts)} connections need more than {granted} descriptors")
    found = []
    for count in counts:
        progress(f"memory of {count:,} idle connections")
        with running_child("bench.counting_server", "--threads", str(threads)) as server:
            found.append(_measure(server, count))
    return found


def _measure(server: Child, count: int) -> ConnectionMemory:
    block = request_blocks("set a = 5", "127.0.0.1", 0)
    # What a server allocates at its first message is not the cost of a connection.
    with _connected(server, 1) as [first]:
        first.sendall(block)
        wait_until(lambda: server.ask()["counted"] == 1, "the first message handled")
    wait_until(lambda: server.ask()["connections"] == 0, "the first connection closed")
    before = memory(server.pid)
    with _connected(server, count) as peers:
        opened = memory(server.pid)
        for peer in peers:
            peer.sendall(block)
        wait_until(lambda: server.ask()["counted"] == count + 1, f"{count} messages handled")
        used = memory(server.pid)
        if (still := server.ask()["connections"]) != count:
            raise RuntimeError(f"{still} of {count} connections are open")
    return ConnectionMemory(
        connections=count,
        resident_bytes=opened.resident_bytes,
        per_connection_bytes=_each(before, opened, count),
        used_resident_bytes=used.resident_bytes,
        used_per_connection_bytes=_each(before, used, count),
    )


def _each(before: Memory, after: Memory, count: int) -> float:
    return (after.private_bytes - before.private_bytes) / count if count else 0.0


@contextmanager
def _connected(server: Child, count: int) -> Iterator[list[socket.socket]]:
    """Hold so many connections open, all of them accepted."""
    peers: list[socket.socket] = []
    try:
        for _ in range(count):
            peers.append(socket.create_connection(("127.0.0.1", server.port), timeout=10.0))
        wait_until(lambda: server.ask()["connections"] == count, f"{count} connections accepted")
        yield peers
    finally:
        for peer in peers:
            # A reset leaves no port in TIME_WAIT: there are only so many for the next load.
            with suppress(OSError):
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            peer.close()
