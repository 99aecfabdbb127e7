"""Whole stations: a server and a sender that belong together, as nodes have them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from itertools import count
from typing import Any

from edgelake import MessageServer
from edgelake.services.jobs import Answer, answer_from
from edgelake.wire import Endpoint, Job, Message, MessageSender, Reply, request_blocks
from tests.old_node import announces, command_of
from tests.sessions import HOST, PATIENCE_S, Line, Place, accepting, request
from tests.waiting import eventually


class Station:
    """A server and a sender that belong together, and who waits for which answer.

    Parameters
    ----------
    respond : callable
        What a request is answered with.
    **options
        Of `MessageServer`.
    """

    def __init__(
        self, respond: Callable[[Message], Reply | None] = lambda message: None, **options: Any
    ) -> None:
        self._respond = respond
        self._numbers = count(1)
        self._jobs: dict[int, Future[Answer]] = {}
        self.taken: list[Message] = []
        self.sender = MessageSender()
        options = {"threads": 2, **options}
        host, port = options.pop("host", HOST), options.pop("port", 0)
        self.server = MessageServer(host, port, handler=self._take, sender=self.sender, **options)

    def start(self) -> None:
        """Start both."""
        self.sender.start()
        self.server.start()

    def stop(self) -> None:
        """Stop both, as a node does."""
        self.server.stop(5)
        self.sender.stop(5)

    @property
    def place(self) -> Place:
        """Where the server listens."""
        return self.server.address

    @property
    def endpoint(self) -> Endpoint:
        """The same, to be sent to."""
        return Endpoint(*self.place)

    def tell(self, to: Place, blocks: bytes, **options: Any) -> Future[bool]:
        """Send a message."""
        return self.sender.send(Endpoint(*to), blocks, **options)

    def ask(
        self, to: Place, command: str, source: Place | None = None, **options: Any
    ) -> Future[Answer]:
        """Send a request; returns its answer, or why it could not be sent."""
        number = next(self._numbers)
        answer: Future[Answer] = Future()
        self._jobs[number] = answer
        blocks = request_blocks(command, *(source or self.place), Job(number=number))

        def check(sent: Future[bool]) -> None:
            error = sent.exception()
            if error is not None:
                answer.set_exception(error)

        self.tell(to, blocks, **options).add_done_callback(check)
        return answer

    def figures(self) -> dict[str, int]:
        """Return the server's counters."""
        return self.server.statistics()

    def _take(self, message: Message) -> Reply | None:
        answer = answer_from(message)
        if answer is not None and message.job_id:
            self._jobs.pop(message.job_id).set_result(answer)
            return None
        self.taken.append(message)
        return self._respond(message)


@contextmanager
def station(
    respond: Callable[[Message], Reply | None] = lambda message: None, **options: Any
) -> Iterator[Station]:
    """Have a station for a while."""
    made = Station(respond, **options)
    made.start()
    try:
        yield made
    finally:
        made.stop()


def echo(message: Message) -> Reply:
    """Answer a request with its own text and data."""
    return Reply.ok(message.command.decode() + message.data.decode())


def offered(new: Station, place: Place, accept: Callable[[], Line]) -> tuple[Line, bytes]:
    """Have a station offer a session to a peer played by hand."""
    assert new.tell(place, request("print 1")).result(PATIENCE_S) is False
    line = accept()
    return line, line.block()


def joined(new: Station, place: Place, accept: Callable[[], Line]) -> Line:
    """Have a session from a station to a peer played by hand."""
    line, offer = offered(new, place, accept)
    line.send(accepting(offer, place))
    eventually(lambda: new.figures()["sessions"] == 1, "the session")
    return line


def classic(accept: Callable[[], Line]) -> str:
    """Return the command of the next message, which has a connection of its own."""
    with accept() as line:
        message = line.message()
        assert not announces(message)
        assert line.block() == b""
        return command_of(message)


def descriptors() -> int:
    """Return how many descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))


def native_threads() -> list[str]:
    """Return the names of the threads that no Python code started."""
    found = []
    for number in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{number}/comm") as name:
                found.append(name.read().strip())
        except FileNotFoundError:
            continue
    return sorted(name for name in found if name.startswith("el-"))
