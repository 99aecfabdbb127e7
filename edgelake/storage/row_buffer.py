"""Rows that gather in a file until they are worth one of their own.

The file holds one row a line, and nothing else: when it is full it is renamed into the watch
folder, so that each row is in one place at any moment. Of rows that came together all but the
last have a blank behind them, which means nothing in JSON, and here that more belong to them:
what a crash cut off is found by that, and dropped whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgelake import limits
from edgelake.errors import FileWriteFailed, StorageError
from edgelake.storage.atomic import reason, sync_folder, write_all

__all__ = ["RowBuffer"]

_MORE = b" \n"
_END = b"\n"


@dataclass(slots=True, eq=False)
class _Batch:
    """Rows that came together."""

    data: bytes
    rows: int
    done: bool = False
    error: str = ""


class RowBuffer:
    """One such file. Thread-safe.

    Parameters
    ----------
    path : Path
        Made if it is not there; else its rows are taken over, without what was cut off.

    Attributes
    ----------
    rows, size_bytes : int
        What it holds, on the disk.
    since_s : float
        When it was opened, by the monotonic clock.

    Raises
    ------
    StorageError
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = 0
        self.size_bytes = 0
        self.since_s = time.monotonic()
        self._changed = threading.Condition()
        self._waiting: list[_Batch] = []
        self._writing = False
        self._closed = False
        self._torn = False
        self._hash = hashlib.md5(usedforsecurity=False)
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
            try:
                self._take_over()
                sync_folder(path.parent)
            except BaseException:
                os.close(self._file)
                raise
        except OSError as exc:
            raise StorageError(f"cannot open '{path}': {reason(exc)}") from exc

    def append(self, rows: Sequence[bytes]) -> bool:
        """Add rows, each one line; return when they are on the disk, false if it was closed.

        Callers who come together share one write to the disk.

        Raises
        ------
        FileWriteFailed
            None of these rows is in the file.
        """
        batch = _Batch(_MORE.join(rows) + _END, len(rows))
        with self._changed:
            if self._closed:
                return False
            self._waiting.append(batch)
            while not batch.done:
                if self._writing:
                    self._changed.wait()
                else:
                    self._write_waiting()
        if batch.error:
            raise FileWriteFailed(batch.error)
        return True

    def close(self) -> str:
        """Take no more rows, and return the hash of all there are, which are on the disk."""
        with self._changed:
            self._closed = True
            while self._writing or self._waiting:
                self._changed.wait()
            return self._hash.hexdigest()

    def reopen(self) -> None:
        """Take rows again, after all."""
        with self._changed:
            self._closed = False

    def release(self) -> None:
        """Give the file free, closed before; it stays where it is."""
        os.close(self._file)

    # ------------------------------------------------------------------- parts

    def _write_waiting(self) -> None:
        """Write what waits, the lock released meanwhile."""
        batches, self._waiting = self._waiting, []
        self._writing = True
        self._changed.release()
        error = "the write was broken off"
        try:
            error = self._write(b"".join(batch.data for batch in batches))
        finally:
            self._changed.acquire()
            self._writing = False
            for batch in batches:
                batch.done, batch.error = True, error
                if not error:
                    self.rows += batch.rows
                    self.size_bytes += len(batch.data)
                    self._hash.update(batch.data)
            self._changed.notify_all()

    def _write(self, data: bytes) -> str:
        """Put bytes behind those that count; return what failed."""
        try:
            if self._torn:
                os.ftruncate(self._file, self.size_bytes)
            self._torn = True
            os.lseek(self._file, self.size_bytes, os.SEEK_SET)
            write_all(self._file, data)
            os.fsync(self._file)
        except OSError as exc:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self.size_bytes)
                os.fsync(self._file)
                self._torn = False
            return f"cannot write '{self.path}': {reason(exc)}"
        self._torn = False
        return ""

    def _take_over(self) -> None:
        """Take the rows that are there; what was not written whole goes."""
        found = bytearray()
        while piece := os.read(self._file, limits.FILE_CHUNK_BYTES):
            found += piece
        size = len(found)
        end = found.rfind(_END) + 1
        while found.endswith(_MORE, 0, end):
            end = found.rfind(_END, 0, end - 1) + 1
        del found[end:]
        if end < size:
            os.ftruncate(self._file, end)
            os.fsync(self._file)
        self.rows = found.count(_END)
        self.size_bytes = end
        self._hash.update(found)
