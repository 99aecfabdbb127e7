"""A long run: does a server keep memory or descriptors of messages that are over."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

from bench.build import build
from bench.child import Child, descriptors, memory, running_child, wait_until
from edgelake import limits

__all__ = ["Soak", "SoakSize", "soak"]

_CLIENTS = 16
_WARM_UP = 0.05
_LOAD_S = 3600
_FILL = 2 * limits.MAX_QUEUED_MESSAGES
_SETTLE_S = 120.0


@dataclass(frozen=True, slots=True)
class SoakSize:
    """Messages of a run: on streams that are kept, and on a connection each."""

    kept: int
    connections: int


@dataclass(frozen=True, slots=True)
class Soak:
    """A server after a warm-up, and after all messages.

    The warm-up is a twentieth of the messages, once the queue has been full.
    """

    messages: int
    connection_messages: int
    resident_before: int
    resident_after: int
    descriptors_before: int
    descriptors_after: int

    def as_json(self) -> dict[str, int]:
        """Return the fields as JSON data."""
        return asdict(self)


def soak(
    size: SoakSize, threads: int, progress: Callable[[str], None] = lambda _step: None
) -> Soak:
    """Return what a message server with a Python handler keeps of many messages.

    Parameters
    ----------
    size : SoakSize
        At least 20 of each kind.
    threads : int
        I/O threads of the server.

    Raises
    ------
    RuntimeError
        A message was lost, or the server failed.
    """
    warm_up = SoakSize(int(size.kept * _WARM_UP), int(size.connections * _WARM_UP))
    rest = SoakSize(size.kept - warm_up.kept, size.connections - warm_up.connections)
    with running_child("bench.counting_server", "--threads", str(threads)) as server:
        progress(f"soak: {warm_up.kept + warm_up.connections:,} messages to warm up")
        _fill_queue(server)
        _send(server, warm_up, sent=_FILL)
        before, opened = memory(server.pid), descriptors(server.pid)
        progress(f"soak: {rest.kept + rest.connections:,} messages")
        _send(server, rest, sent=_FILL + warm_up.kept + warm_up.connections)
        after = memory(server.pid)
        return Soak(
            messages=size.kept + size.connections,
            connection_messages=size.connections,
            resident_before=before.resident_bytes,
            resident_after=after.resident_bytes,
            descriptors_before=opened,
            descriptors_after=descriptors(server.pid),
        )


def _fill_queue(server: Child) -> None:
    """Let the queue of the server be full once.

    Otherwise the memory would grow by chance, at whatever moment a busy
    machine lets the queue become longer than ever before.
    """
    server.ask("hold")
    with ThreadPoolExecutor(1) as pool:
        load = pool.submit(_load, server.port, _FILL, "--kept")
        try:
            wait_until(lambda: load.done() or _is_full(server), "a full queue")
        finally:
            server.ask("go")
        load.result()


def _is_full(server: Child) -> bool:
    return bool(server.ask()["queued_messages"] >= limits.MAX_QUEUED_MESSAGES)


def _send(server: Child, size: SoakSize, sent: int) -> None:
    """Send messages both ways and wait until all were handled and all connections closed."""
    _load(server.port, size.kept, "--kept")
    _load(server.port, size.connections)
    expected = sent + size.kept + size.connections

    def done() -> bool:
        found = server.ask()
        return bool(found["counted"] >= expected and found["connections"] == 0)

    wait_until(done, f"{expected:,} messages handled", _SETTLE_S)
    if (counted := server.ask()["counted"]) != expected:
        raise RuntimeError(f"{counted:,} messages handled, {expected:,} were sent")


def _load(port: int, messages: int, *options: str) -> None:
    command = [str(build()["load"]), "--port", str(port), "--messages", str(messages)]
    command += ["--clients", str(min(_CLIENTS, messages)), "--threads", "2"]
    command += ["--seconds", str(_LOAD_S), *options]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=_LOAD_S + 60, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"load: status {done.returncode}: {done.stderr.strip()}")
    found = json.loads(done.stdout)
    if (found["messages"], found["errors"]) != (messages, 0):
        raise RuntimeError(f"load: {found['messages']} of {messages}: {found['first_error']}")
