"""Jobs: who waits for which reply.

A request that somebody waits for carries a slot and a number; the answer
brings both back. Source: ``docs/protocol.md``, "Jobs".
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from edgelake import limits
from edgelake.errors import Overloaded
from edgelake.wire import (
    InfoType,
    Job,
    Message,
    TextFlag,
    command_text,
    data_text,
    reply_destination,
)

__all__ = ["Answer", "Jobs", "PendingJob", "answer_from"]

_LARGE_BYTES = 64 * 1024
"""Of a text that is not kept twice, as bytes and as characters."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one receiver of a job answered.

    Attributes
    ----------
    source : str
        ``ip:port`` from the reply's header.
    said : str or bytes
        The text; one that is large, and came as bytes of UTF-8, is left so.
    error : int
        0, or the peer's error number.
    json : bool
        The peer says that the text is JSON.
    """

    source: str
    said: str | bytes
    error: int = 0
    json: bool = False

    @property
    def text(self) -> str:
        """What was said, as text."""
        return self.said if isinstance(self.said, str) else self.said.decode()

    @property
    def data(self) -> bytes:
        """What was said, as UTF-8."""
        return self.said if isinstance(self.said, bytes) else self.said.encode()


def answer_from(message: Message) -> Answer | None:
    """Return the answer that a ``print``, ``echo`` or ``job reply`` carries, else ``None``.

    Raises
    ------
    RemoteProtocolError
        Its text is not UTF-8.
    """
    command = command_text(message).replace("\t", " ")
    word, _, rest = command.partition(" ")
    text: str | bytes
    if word in ("print", "echo"):
        text = rest + data_text(message)
        if not rest and len(message.data) > _LARGE_BYTES:
            text = message.data  # it was looked at, and is UTF-8
    elif command == "job reply":
        # Rows belong to queries; what else comes is an error or a structure.
        text = "" if message.info_type == InfoType.ROWS else data_text(message)
    else:
        return None
    return Answer(
        str(reply_destination(message) or message.peer_ip),
        text,
        message.error,
        message.generic_flag == TextFlag.JSON,
    )


class PendingJob:
    """A job that waits. A context manager: leaving it frees the slot."""

    def __init__(self, jobs: Jobs, location: int, number: int, receivers: int) -> None:
        self._jobs = jobs
        self._changed = threading.Condition()
        self._failures: dict[int, BaseException] = {}
        self._excused: set[int] = set()
        self._told: Callable[[], None] | None = None
        self.location = location
        self.number = number
        self.receivers = receivers
        self.answers: dict[int, Answer] = {}

    def header(self, index: int) -> Job:
        """Return the header fields of the request to receiver ``index``, 0-based."""
        return Job(self.location, self.number, self.receivers, index)

    def take(self, index: int, answer: Answer) -> bool:
        """Keep the answer of one receiver; return whether it was awaited."""
        with self._changed:
            if not 0 <= index < self.receivers or index in self.answers:
                return False
            self.answers[index] = answer
            self._tell()
            return True

    def fail(self, index: int, error: BaseException) -> None:
        """Note that a receiver got no request and will not answer."""
        with self._changed:
            self._failures[index] = error
            self._tell()

    def excuse(self, index: int) -> None:
        """Note that a receiver has the request and answers nothing to it."""
        with self._changed:
            self._excused.add(index)
            self._tell()

    @property
    def failures(self) -> dict[int, BaseException]:
        """Why receivers did not get the request, by index."""
        with self._changed:
            return dict(self._failures)

    @property
    def excused(self) -> set[int]:
        """Receivers that have the request and answer nothing to it, by index."""
        with self._changed:
            return set(self._excused)

    def when_complete(self, call: Callable[[], None]) -> None:
        """Call back once when every receiver has answered or failed; waits for nothing.

        Parameters
        ----------
        call : callable
            From any thread, maybe from within this method; must not block or raise.
        """
        with self._changed:
            self._told = call
            self._tell()

    def wait(self, timeout_s: float, watch: Callable[[], None] | None = None) -> bool:
        """Wait until every receiver has answered or failed.

        Parameters
        ----------
        timeout_s : float
        watch : callable or None
            Called a few times a second meanwhile; ends the wait by raising. Must not block.

        Returns
        -------
        bool
            False when ``timeout_s`` seconds passed first.
        """
        deadline = time.monotonic() + timeout_s
        with self._changed:
            return self._until(self._complete, deadline, watch)

    def arrivals(self, timeout_s: float, watch: Callable[[], None] | None = None) -> Iterator[int]:
        """Yield the index of each receiver when its answer is there, or why there will be none.

        Ends when all are told or ``timeout_s`` seconds have passed. For ``watch`` see `wait`.
        """
        deadline = time.monotonic() + timeout_s
        told: set[int] = set()
        while len(told) < self.receivers:
            with self._changed:
                if not self._until(lambda: bool(self._done() - told), deadline, watch):
                    return
                new = sorted(self._done() - told)
            told.update(new)
            yield from new

    def _until(
        self, holds: Callable[[], bool], deadline: float, watch: Callable[[], None] | None
    ) -> bool:
        """Wait with the lock held until something holds; return whether it does in time."""
        while not holds():
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return False
            if watch is not None:
                watch()
                left_s = min(left_s, limits.WATCH_S)
            self._changed.wait(left_s)
        return True

    def _tell(self) -> None:
        """Wake who waits; with the lock held."""
        self._changed.notify_all()
        if self._told is not None and self._complete():
            told, self._told = self._told, None
            told()

    def _done(self) -> set[int]:
        return self.answers.keys() | self._failures.keys() | self._excused

    def _complete(self) -> bool:
        return len(self._done()) >= self.receivers

    def __enter__(self) -> PendingJob:
        """Return the job."""
        return self

    def __exit__(self, *error: object) -> None:
        """Free the slot: later answers are strays."""
        self._jobs.close(self)


class Jobs:
    """The slots of jobs that wait, at most ``limits.JOB_SLOTS``. Thread-safe.

    Numbers are drawn at random, so that a stranger who guesses cannot answer
    for a peer; existing nodes only copy them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._slots: dict[int, PendingJob] = {}
        self._next = 0
        self.strays = 0

    def open(self, receivers: int = 1) -> PendingJob:
        """Return a new job for that many receivers, registered before anything is sent.

        Raises
        ------
        Overloaded
            Every slot waits.
        """
        with self._lock:
            if len(self._slots) >= limits.JOB_SLOTS:
                raise Overloaded(f"{limits.JOB_SLOTS} jobs wait for replies already")
            while self._next in self._slots:
                self._next = (self._next + 1) % limits.JOB_SLOTS
            number = secrets.randbelow(limits.MAX_JOB_ID - 1) + 1
            job = PendingJob(self, self._next, number, receivers)
            self._slots[self._next] = job
            self._next = (self._next + 1) % limits.JOB_SLOTS
            return job

    def deliver(self, location: int, number: int, index: int, answer: Answer) -> bool:
        """Hand an answer to the job that waits for it; return whether one did."""
        with self._lock:
            job = self._slots.get(location)
        if job is not None and job.number == number and job.take(index, answer):
            return True
        with self._lock:
            self.strays += 1
        return False

    def close(self, job: PendingJob) -> None:
        """Free the slot of a job; may be called twice."""
        with self._lock:
            if self._slots.get(job.location) is job:
                del self._slots[job.location]
