"""A follower that serves followers: the ledger of its master as far as it has come here."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from edgelake import limits
from edgelake.errors import DatabaseError, LedgerError
from edgelake.interfaces import LogEntry, LogPosition
from edgelake.ledger import LocalLedger, Snapshot
from edgelake.services.ledger_news import Standing, Told, heading, news_text
from edgelake.services.relay_log import RelayLog
from edgelake.wire import Endpoint

__all__ = ["Relay"]

_NEVER_SYNCED = "0"
_NOWHERE = LogPosition("0", 0, "0")


class Relay:
    """What a follower gives to others. Thread-safe.

    Its synchronizer says where it is (`follow`, `heard`, `moved`); what is only local here
    is never given. Without a synchronizer it goes on giving what it has.

    Parameters
    ----------
    ledger : LocalLedger

    Attributes
    ----------
    on : bool
        Whether this node answers as a relay.
    name : str
        Random name of this run of the node, by which circles are found.
    changes : int
        Differs after the ledger moved, before watchers are called.
    """

    def __init__(self, ledger: LocalLedger) -> None:
        self.on = False
        self.name = secrets.token_hex(8)
        self.changes = 0
        self._ledger = ledger
        self._changed = threading.Condition()
        self._log = RelayLog()
        self._md5 = ""
        self._kept: tuple[LogPosition | None, Snapshot] | None = None
        self._upstream: Endpoint | None = None
        self._keeps_log: bool | None = None  # not known
        self._via: tuple[str, ...] = ()
        self._master = ""
        self._heard_s: float | None = None
        self._told_seq = 0
        self._behind = 0
        self._broken = ""
        self._ask: Callable[[], None] | None = None
        self._asked_s = 0.0
        self._watchers: list[Callable[[LogPosition | None], None]] = []

    def watch(self, changed: Callable[[LogPosition | None], None]) -> None:
        """Call ``changed`` with the new place whenever the ledger moved; it must not block."""
        self._watchers.append(changed)

    # ------------------------------------------------- what the follower says

    def follow(
        self, upstream: Endpoint, place: LogPosition | None, ask: Callable[[], None]
    ) -> None:
        """Begin with a node that is followed, at the place that the ledger has in its log.

        Parameters
        ----------
        ask : callable
            Has the node asked at once; must not block.
        """
        with self._changed:
            self._upstream, self._ask = upstream, ask
            self._via, self._heard_s, self._told_seq, self._behind = (), None, 0, 0
            self._keeps_log, self._broken, self._master = None, "", ""
            if place != self._log.head:
                self._log.begin(place)
            self._md5 = self._ledger.master_hash()
            self._kept = None
            self._changed.notify_all()

    def leave(self) -> None:
        """Note that nobody is followed any more; what is here is still given."""
        with self._changed:
            self._upstream = self._ask = None

    def heard(self, standing: Standing, head: int, broken: str = "") -> None:
        """Note an answer of the node that is followed.

        Parameters
        ----------
        head : int
            Last number of its log.
        broken : str
            Why its answer cannot be used: a circle, or too many relays.
        """
        now_s = time.monotonic()
        with self._changed:
            self._via, self._broken, self._keeps_log = standing.via, broken, True
            self._master = standing.master or str(self._upstream or "")
            if self.name in standing.via:
                # Only the last round: else it would grow with each.
                rest = standing.via[::-1].index(self.name)
                self._via = standing.via[-rest - 1 :]
            self._heard_s = None if standing.age_s is None else now_s - standing.age_s
            self._told_seq, self._behind = head, standing.behind

    def old(self) -> None:
        """Note that the node that is followed keeps no log."""
        with self._changed:
            self._keeps_log = False

    def moved(self, place: LogPosition | None, entries: Sequence[LogEntry] = ()) -> None:
        """Note that the ledger has come to a place: by entries, or as a whole without them."""
        with self._changed:
            same = place == self._log.head and self._ledger.master_hash() == self._md5
            if entries and place is not None:
                self._log.extend(entries, place)
            elif place is None or place != self._log.head:
                self._log.begin(place)
            self._md5 = self._ledger.master_hash()
            self._kept = self._kept if same else None
            self._changed.notify_all()
            if same:
                return
            self.changes += 1
        for watcher in tuple(self._watchers):
            watcher(place)

    # ------------------------------------------------- what others are given

    def news(self, asked: LogPosition, md5: str, token: str) -> Told:
        """Return what a follower at a place has to know.

        Raises
        ------
        LedgerError
            The node that is followed keeps no log: `snapshot` has its ledger.
        """
        standing = self.standing().data()
        with self._changed:
            head, broken, old = self._log.head, self._broken, self._keeps_log is False
        if broken:
            return _later(token, broken, standing)
        if head is None:
            if old and self._ledger.master_hash() != _NEVER_SYNCED:
                raise LedgerError("the master that this relay follows keeps no log of changes")
            return _later(token, "it has no ledger of a master yet", standing)
        if asked.epoch == head.epoch and asked.seq > head.seq:
            self._ask_now()
            return Told(heading(token, "short", head, head.seq, **standing), asked)
        try:
            return news_text(self, asked, md5, token, standing)
        except DatabaseError as exc:
            return _later(token, str(exc), standing)

    def standing(self) -> Standing:
        """Return how this node stands to the master."""
        with self._changed:
            age = None if self._heard_s is None else time.monotonic() - self._heard_s
            head = self._log.head
            ahead = max(0, self._told_seq - head.seq) if head is not None else 0
            return Standing((*self._via, self.name), age, ahead + self._behind, self._master)

    def position(self) -> LogPosition:
        """Return how far the log goes here.

        Raises
        ------
        DatabaseError
            That is not known.
        """
        with self._changed:
            if self._log.head is None:
                raise DatabaseError("this relay has no ledger of a master yet")
            return self._log.head

    def entries(self, epoch: str, seq: int, chain: str) -> tuple[LogEntry, ...] | None:
        """Return the next changes after a place, ``None`` if it is not remembered."""
        with self._changed:
            return self._log.after(epoch, seq, chain)

    def sequenced(self) -> tuple[LogPosition | None, Snapshot]:
        """Return the master's part of the ledger, and its place.

        Raises
        ------
        DatabaseError
            There is none, or it is being replaced.
        """
        with self._changed:
            if self._kept is not None:
                return self._kept
            if self._md5 in ("", _NEVER_SYNCED):
                raise DatabaseError("this relay has no ledger of a master yet")
            # Between the change of the ledger and the word of it lies a moment.
            self._changed.wait_for(
                lambda: self._ledger.master_hash() == self._md5, limits.RELAY_SETTLE_S
            )
            place, md5 = self._log.head, self._md5
        snapshot = Snapshot.of(self._ledger.master_bytes())
        if snapshot.md5 != md5:
            raise DatabaseError("the ledger of this relay is being replaced")
        with self._changed:
            if self._md5 == md5 and self._log.head == place:
                self._kept = place, snapshot
        return place, snapshot

    def snapshot(self) -> Snapshot:
        """Return the master's part of the ledger.

        Raises
        ------
        DatabaseError
            There is none, it is being replaced, or this node follows in a circle.
        """
        if self._broken:
            raise DatabaseError(self._broken)
        return self.sequenced()[1]

    # --------------------------------------------------------------- reports

    @property
    def master(self) -> str:
        """Address of the master, as the node next to it writes it; empty if not known."""
        return self._master

    @property
    def keeps_log(self) -> bool | None:
        """Whether the master keeps a log, and says what became of a change; ``None``: not known."""
        return self._keeps_log

    @property
    def broken(self) -> str:
        """Why nothing is given, ``""`` if all is well."""
        return self._broken

    def figures(self) -> dict[str, Any]:
        """Return who is followed, how far away the master is, and when it was heard."""
        standing = self.standing()
        with self._changed:
            head, upstream, count = self._log.head, self._upstream, len(self._log)
            keeps_log = self._keeps_log
        age = standing.age_s
        return {
            "upstream": str(upstream) if upstream is not None else None,
            "master": standing.master or None,
            "depth": len(standing.via) if keeps_log else None,
            "master_heard_s": None if age is None else round(age, 1),
            "behind": standing.behind,
            "sequence": head.seq if head is not None else None,
            "epoch": head.epoch if head is not None else None,
            "entries": count,
            "broken": self._broken or None,
        }

    # ----------------------------------------------------------------- parts

    def _ask_now(self) -> None:
        """Ask the node that is followed, if that was not just done."""
        now_s = time.monotonic()
        with self._changed:
            if now_s - self._asked_s < limits.RELAY_ASK_PAUSE_S:
                return
            self._asked_s, ask = now_s, self._ask
        if ask is not None:
            ask()


def _later(token: str, reason: str, standing: dict[str, Any]) -> Told:
    return Told(heading(token, "later", _NOWHERE, 0, reason=reason, **standing), None)
