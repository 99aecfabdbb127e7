"""Where a node's ledger comes from: a master over the wire, or its own table."""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgelake import limits
from edgelake.errors import (
    DatabaseError,
    DatabaseUnknown,
    DatabaseUnreachable,
    EdgeLakeError,
    LedgerError,
    LedgerInvalid,
    Overloaded,
    PeerTimeout,
    PolicyInvalid,
    PolicyRowMissing,
    TableMissing,
)
from edgelake.interfaces import LedgerRows, LogPosition
from edgelake.ledger import LocalLedger, Policy
from edgelake.services.following import Following
from edgelake.services.jobs import Answer, Jobs, PendingJob
from edgelake.services.ledger_news import LedgerNews
from edgelake.services.master import MasterLedger
from edgelake.services.outbox import Outbox, Turn
from edgelake.services.synchronizer import Synchronizer
from edgelake.services.tcp import TcpService
from edgelake.wire import Endpoint

__all__ = ["MasterSource", "TableSource", "drop_command"]

_STEP_S = 0.2
_NEVER_SYNCED = "0"
_BUSY = {
    kind.code
    for kind in (DatabaseError, DatabaseUnknown, DatabaseUnreachable, TableMissing, Overloaded)
}
_ACKNOWLEDGED = re.compile(r"stored ([0-9]{1,18}) ([0-9a-f]{1,64}) ([0-9a-f]{64}) (.*)", re.DOTALL)
_PLAIN = re.compile(r"[\w.:-]+")


