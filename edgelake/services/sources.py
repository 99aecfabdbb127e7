"""Where a node's ledger comes from: a master over the wire, or its own table."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any

from edgelake import limits
from edgelake.errors import EdgeLakeError, PeerTimeout
from edgelake.interfaces import LedgerRows
from edgelake.ledger import LocalLedger, Policy
from edgelake.services.jobs import Jobs, PendingJob
from edgelake.services.master import MasterLedger
from edgelake.services.synchronizer import Synchronizer
from edgelake.services.tcp import TcpService
from edgelake.wire import Endpoint

__all__ = ["MasterSource", "TableSource"]

_STEP_S = 0.2


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
        self._job: PendingJob | None = None
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
            job, self._job = self._job, None
        if job is not None:
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

    def cycle(self) -> None:
        """Ask the master for news and send it what it lacks."""
        tcp = self._tcp()
        self._check_refusal()
        self._project()
        name = self._open_request()
        job = self._jobs.open()
        with self._lock:
            self._job = job
        request = f"event get_blockchain {name.replace(' ', chr(9))} {self._ledger.master_hash()} 0"
        self._await(tcp.request(self.master, request, job.header(0), attempts=1))
        self._send_pending(tcp)

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

    def _check_refusal(self) -> None:
        with self._lock:
            job, self._job = self._job, None
        if job is None:
            return
        self._jobs.close(job)
        answer = job.answers.get(0)
        if answer is not None and answer.error and self._sync is not None:
            self._sync.refused(f"master {self.master} answered error {answer.error}: {answer.text}")

    def _await(self, sent: Future[None]) -> None:
        deadline = time.monotonic() + limits.CONNECT_TIMEOUT_S + limits.BLOCK_SEND_TIMEOUT_S
        while not wait([sent], timeout=_STEP_S).done:
            if self._sync is not None and self._sync.stopping:
                return
            if time.monotonic() > deadline:
                raise PeerTimeout(f"master {self.master} did not take the request in time")
        sent.result()

    def _send_pending(self, tcp: TcpService) -> None:
        """Send every local change again; the master ignores what it has."""
        policies, deletes = self._ledger.pending()
        for policy in policies:
            line = policy.with_ledger("global").to_line()
            tcp.request(self.master, f"blockchain push\tignore {line}", attempts=1)
        for delete in deletes:
            if delete.master is not None:
                tcp.request(
                    self.master, f"blockchain drop policy where id = {delete.id}", attempts=1
                )

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
                adoption = self._ledger.adopt(content, allow_empty=self._ledger.count == 0)
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

    def cycle(self) -> None:
        """Put local policies into the table and the table into the file, if either changed."""
        policies, _ = self._ledger.pending()
        for policy in policies:
            self._share(policy)
        snapshot = self._master.snapshot()
        if snapshot.md5 == self._adopted:
            return
        adoption = self._ledger.adopt(snapshot.data, allow_empty=True)
        self._adopted = snapshot.md5
        if adoption.changed and self._sync is not None:
            self._sync.loaded()

    def _share(self, policy: Policy) -> None:
        self._master.push(policy.with_ledger("global"), self._host, ignore=True)
