"""Where a node's ledger comes from: a master over the wire, or its own table."""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any

from edgelake import limits
from edgelake.errors import EdgeLakeError, PeerTimeout, PolicyRowMissing
from edgelake.interfaces import LedgerRows
from edgelake.ledger import LocalLedger, Policy
from edgelake.services.jobs import Jobs, PendingJob
from edgelake.services.master import MasterLedger
from edgelake.services.synchronizer import Synchronizer
from edgelake.services.tcp import TcpService
from edgelake.wire import Endpoint

__all__ = ["MasterSource", "TableSource", "drop_command"]

_STEP_S = 0.2
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
    table : LedgerRows or None
        Brought to the same content after each change, if given.
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
        table: LedgerRows | None,
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
        self._requests: dict[str, float] = {}
        self._asked: list[tuple[PendingJob, str]] = []
        self._sent: set[str] = set()
        self._projected = ""
        self._bytes = 0
        self._sync: Synchronizer | None = None

    def open(self, sync: Synchronizer) -> None:
        """Check that requests can be sent and answered."""
        self._tcp()
        self._sync = sync

    def close(self) -> None:
        """Forget open requests."""
        with self._lock:
            self._requests.clear()
            asked, self._asked = self._asked, []
        for job, _ in asked:
            self._jobs.close(job)

    def connection(self) -> str:
        """Return the master's address."""
        return str(self.master)

    def describe(self) -> str:
        """Return which master is followed."""
        return f"with master using: {self.master}"

    def figures(self) -> dict[str, Any]:
        """Return bytes received and what waits for the master."""
        policies, deletes = self._ledger.pending()
        return {
            "bytes": self._bytes,
            "pending_policies": len(policies),
            "pending_deletes": len(deletes),
            "quarantine": len(self._ledger.quarantine),
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
        self._project()
        fresh = self._send_pending(tcp)
        name = self._open_request().replace(" ", "\t")
        request = f"event get_blockchain {name} {self._ledger.master_hash()} 0"
        self._await(self._ask(tcp, request, "the ledger request"))
        return limits.SYNC_FOLLOW_UP_S if fresh else None

    def follows(self, masters: Collection[Endpoint]) -> bool:
        """Return whether changes for these masters are sent by the cycles."""
        return self.master in masters

    def _open_request(self) -> str:
        """Return a file name nobody can guess, and keep it until it is answered."""
        path = Path(self._ledger.path)
        name = str(path.with_name(f"{path.stem}_{secrets.token_hex(12)}.new"))
        now = time.monotonic()
        with self._lock:
            for old in [n for n, end in self._requests.items() if end < now]:
                del self._requests[old]
            while len(self._requests) >= limits.MAX_OPEN_LEDGER_REQUESTS:
                del self._requests[next(iter(self._requests))]
            self._requests[name] = now + limits.LEDGER_REQUEST_TTL_S
        return name

    def _ask(self, tcp: TcpService, request: str, what: str) -> Future[None]:
        """Send a request whose refusal the next cycle reads."""
        job = self._jobs.open()
        with self._lock:
            self._asked.append((job, what))
        return tcp.request(self.master, request, job.header(0), attempts=1)

    def _read_answers(self) -> None:
        """Report what the master refused since the last cycle."""
        with self._lock:
            asked, self._asked = self._asked, []
        for job, what in asked:
            self._jobs.close(job)
            answer = job.answers.get(0)
            # A policy that the master no longer has is as good as dropped.
            if answer is None or answer.error in (0, PolicyRowMissing.code):
                continue
            if self._sync is not None:
                self._sync.refused(
                    f"master {self.master} refused {what}, error {answer.error}: "
                    + " ".join(answer.text.split())
                )

    def _await(self, sent: Future[None]) -> None:
        deadline = time.monotonic() + limits.CONNECT_TIMEOUT_S + limits.BLOCK_SEND_TIMEOUT_S
        while not wait([sent], timeout=_STEP_S).done:
            if self._sync is not None and self._sync.stopping:
                return
            if time.monotonic() > deadline:
                raise PeerTimeout(f"master {self.master} did not take the request in time")
        sent.result()

    def _send_pending(self, tcp: TcpService) -> bool:
        """Send local changes, again and again; return whether one was new.

        The master ignores what it has. Changes leave the list when its ledger
        shows them.
        """
        policies, deletes = self._ledger.pending()
        sent: set[str] = set()
        for policy in policies[: limits.MAX_CHANGES_PER_CYCLE]:
            line = policy.with_ledger("global").to_line()
            self._ask(tcp, f"blockchain push\tignore {line}", f"policy {policy.id}")
            sent.add(policy.id)
        shared = [delete for delete in deletes if delete.master is not None]
        for delete in shared[: limits.MAX_CHANGES_PER_CYCLE - len(sent)]:
            self._ask(tcp, drop_command(delete.id), f"the delete of {delete.id}")
            sent.add(delete.id)
        fresh = bool(sent - self._sent)
        self._sent = sent
        return fresh

    # ------------------------------------------------------------- taking

    def take(self, name: str, content: bytes) -> bool:
        """Adopt a ledger file that a peer sent; return whether it was asked for.

        What is invalid or empty is reported and changes nothing.
        """
        if not self._expected(name):
            return False
        with self._adopting:
            self._bytes += len(content)
            try:
                adoption = self._ledger.adopt(content, allow_empty=self._ledger.master_count == 0)
                if adoption.changed and self._sync is not None:
                    self._sync.loaded()
                self._project()
            except EdgeLakeError as exc:
                if self._sync is not None:
                    self._sync.refused(f"ledger of {self.master} not adopted: {exc}")
        return True

    def _expected(self, name: str) -> bool:
        """Return whether the name answers an open request, with or without the master's counter."""
        stem, _, _ = name.rpartition(".new")
        bare, dot, counter = stem.rpartition(".master_id_")
        asked = f"{bare}.new" if dot and len(counter) == 1 and counter in "123456789" else name
        with self._lock:
            end = self._requests.pop(asked, None)
        return end is not None and end >= time.monotonic()

    def _project(self) -> None:
        if self._table is None:
            return
        version = self._ledger.file_hash()
        if version != self._projected:
            rows = [policy.row() for policy in self._ledger.find()]
            self._table.replace_all(rows, self.master.host)
            self._projected = version


class TableSource:
    """Follows this node's own table: the node is the master.

    Parameters
    ----------
    ledger : LocalLedger
    master : MasterLedger
    host : str
        Own address, stored with policies that were local before.
    """

    kind = "DBMS"

    def __init__(self, ledger: LocalLedger, master: MasterLedger, host: str) -> None:
        self._ledger = ledger
        self._master = master
        self._host = host
        self._sync: Synchronizer | None = None
        self._adopted = ""

    def open(self, sync: Synchronizer) -> None:
        """Check that the table can be read, and follow changes made through this node."""
        self._master.snapshot()
        self._sync = sync
        self._master.watch(sync.trigger)

    def close(self) -> None:
        """Stop following."""
        if self._sync is not None:
            self._master.unwatch(self._sync.trigger)
            self._sync = None

    def connection(self) -> str:
        """Return the table's name."""
        return "table blockchain.ledger"

    def describe(self) -> str:
        """Return where the ledger goes."""
        return "to local blockchain file"

    def figures(self) -> dict[str, Any]:
        """Return counts of what waits and what is left out."""
        policies, deletes = self._ledger.pending()
        return {
            "pending_policies": len(policies),
            "pending_deletes": len(deletes),
            "quarantine": len(self._master.quarantine),
        }

    def cycle(self) -> float | None:
        """Put local policies into the table and the table into the file, if either changed."""
        policies, _ = self._ledger.pending()
        for policy in policies:
            self._share(policy)
        snapshot = self._master.snapshot()
        if snapshot.md5 == self._adopted:
            return None
        adoption = self._ledger.adopt(snapshot.data, allow_empty=True)
        self._adopted = snapshot.md5
        if adoption.changed and self._sync is not None:
            self._sync.loaded()
        return None

    def follows(self, masters: Collection[Endpoint]) -> bool:
        """Return false: the table is written by messages, as for any other node."""
        return False

    def _share(self, policy: Policy) -> None:
        self._master.push(policy.with_ledger("global"), self._host, ignore=True)
