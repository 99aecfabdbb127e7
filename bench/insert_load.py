"""Clients that insert into a master's ledger, each waiting for acknowledgements only."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from edgelake import limits
from edgelake.services.jobs import Answer, answer_from
from edgelake.wire import Endpoint, Job, Message, MessageSender, MessageServer, request_blocks

__all__ = ["InsertRate", "insert_rate"]

_FILL = "x" * 150


@dataclass(frozen=True, slots=True)
class InsertRate:
    """What came of a load.

    Attributes
    ----------
    acknowledged : int
        Policies that the master says it has stored.
    refused : int
        Other answers.
    seconds : float
        From the first sending to the last answer.
    latencies_s : tuple of float
        Of each acknowledgement, sorted.
    """

    acknowledged: int
    refused: int
    seconds: float
    latencies_s: tuple[float, ...]

    @property
    def per_second(self) -> float:
        """Acknowledged policies in a second."""
        return self.acknowledged / self.seconds if self.seconds else 0.0


class _Client:
    """One node that inserts: keeps a number of policies under way."""

    def __init__(self, master: Endpoint, name: str, count: int, window: int) -> None:
        self.latencies: list[float] = []
        self.refused = 0
        self._master = master
        self._name = name
        self._count = count
        self._window = window
        self._sent: dict[int, float] = {}
        self._next = 0
        self._lock = threading.Lock()
        self.done = threading.Event()
        self._sender = MessageSender()
        self._server = MessageServer(
            "127.0.0.1", 0, handler=self._take, threads=1, dispatch_threads=1, sender=self._sender
        )

    @contextmanager
    def running(self) -> Iterator[_Client]:
        self._sender.start()
        with self._server:
            yield self
        self._sender.stop(limits.STOP_TIMEOUT_S)

    def start(self) -> None:
        for _ in range(min(self._window, self._count)):
            self._send()

    def _send(self) -> None:
        with self._lock:
            if self._next >= self._count:
                return
            number = self._next = self._next + 1
            self._sent[number] = time.monotonic()
        body = {"name": f"{self._name}-{number}", "note": _FILL}
        command = f"blockchain push confirm {json.dumps({'device': body})}"
        host, port = self._server.address
        blocks = request_blocks(command, host, port, Job(0, number, 1, 0))
        self._sender.send(self._master, blocks, asks=True)

    def _take(self, message: Message) -> None:
        answer: Answer | None = answer_from(message)
        if answer is None:
            return
        with self._lock:
            begun = self._sent.pop(message.job_id, None)
            if begun is None:
                return
            if answer.error == 0 and answer.text.startswith("stored "):
                self.latencies.append(time.monotonic() - begun)
            else:
                self.refused += 1
            last = len(self.latencies) + self.refused == self._count
        if last:
            self.done.set()
        else:
            self._send()


def insert_rate(
    master: Endpoint,
    *,
    clients: int = 10,
    policies: int = 1000,
    window: int = 20,
    deadline_s: float = 120.0,
    name: Callable[[int], str] = "client{}".format,
) -> InsertRate:
    """Have clients insert policies as fast as the master acknowledges them.

    Parameters
    ----------
    policies : int
        Of each client.
    window : int
        Most policies of one client under way.
    name : callable
        Begins the names of one client's policies, by its number.

    Raises
    ------
    TimeoutError
        Answers are missing after ``deadline_s``.
    """
    with ExitStack() as stack:
        nodes = [
            stack.enter_context(_Client(master, name(n), policies, window).running())
            for n in range(clients)
        ]
        begun = time.monotonic()
        for node in nodes:
            node.start()
        for node in nodes:
            if not node.done.wait(max(0.0, begun + deadline_s - time.monotonic())):
                raise TimeoutError(f"not all policies were answered in {deadline_s:g} s")
        seconds = time.monotonic() - begun
    latencies = sorted(latency for node in nodes for latency in node.latencies)
    return InsertRate(
        len(latencies), sum(node.refused for node in nodes), seconds, tuple(latencies)
    )
