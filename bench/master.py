"""Polls of a master: what a follower asks at each cycle, and what that costs.

`bench_sync.py` and the part ``ledger`` measure with what is here.
"""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bench.child import Child, cpu_seconds, running_child, wait_until
from edgelake.wire import Assembler, request_blocks

__all__ = ["POLICIES", "Master", "running_floor", "running_master"]

POLICIES = (100, 1000, 10_000)
"""Sizes of the ledger that are measured."""

_NAME = "ledger.new"
_NO_ANSWER = 0
_TIMEOUT_S = 60.0
_RECEIVE_BYTES = 1024 * 1024


@dataclass(slots=True)
class Master:
    """A master, or the floor of one, in a process of its own.

    Attributes
    ----------
    hash : str
        Of its ledger: a poll with it is one of an unchanged ledger.
    """

    child: Child
    hash: str
    _listener: socket.socket
    _handled: int = field(default=0)

    def poll_unchanged(self, count: int) -> float:
        """Poll ``count`` times, a connection each, and return the master's processor time.

        Nothing is answered, so that the master's own count tells when it is
        done with them. Asking for that count is part of the time; for a few
        hundred polls it is less than 1 %.

        Raises
        ------
        RuntimeError
            The master did not handle them.
        """
        poll = request_blocks(
            f"event get_blockchain {_NAME} {self.hash} 0", "127.0.0.1", _NO_ANSWER
        )
        before = cpu_seconds(self.child.pid)
        for _ in range(count):
            self._send(poll)
        self._handled += count
        wait_until(lambda: self._count() >= self._handled, f"{count} polls handled")
        return cpu_seconds(self.child.pid) - before

    def poll_changed(self) -> bytes:
        """Poll as one who has another ledger; return the message with the file, as it came."""
        port = self._listener.getsockname()[1]
        self._send(request_blocks(f"event get_blockchain {_NAME} 0 0", "127.0.0.1", port))
        self._handled += 1
        received = bytearray()
        peer, _ = self._listener.accept()
        with peer:
            peer.settimeout(_TIMEOUT_S)
            while more := peer.recv(_RECEIVE_BYTES):
                received += more
        return bytes(received)

    def policies(self) -> int:
        """Return how many policies a changed poll brings.

        Raises
        ------
        RuntimeError
            It brings something else than a ledger file.
        """
        (message,) = Assembler().feed(self.poll_changed())
        if not message.command.startswith(b"file write"):
            raise RuntimeError(f"the master answered {message.command!r}")
        return message.data.count(b"\n")

    def settle(self) -> None:
        """Wait until the master is done with all that it was sent."""
        wait_until(lambda: self._count() >= self._handled, "the master to be idle")

    def _count(self) -> int:
        return int(self.child.ask()["handled"])

    def _send(self, blocks: bytes) -> None:
        with socket.create_connection(("127.0.0.1", self.child.port), timeout=_TIMEOUT_S) as peer:
            peer.sendall(blocks)


@contextmanager
def running_master(policies: int) -> Iterator[Master]:
    """Run a node that is a master with so many policies, at least 1.

    Raises
    ------
    RuntimeError
        It failed, or serves another number of policies.
    """
    with (
        tempfile.TemporaryDirectory(prefix="edgelake-bench-") as home,
        running_child("bench.master_node", "--home", home, "--policies", str(policies)) as child,
        _listening() as listener,
    ):
        master = Master(child, child.ready["hash"], listener)
        if (served := master.policies()) != policies:
            raise RuntimeError(f"the master serves {served} policies, {policies} were stored")
        master.settle()
        yield master


@contextmanager
def running_floor(answer_bytes: int) -> Iterator[Master]:
    """Run a plain Python loop that takes polls and sends ``answer_bytes`` for a changed ledger."""
    with (
        running_child("bench.master_node", "--floor", str(answer_bytes)) as child,
        _listening() as listener,
    ):
        yield Master(child, "f" * 32, listener)


@contextmanager
def _listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(_TIMEOUT_S)
        yield listener