def drop_command(policy_id: str) -> str:
    """Return the command that removes a policy from a master; the id stays one word."""
    if _PLAIN.fullmatch(policy_id):
        return f"blockchain drop policy where id = {policy_id}"
    quote = "'" if '"' in policy_id else '"'
    return f"blockchain drop policy where id = {quote}{policy_id}{quote}"


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
    """

    kind = "master"

    def __init__(
        self,
        ledger: LocalLedger,
        table: Callable[[], LedgerRows] | None,
        connection: Endpoint,
        tcp: Callable[[], TcpService],
        jobs: Jobs,
    ) -> None:
        self.master = connection
        self._ledger = ledger
        self._table = table
        self._tcp = tcp
        self._jobs = jobs
        self._lock = threading.Lock()
        self._adopting = threading.Lock()
        self._requests: dict[str, _Request] = {}
        self._asked: list[_Asked] = []
        self._outbox = Outbox()
        self._projection: _Projection | None = None
        self._bytes = 0
        self._sync: Synchronizer | None = None
        self._following = Following(ledger, connection, jobs, lambda: self._stopping)
        self._hint: tuple[str, int] | None = None
        self._hints_count = True

    @property
    def _stopping(self) -> bool:
        return self._sync is not None and self._sync.stopping

    def towards(self, master: Endpoint) -> MasterSource:
        """Return a source of the same ledger with another master."""
        return MasterSource(self._ledger, self._table, master, self._tcp, self._jobs)

    def open(self, sync: Synchronizer) -> None:
        """Check that requests can be sent and answered."""
        self._tcp()
        self._sync = sync

    def close(self) -> None:
        """Forget open requests."""
        with self._lock:
            self._requests.clear()
            asked, self._asked = self._asked, []
        for entry in asked:
            self._jobs.close(entry.job)

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
            "acknowledged": self._outbox.acknowledged,
            "refused": [refusal.data() for refusal in self._outbox.refused],
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
        self._read_answers()
        policies, deletes = self._ledger.pending()
        # A delete that names a platform is not for a master.
        shared = [delete.id for delete in deletes if ":" in (delete.master or "")]
        turn = self._outbox.next(policies, shared)
        hint, self._hint = self._hint, None
        if self._following.due():
            news = self._following.ask(tcp)
            if news is not None:
                moved = self._follow(news, turn)
                # Who told of a change that is none is not heard again before the usual pause.
                place = news.place
                self._hints_count = hint is None or (
                    hint[0] == place.epoch and hint[1] <= max(news.head, place.seq)
                )
                self._send(tcp, turn)
                self._project()
                if news.entries and (not moved or self._following.head > news.place.seq):
                    return 0.0
                return _follow_up(turn)
        self._hints_count = True
        # A ledger without a place in a log proves what it shows, and nothing else.
        self._outbox.void()
        self._send(tcp, turn)
        name = self._open_request(turn.delivered).replace(" ", "\t")
        request = f"event get_blockchain {name} {self._ledger.master_hash()} 0"
        sent = self._ask(tcp, request, "the ledger request")
        self._project()
        self._await(sent)
        return _follow_up(turn)

    def hint(self, epoch: str, seq: int) -> None:
        """Ask now, unless what a peer says is known here already; from any thread."""
        place = self._following.place()
        if place is not None and place.epoch == epoch and seq <= place.seq:
            return
        if self._hints_count and self._following.ours and self._sync is not None:
            self._hint = (epoch, seq)
            self._sync.trigger()

    def _follow(self, news: LedgerNews, turn: Turn) -> bool:
        """Take what the master's log says; return whether there was anything."""
        self._outbox.void(news.place.epoch)
        stored = self._outbox.stored_at(news.place)
        self._bytes += len(news.ledger or b"") + sum(len(e.policy) for e in news.entries)
        try:
            with self._adopting:
                adoption = self._following.adopt(news, dropped=turn.delivered, stored=stored)
        except LedgerInvalid as exc:
            self._refused(f"ledger of {self.master} not adopted: {exc}", exc.code)
            return False
        if adoption is None:
            self._settle(turn, stored, news.place)
            return False
        if adoption.changed and self._sync is not None:
            self._sync.loaded()
        return True

    def _settle(self, turn: Turn, stored: Collection[str], place: LogPosition) -> None:
        """End what the ledger at hand shows to be done, although nothing of it changed."""
        policies, deletes = self._ledger.pending()
        gone = any(policy.id in stored for policy in policies)
        if gone or any(d.id in turn.delivered and d.id not in self._ledger for d in deletes):
            self._ledger.apply(
                self._ledger.master_hash(), (), dropped=turn.delivered, stored=stored
            )

    def follows(self, masters: Collection[Endpoint]) -> bool:
        """Return whether changes for these masters are sent by the cycles."""
        return self.master in masters

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
            self._requests[name] = _Request(now + limits.LEDGER_REQUEST_TTL_S, dropped)
        return name

    def _ask(
        self,
        tcp: TcpService,
        request: str,
        what: str,
        dropped: str = "",
        pushed: Policy | None = None,
    ) -> Future[bool]:
        """Send a request whose answer the next cycle reads.

        ``dropped`` is the id of a delete that the answer can finish, ``pushed`` the
        policy that it can acknowledge or refuse.
        """
        job = self._jobs.open()
        with self._lock:
            until_s = time.monotonic() + limits.LEDGER_ANSWER_WAIT_S
            self._asked.append(_Asked(job, what, dropped, pushed, until_s))
        return tcp.request(self.master, request, job.header(0), attempts=1)

    def _read_answers(self) -> None:
        """Report what the master refused since the last cycle, and take what it acknowledged."""
        now_s = time.monotonic()
        with self._lock:
            asked: list[_Asked] = []
            kept: list[_Asked] = []
            for entry in self._asked:
                (kept if entry.awaited(now_s) else asked).append(entry)
            while len(kept) > limits.MAX_AWAITED_ACKNOWLEDGEMENTS:
                asked.append(kept.pop(0))
            self._asked = kept
        for entry in asked:
            self._jobs.close(entry.job)
        for entry in asked:
            answer = entry.job.answers.get(0)
            if answer is None or self._pushed(entry.pushed, answer) or answer.error == 0:
                continue
            if answer.error == PolicyRowMissing.code:
                # A policy that the master no longer has is as good as dropped.
                if entry.dropped:
                    self._ledger.finish_delete(entry.dropped)
                continue
            self._refused(
                f"master {self.master} refused {entry.what}, error {answer.error}: "
                + " ".join(answer.text.split()),
                answer.error,
            )

    def _pushed(self, policy: Policy | None, answer: Answer) -> bool:
        """Take the acknowledgement or refusal of a policy; return whether it was one."""
        if policy is None:
            return False
        reason = " ".join(answer.text.split())
        if answer.error == 0:
            told = _ACKNOWLEDGED.fullmatch(answer.text)
            # Who names the hash has read the policy, and is not guessing at jobs.
            if told is None or told[4] != policy.id or told[3] != _hash(policy):
                return False
            self._outbox.acknowledge(policy.id, LogPosition(told[2], int(told[1]), ""))
            return True
        if answer.error in _BUSY:
            return False
        if self._outbox.refuse(policy, reason, answer.error):
            self._refused(
                f"master {self.master} refused policy {policy.id}, error {answer.error}: {reason}",
                answer.error,
            )
        return True

    def _refused(self, reason: str, code: int) -> None:
        """Report what was not taken, with the number of what kept it."""
        if self._sync is not None:
            self._sync.refused(_refusal(reason, code))

    def _await(self, sent: Future[bool]) -> None:
        deadline = time.monotonic() + limits.CONNECT_TIMEOUT_S + limits.BLOCK_SEND_TIMEOUT_S
        while not wait([sent], timeout=_STEP_S).done:
            if self._sync is not None and self._sync.stopping:
                return
            if time.monotonic() > deadline:
                raise PeerTimeout(f"master {self.master} did not take the request in time")
        sent.result()

    def _send(self, tcp: TcpService, turn: Turn) -> None:
        """Send local changes, again and again, until the master's ledger shows them.

        The master ignores what it has.
        """
        with self._lock:
            awaited = {entry.pushed.id for entry in self._asked if entry.pushed is not None}
        for policy in turn.policies:
            if policy.id in awaited:
                continue
            try:
                line = policy.with_ledger("global").to_line()
            except PolicyInvalid as exc:
                self._refused(f"policy {policy.id} not sent: {exc}", exc.code)
                continue
            what = f"policy {policy.id}"
            if self._following.ours:
                request = f"blockchain push confirm {line}"
                sent = self._ask(tcp, request, what, pushed=policy)
            else:
                sent = self._ask(tcp, f"blockchain push\tignore {line}", what)
            self._outbox.sent(policy, sent)
        for policy_id in turn.deletes:
            last = policy_id if policy_id in turn.delivered else ""
            what = f"the delete of {policy_id}"
            self._outbox.sent(policy_id, self._ask(tcp, drop_command(policy_id), what, last))

    # ------------------------------------------------------------- taking

    def take(self, name: str, content: bytes) -> bool:
        """Adopt a ledger file that a peer sent; return whether it was asked for.

        What is invalid or empty is reported and changes nothing.
        """
        request = self._expected(name)
        if request is None:
            return False
        with self._adopting:
            self._bytes += len(content)
            try:
                adoption = self._ledger.adopt(
                    content,
                    allow_empty=self._ledger.master_count == 0,
                    dropped=request.dropped,
                )
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
        if self._table is None:
            return
        try:
            with self._adopting:
                self._fill(self._table())
        except EdgeLakeError as exc:
            self._refused(f"table ledger not brought up to date: {exc}", exc.code)

    def _fill(self, table: LedgerRows) -> None:
        done = self._projection
        if done is None or done.table is not table:
            done = self._projection = _Projection(table)
        version = self._ledger.file_hash()
        # Before a master was heard there is nothing that the table should be like.
        if version == done.version or self._ledger.master_hash() == _NEVER_SYNCED:
            return
        rows = [policy.row() for policy in self._ledger.find()]
        if not rows and not done.filled and self._ledger.master_count == 0:
            return
        table.replace_all(rows, self.master.host)
        done.version = version
        done.filled = done.filled or bool(rows)


