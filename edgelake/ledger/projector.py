"""Writes the file of policies soon after a change, and never more often than is sensible."""

from __future__ import annotations

import logging
import threading
import time

from edgelake import limits
from edgelake.errors import EdgeLakeError
from edgelake.ledger.keeper import LedgerKeeper

__all__ = ["Projector"]

_log = logging.getLogger(__name__)


class Projector:
    """Brings the file of policies and the journal's base up to date, on a thread of its own.

    The thread lives while there is something to do. Changes that come together are written
    once: after `limits.LEDGER_FILE_DELAY_S`, or later where writing takes long.

    Parameters
    ----------
    keeper : LedgerKeeper

    Notes
    -----
    Thread-safe.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._keeper: LedgerKeeper | None = None
        self._woken = False
        self._rest_s = 0.0
        self._last_error = ""

    def serve(self, keeper: LedgerKeeper) -> None:
        """Take the keeper to work for."""
        self._keeper = keeper

    def wake(self) -> None:
        """See to it that the file is written soon."""
        with self._lock:
            self._woken = True
            if self._thread is None and not self._stop.is_set():
                self._thread = threading.Thread(target=self._run, name="ledger file", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Write what is left at once; afterwards `wake` does nothing."""
        with self._lock:
            self._stop.set()
            thread = self._thread
        if thread is not None:
            thread.join()
        # Who has changed nothing may not even be the one that owns the file.
        if self._woken:
            self._work()

    def _run(self) -> None:
        while True:
            stopped = self._stop.wait(max(limits.LEDGER_FILE_DELAY_S, self._rest_s))
            if not stopped:
                self._work()
            with self._lock:
                if stopped or not self._due():
                    self._thread = None
                    return

    def _due(self) -> bool:
        keeper = self._keeper
        return keeper is not None and (keeper.behind or keeper.compaction_due())

    def _work(self) -> None:
        keeper = self._keeper
        if keeper is None or not self._due():
            return
        # Processor time: waiting for a slow disk is no reason to let readers wait longer.
        start_s = time.thread_time()
        try:
            keeper.write_file()
            keeper.compact()
            self._last_error = ""
        except EdgeLakeError as exc:
            # The journal has everything; the file is tried again, and the failure told once.
            if str(exc) != self._last_error:
                _log.warning("the ledger file is not up to date: %s", exc)
            self._last_error = str(exc)
        except Exception:
            _log.exception("the ledger file was not written")
        self._rest_s = limits.LEDGER_FILE_REST * (time.thread_time() - start_s)
