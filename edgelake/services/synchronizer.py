"""The synchronizer: one loop that keeps the local ledger in step with its source.

The loop never ends by itself: a failed cycle is reported, kept visible and
tried again with growing pauses. Where policies come from is a `LedgerSource`:
`edgelake.services.master_source`, `table_source` or `platform_source`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, Protocol

from edgelake import limits
from edgelake.errors import EdgeLakeError, LedgerError, ServiceError
from edgelake.language import format_error
from edgelake.services.base import Service
from edgelake.wire import Endpoint

__all__ = ["LedgerSource", "Synchronizer", "refusal"]

_log = logging.getLogger(__name__)


class LedgerSource(Protocol):
    """Where policies come from; used by one `Synchronizer` at a time."""

    kind: str
    """``master``, ``blockchain`` or ``DBMS``, as ``get synchronizer`` shows it."""

    def open(self, sync: Synchronizer) -> None:
        """Prepare for cycles; raise what makes them impossible."""

    def cycle(self) -> float | None:
        """Bring the local ledger one step nearer; raise `EdgeLakeError` on failure.

        Returns
        -------
        float or None
            Seconds until the next cycle, ``None`` for the usual pause.
        """

    def take(self, name: str, content: bytes) -> bool:
        """Take a ledger file that a peer sent; return whether it was asked for."""

    def hint(self, epoch: str, seq: int) -> None:
        """Take a peer's word that a log goes further; from any thread."""

    def follows(self, masters: Collection[Endpoint]) -> bool:
        """Return whether the cycles send local changes to one of these masters."""

    def close(self) -> None:
        """End; may be called twice."""

    def connection(self) -> str:
        """Return the source's address as text."""

    def describe(self) -> str:
        """Return how the source is followed, without the interval."""

    def figures(self) -> dict[str, Any]:
        """Return named figures as JSON data."""


def refusal(reason: str, code: int) -> EdgeLakeError:
    """Return an error that tells what was not taken, with the number of what kept it."""
    error = LedgerError(reason)
    error.code = code
    return error


class Synchronizer(Service):
    """Runs the cycles of one source, every ``interval_s`` seconds or when triggered.

    Parameters
    ----------
    source : LedgerSource
    interval_s : float
        Pause between cycles, > 0.
    """

    name = "synchronizer"
    title = "Blockchain Sync"

    def __init__(self, source: LedgerSource, interval_s: float) -> None:
        super().__init__()
        self.source = source
        self.interval_s = interval_s
        self._wake = threading.Condition()
        self._triggered = False
        self._stopping = False
        self._thread = threading.Thread(target=self._loop, name="synchronizer", daemon=True)
        self._calls = 0
        self._loads = 0
        self._succeeded = 0
        self._failures = 0
        self._errors = 0
        self._last_success: datetime | None = None
        self._success_s: float | None = None
        self._last_load: float | None = None
        self._last_error = ""

    # -------------------------------------------------------------- life

    def _start(self) -> None:
        self.source.open(self)
        self._thread.start()

    def _stop(self, timeout_s: float) -> bool:
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
        self._thread.join(timeout_s)
        self.source.close()
        return not self._thread.is_alive()

    @property
    def stopping(self) -> bool:
        """Whether the loop has to end; a source that waits looks at it."""
        return self._stopping

    @property
    def succeeded(self) -> int:
        """How many cycles succeeded since the start."""
        return self._succeeded

    # ------------------------------------------------------------ events

    def trigger(self) -> None:
        """Run a cycle now; from any thread."""
        with self._wake:
            self._triggered = True
            self._wake.notify_all()

    def loaded(self) -> None:
        """Note that the local ledger changed; called by the source."""
        with self._wake:
            self._loads += 1
            self._last_load = time.monotonic()
            self._note_success()

    def refused(self, error: EdgeLakeError) -> None:
        """Note something received that was not adopted; called by the source."""
        with self._wake:
            self._errors += 1
            new = str(error) != self._last_error
            self._last_error = str(error)
        if new:
            self._tell(error)

    # ----------------------------------------------------------- reports

    def describe(self) -> str:
        """Return the interval and the source, or the last failure."""
        if self._failures:
            return f"Retrying {self.source.describe()}: {self._last_error}"
        return f"Sync every {self.interval_s:g} seconds {self.source.describe()}"

    def figures(self) -> dict[str, Any]:
        """Return the figures of ``get synchronizer``."""
        with self._wake:
            since = None if self._last_load is None else time.monotonic() - self._last_load
            success = self._last_success
            return {
                "source": self.source.kind,
                "connection": self.source.connection(),
                "interval_s": self.interval_s,
                "since_update_s": since,
                "calls": self._calls,
                "loads": self._loads,
                "sync_ok": self._succeeded,
                "sync_err": self._errors,
                "failures_in_a_row": self._failures,
                "last_success": success.isoformat(timespec="seconds") if success else None,
                "last_error": self._last_error or None,
                **self.source.figures(),
            }

    def success_age_s(self) -> float | None:
        """Return how long ago the ledger was up to date, in seconds; ``None``: never yet."""
        since_s = self._success_s
        return None if since_s is None else time.monotonic() - since_s

    # -------------------------------------------------------------- loop

    def _loop(self) -> None:
        while not self._stopping:
            wanted: float | None = None
            try:
                wanted = self.source.cycle()
            except EdgeLakeError as exc:
                self._failed(exc)
            except Exception as exc:
                # A fault of ours in one cycle must not end the loop for good.
                _log.exception("synchronizer cycle failed")
                self._failed(ServiceError(f"internal error: {exc!r}"))
            else:
                with self._wake:
                    self._failures = 0
                    self._succeeded += 1
                    self._note_success()
                _log.debug("a cycle succeeded")
            with self._wake:
                self._calls += 1
                self._wake.wait_for(
                    lambda: self._triggered or self._stopping, timeout=self._pause_s(wanted)
                )
                self._triggered = False

    def _note_success(self) -> None:
        self._last_success = datetime.now(UTC)
        self._success_s = time.monotonic()

    def _pause_s(self, wanted: float | None) -> float:
        if not self._failures:
            return self.interval_s if wanted is None else min(wanted, self.interval_s)
        grown = self.interval_s * 2.0 ** min(self._failures - 1, 16)
        return min(grown, max(self.interval_s, limits.SYNC_BACKOFF_MAX_S))

    def _failed(self, error: EdgeLakeError) -> None:
        reason = str(error)
        with self._wake:
            self._failures += 1
            self._errors += 1
            new = self._failures == 1 or reason != self._last_error
            self._last_error = reason
        if new:
            self._tell(error)

    def _tell(self, error: EdgeLakeError) -> None:
        """Tell the console and the error log what failed."""
        _log.warning("%s: %s", self.name, format_error(error), extra={"told": True})
        self.report(self.name, error)
