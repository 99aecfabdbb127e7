"""Changes of followers on their way through a relay to its master, and the answers back."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial

from edgelake import limits
from edgelake.errors import (
    EdgeLakeError,
    Overloaded,
    PeerClosed,
    PeerError,
    PeerTimeout,
    RemoteError,
)
from edgelake.services.jobs import Answer, Jobs, PendingJob
from edgelake.services.tcp import TcpService
from edgelake.wire import Endpoint, wire_code

__all__ = ["Forwarded", "Forwarder"]

_FAILED = re.compile(r"Blockchain message '[^']*' failed\s*")


@dataclass(frozen=True, slots=True, eq=False)
class Forwarded:
    """One change that a follower sent.

    Attributes
    ----------
    text : str
        The command for a master that answers it, or for a further relay.
    old_text : str
        The command for an existing master.
    peer : str
        IP address that it came from.
    done : Future
        Gets the text that the master answers, empty from one that says nothing when it has
        done it; or `RemoteError` with its number, or that of what kept the change from it.
    """

    text: str
    old_text: str
    peer: str
    done: Future[str] = field(default_factory=Future)


@dataclass(slots=True)
class _Under:
    item: Forwarded
    until_s: float
    job: PendingJob | None = None


class Forwarder:
    """Sends changes on, in their order, and hands back what the master says. Thread-safe.

    Holds no thread: an answer is handed on by the thread that brings it, and a timer gives
    up what gets none. What is under way is lost with this node: its follower keeps it until
    the master has acknowledged it.

    Parameters
    ----------
    upstream : Endpoint
        The master, or the next relay.
    tcp : callable
        Returns the running TCP service or raises `TcpNotRunning`.
    jobs : Jobs

    Attributes
    ----------
    ours : bool or None
        The node that is followed keeps a log, and answers each change; ``None``: not known yet.
    forwarded : int
        How many were sent on.
    """

    def __init__(self, upstream: Endpoint, tcp: Callable[[], TcpService], jobs: Jobs) -> None:
        self.ours: bool | None = None
        self.forwarded = 0
        self._upstream = upstream
        self._tcp = tcp
        self._jobs = jobs
        self._lock = threading.Lock()
        self._closed = self._going = self._again = False
        self._waiting: deque[_Under] = deque()
        self._under_way: dict[int, _Under] = {}
        self._number = 0
        self._chars = 0
        self._of_peer: Counter[str] = Counter()
        self._timer: threading.Timer | None = None

    @property
    def pending(self) -> int:
        """How many changes wait, or are under way."""
        return len(self._waiting) + len(self._under_way)

    def forward(self, item: Forwarded) -> None:
        """Take a change; its future is done when the master has answered.

        Raises
        ------
        Overloaded
            Too many are under way; `limits.MAX_FORWARDED` and the following ones.
        PeerClosed
            The node that was followed is not any more.
        """
        until_s = time.monotonic() + limits.FORWARD_WAIT_S
        with self._lock:
            if self._closed:
                raise PeerClosed(f"this relay does not follow {self._upstream} any more")
            if (
                len(self._waiting) >= limits.MAX_FORWARDED_WAITING
                or self._of_peer[item.peer] >= limits.MAX_FORWARDED_OF_PEER
                or self._chars + len(item.text) > limits.MAX_FORWARDED_BYTES
            ):
                raise Overloaded(
                    f"{self.pending} changes are on their way to {self._upstream} already",
                    hint="try again later",
                )
            self._chars += len(item.text)
            self._of_peer[item.peer] += 1
            self._waiting.append(_Under(item, until_s))
            self._arm()
        self._go_on()

    def sweep(self) -> None:
        """Give up what has waited too long, and look again if there is more."""
        now_s = time.monotonic()
        with self._lock:
            late = [n for n, under in self._under_way.items() if under.until_s < now_s]
            gone = [self._taken_out(number) for number in late]
            while self._waiting and self._waiting[0].until_s < now_s:
                gone.append(self._waiting.popleft())
                self._forget(gone[-1].item)
            self._timer = None
            self._arm()
        for under in gone:
            if self.ours is False and under.job is not None:
                under.item.done.set_result("")
            else:
                self._refuse(under, PeerTimeout(f"{self._upstream} did not answer in time"))
        if gone:
            self._go_on()

    def close(self) -> None:
        """Give up all; may be called twice."""
        with self._lock:
            self._closed = True
            if self._timer is not None:
                self._timer.cancel()
            gone = [self._taken_out(number) for number in list(self._under_way)]
            gone += self._waiting
            self._waiting.clear()
            self._chars = 0
            self._of_peer.clear()
        for under in gone:
            self._refuse(under, PeerClosed(f"this relay does not follow {self._upstream} any more"))

    # ----------------------------------------------------------------- parts

    def _arm(self) -> None:
        """See to it that somebody sweeps; under the lock."""
        if self._timer is None and self.pending and not self._closed:
            self._timer = threading.Timer(limits.FORWARD_SWEEP_S, self.sweep)
            self._timer.name, self._timer.daemon = "forward-sweep", True
            self._timer.start()

    def _go_on(self) -> None:
        """Send what is next, as many as may be under way."""
        with self._lock:
            # One thread at a time: who fails at once comes here again.
            self._again = self._going
            if self._going:
                return
            self._going = True
        try:
            while self._batch_sent():
                pass
        except BaseException:
            with self._lock:
                self._going = False
            raise

    def _batch_sent(self) -> bool:
        """Send what may be; return whether there may be more meanwhile."""
        sent: list[tuple[int, PendingJob, Future[bool]]] = []
        failed: list[tuple[_Under, EdgeLakeError]] = []
        with self._lock:
            self._again = False
            # Sent under the lock: a delete must not overtake the policy that it follows.
            while self._waiting and len(self._under_way) < limits.MAX_FORWARDED:
                under = self._waiting.popleft()
                try:
                    sent.append(self._send(under))
                except EdgeLakeError as exc:
                    self._forget(under.item)
                    failed.append((under, exc))
        for under, error in failed:
            self._refuse(under, error)
        for number, job, future in sent:
            job.when_complete(partial(self._answered, number))
            future.add_done_callback(partial(self._sent, job))
        with self._lock:
            self._going = self._again
            return self._again

    def _send(self, under: _Under) -> tuple[int, PendingJob, Future[bool]]:
        if self.ours is None:
            raise PeerError(f"{self._upstream} was not heard yet")
        text = under.item.text if self.ours else under.item.old_text
        tcp = self._tcp()
        self._number += 1
        job = under.job = self._jobs.open()
        try:
            sent = tcp.request(self._upstream, text, job.header(0), attempts=1)
        except EdgeLakeError:
            self._jobs.close(job)
            raise
        self._under_way[self._number] = under
        if not self.ours:
            # An existing master says nothing when it has done it.
            under.until_s = time.monotonic() + limits.SILENT_REPLY_WAIT_S
        self.forwarded += 1
        return self._number, job, sent

    def _sent(self, job: PendingJob, done: Future[bool]) -> None:
        error = done.exception()
        if error is not None:
            job.fail(0, error)

    def _answered(self, number: int) -> None:
        """Hand an answer, or why there is none, to the follower; go on with the next."""
        with self._lock:
            if number not in self._under_way:
                return
            under = self._taken_out(number)
        job = under.job
        answer = job.answers.get(0) if job is not None else None
        if answer is not None:
            self._hand_back(under, answer)
        else:
            failure = job.failures.get(0) if job is not None else None
            self._refuse(under, PeerError(f"{self._upstream} was not reached: {failure}"))
        self._go_on()

    def _taken_out(self, number: int) -> _Under:
        under = self._under_way.pop(number)
        self._forget(under.item)
        if under.job is not None:
            self._jobs.close(under.job)
        return under

    def _forget(self, item: Forwarded) -> None:
        """Count a change no more; under the lock."""
        self._chars -= len(item.text)
        self._of_peer[item.peer] -= 1
        if self._of_peer[item.peer] <= 0:
            del self._of_peer[item.peer]

    def _hand_back(self, under: _Under, answer: Answer) -> None:
        if answer.error:
            reason = " ".join(_FAILED.sub("", answer.text, count=1).split())
            under.item.done.set_exception(RemoteError(reason, answer.error))
        else:
            under.item.done.set_result(answer.text)

    def _refuse(self, under: _Under, error: EdgeLakeError) -> None:
        reason = f"this relay did not bring it to the master: {error}"
        under.item.done.set_exception(RemoteError(reason, wire_code(error)))