@dataclass(slots=True)
class _Projection:
    """What a table was brought to: the ledger's version, and whether it ever had rows."""

    table: LedgerRows
    version: str = ""
    filled: bool = False


@dataclass(frozen=True, slots=True)
class _Request:
    """A ledger request: when it ends, and the deletes that had reached the master before it."""

    end: float
    dropped: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Asked:
    """A message whose refusal is awaited; ``dropped`` names the delete it can finish."""

    job: PendingJob
    what: str
    dropped: str
    pushed: Policy | None
    until_s: float

    def awaited(self, now_s: float) -> bool:
        """Return whether an acknowledgement may still come; an old master sends none."""
        return self.pushed is not None and now_s < self.until_s and not self.job.answers


class TableSource:
    """Follows this node's own table: the node is the master.

    Parameters
    ----------
    ledger : LocalLedger
    master : callable
        Returns the table's `MasterLedger`, or raises `DatabaseUnknown` or
        `TableMissing`; asked in each cycle, since a database may be connected anew.
    host : str
        Own address, stored with policies that were local before.
    """

    kind = "DBMS"

    def __init__(self, ledger: LocalLedger, master: Callable[[], MasterLedger], host: str) -> None:
        self._ledger = ledger
        self._find = master
        self._host = host
        self._sync: Synchronizer | None = None
        self._master: MasterLedger | None = None
        self._adopted = ""
        self._filled = False

    def open(self, sync: Synchronizer) -> None:
        """Check that the table can be read, and follow changes made through this node."""
        self._sync = sync
        try:
            self._table().snapshot()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Stop following."""
        sync, self._sync = self._sync, None
        if sync is not None and self._master is not None:
            self._master.unwatch(sync.trigger)

    def connection(self) -> str:
        """Return the table's name."""
        return "table blockchain.ledger"

    def describe(self) -> str:
        """Return where the ledger goes."""
        return "to local blockchain file"

    def figures(self) -> dict[str, Any]:
        """Return counts of what waits and what is left out."""
        policies, deletes = self._ledger.pending()
        master = self._master
        head = master.rows.head if master else None
        return {
            "pending_policies": len(policies),
            "pending_deletes": len(deletes),
            "quarantine": len(master.quarantine) if master else 0,
            "sequence": head.seq if head else None,
            "epoch": head.epoch if head else None,
        }

    def cycle(self) -> float | None:
        """Put local policies into the table and the table into the file, if either changed."""
        table = self._table()
        policies, _ = self._ledger.pending()
        for policy in policies:
            self._share(table, policy)
        snapshot = table.snapshot()
        if snapshot.md5 == self._adopted:
            return None
        # An empty table that was never seen with policies is a new one, no last delete.
        adoption = self._ledger.adopt(
            snapshot.data,
            self.connection(),
            allow_empty=self._filled or self._ledger.master_count == 0,
        )
        self._adopted = snapshot.md5
        self._filled = self._filled or snapshot.count > 0
        if adoption.changed and self._sync is not None:
            self._sync.loaded()
        return None

    def _table(self) -> MasterLedger:
        """Return the table as it is connected now, and watch that one."""
        table = self._find()
        before = self._master
        if table is not before and self._sync is not None:
            if before is not None:
                before.unwatch(self._sync.trigger)
            self._adopted, self._filled = "", False
            self._master = table
            table.watch(self._sync.trigger)
        return table

    def take(self, name: str, content: bytes) -> bool:
        """Return false: a node that is its own source asks nobody."""
        return False

    def hint(self, epoch: str, seq: int) -> None:
        """Do nothing: a node that is its own source knows its log."""

    def follows(self, masters: Collection[Endpoint]) -> bool:
        """Return false: the table is written by messages, as for any other node."""
        return False

    def _share(self, table: MasterLedger, policy: Policy) -> None:
        try:
            table.push(policy.with_ledger("global"), self._host, ignore=True)
        except PolicyInvalid as exc:
            if self._sync is not None:
                self._sync.refused(_refusal(f"policy {policy.id} not shared: {exc}", exc.code))


def _hash(policy: Policy) -> str:
    return hashlib.sha256(policy.with_ledger("global").text.encode()).hexdigest()


def _follow_up(turn: Turn) -> float | None:
    return limits.SYNC_FOLLOW_UP_S if turn.fresh else None


def _refusal(reason: str, code: int) -> LedgerError:
    error = LedgerError(reason)
    error.code = code
    return error
