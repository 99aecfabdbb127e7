"""A follower's place in its master's log: asks what follows it, and moves on."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future

from edgelake import limits
from edgelake.errors import LedgerInvalid, Overloaded, PeerClosed, PeerTimeout
from edgelake.interfaces import LogPosition
from edgelake.ledger import Adoption, LocalLedger
from edgelake.services.jobs import Answer, Jobs, PendingJob
from edgelake.services.ledger_news import LedgerNews, read_news
from edgelake.services.tcp import TcpService
from edgelake.wire import Endpoint

__all__ = ["Following"]

_STEP_S = 0.05
_NOWHERE = LogPosition("0", 0, "0")


class Following:
    """What one follower knows of the log of one master; used by the synchronizer's thread.

    Parameters
    ----------
    ledger : LocalLedger
    master : Endpoint
    jobs : Jobs
    stopping : callable
        Whether to end a wait.

    Attributes
    ----------
    ours : bool
        The master has answered about its log, and keeps one.
    head : int
        Last number of the master's log, as it said.
    """

    def __init__(
        self, ledger: LocalLedger, master: Endpoint, jobs: Jobs, stopping: Callable[[], bool]
    ) -> None:
        self.ours = False
        self.head = 0
        self._ledger = ledger
        self._master = master
        self._jobs = jobs
        self._stopping = stopping
        self._asked: tuple[LogPosition, str] = (_NOWHERE, "0")
        self._doubtful = False
        self._next_try_s = 0.0
        self._short_s: float | None = None
        self._mute = 0

    def place(self) -> LogPosition | None:
        """Return the place that the ledger at hand is at, ``None`` if that is not known."""
        return None if self._doubtful else self._ledger.position()

    def due(self) -> bool:
        """Return whether to ask about the log: an old master is seldom asked."""
        return self.ours or time.monotonic() >= self._next_try_s

    def ask(self, tcp: TcpService) -> LedgerNews | None:
        """Return what the master says, ``None`` if it keeps no log.

        Raises
        ------
        LedgerInvalid
            What it says is damaged.
        PeerError
            It cannot be reached.
        Overloaded
            It has no room for the answer now.
        """
        place = self.place()
        asked = place or _NOWHERE
        # A ledger without a place may be one that the log has all the same.
        known = self._ledger.master_hash() if place is None else "0"
        self._asked = (asked, known)
        # A number of a job can be guessed; who answers must have read the question.
        token = secrets.token_hex(12)
        command = f"event get_ledger_after {asked.epoch} {asked.seq} {asked.chain} {known} {token}"
        try:
            answer, keeps = self._put(tcp, command, limits.LEDGER_SESSION_WAIT_S)
        except PeerClosed:
            # It ended, or made room for others: a new connection tells.
            answer, keeps = self._put(tcp, command, limits.LEDGER_ANSWER_WAIT_S)
        if answer is not None and answer.error == Overloaded.code:
            raise Overloaded(f"master {self._master} sends as many ledgers as it can")
        if answer is None and self.ours and not keeps and not self._stopping():
            self._mute += 1
            if self._mute < limits.MAX_MUTE_LEDGER_ANSWERS:
                # Whoever stands before it, or it as it ended: it kept a log until now.
                raise PeerClosed(f"master {self._master} closed the connection without a word")
        self._mute = 0
        if answer is None or answer.error:
            pause = limits.LEDGER_ANSWER_WAIT_S if keeps else limits.SESSION_ASK_PAUSE_S
            self._next_try_s = time.monotonic() + pause
            self.ours = False
            return None
        self.ours = True
        news = read_news(answer.data, asked, token)
        if not (news.refused or news.short):
            self.head, self._short_s = news.head, None
        return news

    def adopt(
        self,
        news: LedgerNews,
        *,
        dropped: Collection[str],
        stored: Collection[str],
        carried: Collection[str] = (),
    ) -> Adoption | None:
        """Bring the ledger to the place that news lead to; ``None`` if nothing changed.

        Raises
        ------
        LedgerInvalid
            It does not fit; the ledger is as it was and will be fetched whole.
        FileWriteFailed
        """
        before, (asked, md5) = self.place(), self._asked
        if news.ledger is not None:
            # An empty ledger of another log is a new database, and no last delete.
            same_log = before is not None and before.epoch == news.place.epoch
            adoption = self._ledger.adopt(
                news.ledger,
                str(self._master),
                allow_empty=same_log or self._ledger.master_count == 0,
                dropped=dropped,
                stored=stored,
                carried=carried,
                keep_other=True,
                place=news.place,
            )
            self._doubtful = False
            return adoption
        if news.entries:
            try:
                return self._ledger.apply(
                    asked,
                    news.entries,
                    dropped=dropped,
                    stored=stored,
                    carried=carried,
                    keep_other=True,
                    place=news.place,
                )
            except LedgerInvalid:
                self._doubtful = True
                raise
        if before != news.place:
            self._ledger.confirm(news.place, md5)
            self._doubtful = False
        return None

    def fell_back(self, age_s: float | None) -> bool:
        """Return whether a relay that has not come as far is right: the log itself fell back.

        It is if the master was heard after it was first found to be short. The place
        here is then worth nothing, and the ledger is fetched whole.

        Parameters
        ----------
        age_s : float or None
            How long ago the relay, or another before it, heard the master.
        """
        now_s = time.monotonic()
        if self._short_s is None:
            self._short_s = now_s
        if age_s is None or now_s - age_s <= self._short_s:
            return False
        self._doubtful, self._short_s = True, None
        return True

    def _put(self, tcp: TcpService, command: str, patience_s: float) -> tuple[Answer | None, bool]:
        """Ask the master once; return the answer, and whether it is known to keep connections.

        Parameters
        ----------
        patience_s : float
            How long no session may be found by which the answer could come.

        Raises
        ------
        PeerError
            It cannot be reached, or has not answered in time.
        PeerClosed
            The connection ended before the answer came.
        """
        with self._jobs.open() as job:
            sent = tcp.request(self._master, command, job.header(0), attempts=1, asks=True)
            way = _Way(lambda: tcp.session_to(self._master), sent, patience_s)
            answer = self._answer(sent, job, way)
            return answer, sent.done() and sent.exception() is None and sent.result()

    def _answer(self, sent: Future[bool], job: PendingJob, way: _Way) -> Answer | None:
        """Wait for the answer; end early when it is known that there will be none."""
        begin_s = time.monotonic()
        while not self._stopping():
            gone = way.ended()
            job.wait(0 if gone else _STEP_S)
            found = job.answers.get(0)
            if found is not None:
                return found
            if gone:
                raise PeerClosed(f"master {self._master} closed the connection and did not answer")
            if sent.done() and not sent.result():
                return None
            # Who keeps connections is of our kind; a whole ledger may take its time.
            known = self.ours or sent.done()
            patience_s = limits.LEDGER_ANSWER_WAIT_S if known else limits.LEDGER_NEWS_WAIT_S
            if time.monotonic() - begin_s > patience_s:
                if self.ours:
                    raise PeerTimeout(f"master {self._master} did not answer in {patience_s:g} s")
                return None
        return None


class _Way:
    """The session by which an answer has to come, if the question went by one."""

    def __init__(self, look: Callable[[], int], sent: Future[bool], patience_s: float) -> None:
        self._look = look
        self._sent = sent
        self._patience_s = patience_s
        self._taken_s: float | None = None
        self._session = 0

    def ended(self) -> bool:
        """Return whether it is not there any more."""
        sent = self._sent
        if not sent.done() or sent.exception() is not None or not sent.result():
            return False
        found, now_s = self._look(), time.monotonic()
        if self._taken_s is None:
            self._taken_s = now_s
        if self._session == 0:
            # One that was just made is listed in a moment, or has ended already.
            self._session = found
            return found == 0 and now_s - self._taken_s > self._patience_s
        return found != self._session
