"""A node that follows a master over the wire."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgelake import limits
from edgelake.errors import (
    EdgeLakeError,
    LedgerCircle,
    LedgerInvalid,
    Overloaded,
    PeerError,
    PeerTimeout,
    PolicyConflict,
)
from edgelake.interfaces import LedgerRows, LogPosition
from edgelake.ledger import LocalLedger, Policy
from edgelake.services.courier import Courier
from edgelake.services.following import Following
from edgelake.services.forwarding import Forwarder
from edgelake.services.jobs import Jobs
from edgelake.services.ledger_news import LedgerNews
from edgelake.services.outbox import Turn
from edgelake.services.projection import TableProjection
from edgelake.services.relay import Relay
from edgelake.services.synchronizer import Synchronizer, refusal
from edgelake.services.tcp import TcpService
from edgelake.wire import Endpoint

__all__ = ["MasterSource"]

_STEP_S = 0.2


class MasterSource:
    """Follows a master: asks, checks what comes, adopts it, sends what it lacks.

    Each request names a file with a random part. A ledger is taken only under
    a name that was asked for and is still open, so that nobody but the master
    can put a ledger here.

    Parameters
    ----------
    ledger : LocalLedger
    table : callable or None
        Returns the table that is brought to the same content after each
        change, or raises `DatabaseUnknown` or `TableMissing`.
    connection : Endpoint
        The master.
    tcp : callable
        Returns the running TCP service or raises `TcpNotRunning`.
    jobs : Jobs
        Through which the master's refusals come back.
    relay : Relay
        Is told where the ledger is, and gives it to others if it is on.
    """

    kind = "master"

    def __init__(
        self,
        ledger: LocalLedger,
        table: Callable[[], LedgerRows] | None,
        connection: Endpoint,
        tcp: Callable[[], TcpService],
        jobs: Jobs,
        relay: Relay,
    ) -> None:
        self.master = connection
        self._ledger = ledger
        self._table = table
        self._tcp = tcp
        self._jobs = jobs
        self._relay = relay
        self.forwarder = Forwarder(connection, tcp, jobs)
        self._short = 0
        self._lock = threading.Lock()
        self._adopting = threading.Lock()
        self._requests: dict[str, _Request] = {}
        self._opened = 0
        self._shown = 0  # requests before this one were asked before what is adopted
        self._courier = Courier(ledger, connection, jobs, self._refused)
        self._outbox = self._courier.outbox
        self._projection = TableProjection(ledger, table, connection.host)
        self._bytes = 0
        self._sync: Synchronizer | None = None
        self._following = Following(ledger, connection, jobs, lambda: self._stopping)
        self._hint: tuple[str, int] | None = None
        self._deaf_until_s = 0.0

    @property
    def _stopping(self) -> bool:
        return self._sync is not None and self._sync.stopping

    def towards(self, master: Endpoint) -> MasterSource:
        """Return a source of the same ledger with another master."""
        return MasterSource(self._ledger, self._table, master, self._tcp, self._jobs, self._relay)

    def open(self, sync: Synchronizer) -> None:
        """Check that requests can be sent and answered."""
        self._tcp()
        self._sync = sync
        self._relay.follow(self.master, self._following.place(), sync.trigger)

    def close(self) -> None:
        """Forget open requests."""
        with self._lock:
            self._requests.clear()
        self._courier.close()
        self.forwarder.close()
        self._relay.leave()

    def connection(self) -> str:
        """Return the master's address."""
        return str(self.master)

    def describe(self) -> str:
        """Return which master is followed."""
        return f"with master using: {self.master}"

    def figures(self) -> dict[str, Any]:
        """Return bytes received and what waits for the master."""
        policies, deletes = self._ledger.pending()
        place = self._following.place()
        return {
            "bytes": self._bytes,
            "pending_policies": len(policies),
            "pending_deletes": len(deletes),
            "quarantine": len(self._ledger.quarantine),
            **self._outbox.figures(policies, [delete.id for delete in deletes]),
            "sequence": place.seq if place else None,
            "epoch": place.epoch if place else None,
            "lag": max(0, self._following.head - place.seq) if place else None,
            "pushed": self._following.ours,
        }

    # -------------------------------------------------------------- asking

    def cycle(self) -> float | None:
        """Send the master what it lacks and ask it for news.

        Returns
        -------
        float or None
            Seconds after which to ask again because something new was sent.
        """
        tcp = self._tcp()
        self._courier.read_answers()
        policies, deletes = self._ledger.pending()
        # A delete that names a platform is not for a master.
        shared = [delete.id for delete in deletes if ":" in (delete.master or "")]
        turn = self._outbox.next(policies, shared)
        hint, self._hint = self._hint, None
        if self._following.due():
            try:
                news = self._following.ask(tcp)
            except Overloaded as exc:
                self._refused(str(exc), exc.code)
                # Not all at once again: each waits up to twice as long as another.
                return limits.LEDGER_BUSY_PAUSE_S * (1 + secrets.randbelow(1000) / 1000)
            self.forwarder.ours = news is not None
            if news is None:
                self._relay.old()
            else:
                pause_s = self._weighed(news)
                if pause_s is not None:
                    return pause_s
                moved = self._follow(news)
                place = news.place
                # Who told of a change that is none is not heard again for a while.
                deaf = hint is not None and (
                    hint[0] != place.epoch or hint[1] > max(news.head, place.seq)
                )
                self._deaf_until_s = deaf * (time.monotonic() + limits.LEDGER_HINT_PAUSE_S)
                if news.entries and (not moved or self._following.head > place.seq):
                    # The rest of the log may say that what waits here was stored already.
                    self._project()
                    return 0.0
                turn = self._without_settled(turn)
                relayed = bool(news.standing.via)
                here = self._following.place()
                seen = (here.epoch, here.seq) if here is not None else None
                self._courier.send(tcp, turn, confirm=True, relayed=relayed, seen=seen)
                self._project()
                if self._told_of_more(place):
                    return 0.0
                pauses = [_follow_up(turn), self._courier.pause_s()]
                pauses += [limits.LEDGER_HINT_PAUSE_S] if deaf else []
                return min((p for p in pauses if p is not None), default=None)
        # A ledger without a place in a log proves what it shows, and nothing else.
        self._outbox.void()
        self._courier.send(tcp, self._without_contested(turn), confirm=self._following.ours)
        name = self._open_request(turn.delivered).replace(" ", "\t")
        request = f"event get_blockchain {name} {self._ledger.master_hash()} 0"
        sent = self._courier.ask(tcp, request, "the ledger request")
        self._project()
        self._await(sent)
        return _follow_up(turn)

    def hint(self, epoch: str, seq: int) -> None:
        """Ask now, unless what a peer says is known here already; from any thread."""
        place = self._following.place()
        if place is not None and place.epoch == epoch and seq <= place.seq:
            return
        # Who is just being asked for the first time may be quicker than its answer.
        self._hint = (epoch, seq)
        if self._following.ours and self._sync is not None and not self._deaf:
            self._sync.trigger()

    def _weighed(self, news: LedgerNews) -> float | None:
        """Look at who answered before at what; return the pause if there is nothing to take.

        Raises
        ------
        LedgerCircle
            It follows this node.
        PeerError
            It is a relay that has no ledger to give.
        """
        via = news.standing.via
        circle = ""
        if self._relay.name in via:
            circle = f"{self.master} follows this node: they are a circle"
        elif len(via) > limits.MAX_RELAYS:
            circle = f"the master is more than {limits.MAX_RELAYS} relays away from {self.master}"
        self._relay.heard(news.standing, news.head, circle)
        if circle:
            raise LedgerCircle(
                f"the ledger of {self.master} is not followed: {circle}",
                hint="blockchain switch network where master = <a node nearer to the master>",
            )
        if news.refused:
            raise PeerError(f"relay {self.master} gives no ledger now: {news.refused}")
        if not news.short:
            self._short = 0
            return None
        if self._following.fell_back(news.standing.age_s):
            return 0.0
        self._refused(
            f"relay {self.master} has come to change {news.head} of the master's log, and this"
            " node further: it waits for the relay",
            PeerError.code,
        )
        self._short += 1
        return min(
            limits.RELAY_ASK_PAUSE_S * 2.0 ** min(self._short, 16), limits.SYNC_BACKOFF_MAX_S
        )

    def _told_of_more(self, place: LogPosition) -> bool:
        """Return whether a change was told of while its log was being asked about."""
        hint = self._hint
        later = hint is not None and hint[0] == place.epoch and hint[1] > place.seq
        return later and not self._deaf

    @property
    def _deaf(self) -> bool:
        """Whether word of changes has to wait, because the last one was untrue."""
        return time.monotonic() < self._deaf_until_s

    def _follow(self, news: LedgerNews) -> bool:
        """Take what the master's log says; return whether there was anything."""
        self._outbox.void(news.place.epoch)
        stored, dropped = self._outbox.stored_at(news.place), self._outbox.dropped_at(news.place)
        carried = self._outbox.carried_at(news.place)
        self._bytes += len(news.ledger or b"") + sum(len(e.policy) for e in news.entries)
        try:
            with self._adopting:
                adoption = self._following.adopt(
                    news, dropped=dropped, stored=stored, carried=carried
                )
                self._shown = self._opened + 1
        except LedgerInvalid as exc:
            self._refused(f"ledger of {self.master} not adopted: {exc}", exc.code)
            return False
        self._relay.moved(self._following.place(), news.entries)
        if adoption is None:
            self._settle(dropped, stored, carried)
        self._outbox.passed(news.place)
        if adoption is None:
            return False
        if adoption.changed and self._sync is not None:
            self._sync.loaded()
        return True

    def _settle(
        self, dropped: Collection[str], stored: Collection[str], carried: Collection[str]
    ) -> None:
        """End what the ledger at hand shows to be done, although nothing of it changed."""
        policies, deletes = self._ledger.pending()
        gone = any(policy.id in stored for policy in policies)
        done = [d for d in deletes if d.id in dropped]
        if gone or any(d.id in carried or d.id not in self._ledger for d in done):
            self._ledger.settle(dropped=dropped, stored=stored, carried=carried)

    def _without_contested(self, turn: Turn) -> Turn:
        """Return what is to be sent to a master that answers nothing.

        It has another policy in the place of the others: that is its refusal.
        """
        kept: list[Policy] = []
        for policy in turn.policies:
            if not self._ledger.contested(policy):
                kept.append(policy)
                continue
            reason = f"policy '{policy.id}' exists already, with other content"
            if self._outbox.refuse(policy, reason, PolicyConflict.code):
                self._refused(
                    f"master {self.master} has another policy {policy.id}: {reason}",
                    PolicyConflict.code,
                )
        return replace(turn, policies=tuple(kept))

    def _without_settled(self, turn: Turn) -> Turn:
        """Return what is to be sent yet, after what the master's log said.

        A policy in whose place the master has another one is: for the refusal.
        """
        waiting = {policy.id for policy in self._ledger.pending()[0]}
        kept: list[Policy] = []
        for policy in turn.policies:
            shown = None if policy.id in waiting else self._ledger.get(policy.id)
            if policy.id in waiting or (shown is not None and not policy.same_content(shown)):
                kept.append(policy)
        return replace(turn, policies=tuple(kept))

    def follows(self, masters: Collection[Endpoint]) -> bool:
        """Return whether changes for these masters are sent by the cycles."""
        return self.master in masters or self._relay.master in map(str, masters)

    def _open_request(self, dropped: frozenset[str]) -> str:
        """Return a file name nobody can guess, and keep it until it is answered."""
        path = Path(self._ledger.path)
        name = str(path.with_name(f"{path.stem}_{secrets.token_hex(12)}.new"))
        now = time.monotonic()
        with self._lock:
            for old in [n for n, r in self._requests.items() if r.end < now]:
                del self._requests[old]
            while len(self._requests) >= limits.MAX_OPEN_LEDGER_REQUESTS:
                del self._requests[next(iter(self._requests))]
            self._opened += 1
            end = now + limits.LEDGER_REQUEST_TTL_S
            self._requests[name] = _Request(end, dropped, self._opened)
        return name

    def _refused(self, reason: str, code: int) -> None:
        """Report what was not taken, with the number of what kept it."""
        if self._sync is not None:
            self._sync.refused(refusal(reason, code))

    def _await(self, sent: Future[bool]) -> None:
        deadline = time.monotonic() + limits.CONNECT_TIMEOUT_S + limits.BLOCK_SEND_TIMEOUT_S
        while not wait([sent], timeout=_STEP_S).done:
            if self._sync is not None and self._sync.stopping:
                return
            if time.monotonic() > deadline:
                raise PeerTimeout(f"master {self.master} did not take the request in time")
        sent.result()

    # ------------------------------------------------------------- taking

    def take(self, name: str, content: bytes) -> bool:
        """Adopt a ledger file that a peer sent; return whether it was asked for.

        What is invalid or empty is reported and changes nothing.
        """
        request = self._expected(name)
        if request is None:
            return False
        with self._adopting:
            if request.number < self._shown:
                return True  # it came late: what is here was asked for after it
            self._bytes += len(content)
            try:
                adoption = self._ledger.adopt(
                    content,
                    allow_empty=self._ledger.master_count == 0,
                    dropped=request.dropped,
                    keep_other=True,
                )
                self._shown = request.number
                self._relay.moved(self._following.place())
                if adoption.changed and self._sync is not None:
                    self._sync.loaded()
            except EdgeLakeError as exc:
                self._refused(f"ledger of {self.master} not adopted: {exc}", exc.code)
        self._project()
        return True

    def _expected(self, name: str) -> _Request | None:
        """Return the open request that a name answers, with or without the master's counter."""
        stem, _, _ = name.rpartition(".new")
        bare, dot, counter = stem.rpartition(".master_id_")
        asked = f"{bare}.new" if dot and len(counter) == 1 and counter in "123456789" else name
        with self._lock:
            request = self._requests.pop(asked, None)
        return request if request is not None and request.end >= time.monotonic() else None

    def _project(self) -> None:
        """Bring the table to the ledger's content; a failure is reported and tried again."""
        try:
            with self._adopting:
                self._projection.update()
        except EdgeLakeError as exc:
            self._refused(f"table ledger not brought up to date: {exc}", exc.code)


@dataclass(frozen=True, slots=True)
class _Request:
    """A ledger request: when it ends, and the deletes that had reached the master before it."""

    end: float
    dropped: frozenset[str]
    number: int


def _follow_up(turn: Turn) -> float | None:
    return limits.SYNC_FOLLOW_UP_S if turn.fresh else None
