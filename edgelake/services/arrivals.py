"""Rows that arrive: files of them go to the watch folder, single ones gather on the disk before.

Whatever `Arrivals.put` and `Arrivals.stream` return from is on the disk.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from edgelake import limits
from edgelake.data import DataName
from edgelake.errors import EdgeLakeError, NotRunning, Overloaded
from edgelake.services.data_refusals import DataRefusals
from edgelake.storage import Home, RowBuffer, WatchFolder

__all__ = ["Arrivals", "TableFigures"]

_OTHERS = "(others)"


@dataclass(slots=True)
class TableFigures:
    """What arrived for one table since the node started.

    Attributes
    ----------
    table : str
        ``dbms.table``.
    files, file_rows : int
        Put as files.
    calls, rows : int
        Streamed.
    flushed, flushed_rows : int
        Files that buffers became, and their rows.
    last_s : float
        When something came last, by the monotonic clock.
    """

    table: str
    files: int = 0
    file_rows: int = 0
    calls: int = 0
    rows: int = 0
    flushed: int = 0
    flushed_rows: int = 0
    last_s: float = field(default_factory=time.monotonic)


@dataclass(slots=True, eq=False)
class _Slot:
    """The place of one buffer, and the lock of who opens or hands it over."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    buffer: RowBuffer | None = None


class Arrivals:
    """Takes rows for the watch folder of a home. Thread-safe.

    Parameters
    ----------
    home : Home
    report : callable
        Told what fails in the background.

    Attributes
    ----------
    folder : WatchFolder
    refusals : DataRefusals
        Counted by who takes data from callers.
    """

    def __init__(self, home: Home, report: Callable[[str, EdgeLakeError], None]) -> None:
        self.folder = WatchFolder(home.prep_dir, home.watch_dir)
        self._home = home
        self._report = report
        self._life = threading.Lock()
        self._lock = threading.Lock()
        self._slots: dict[DataName, _Slot] = {}
        self._figures: dict[str, TableFigures] = {}
        self._totals = TableFigures("*")
        self.refusals = DataRefusals()
        self._begun = False
        self._ended = threading.Event()
        self._timer: threading.Thread | None = None
        self._trouble = ""

    # -------------------------------------------------------------------- life

    def begin(self) -> None:
        """Take over what gathered when the node ended last; a second call does nothing.

        Raises
        ------
        HomeLocked, StorageError
        """
        with self._life:
            if self._ended.is_set():
                raise NotRunning("the node ends, and takes no more data")
            if self._begun:
                return
            self._home.lock()
            prep = self.folder.make()
            for path in sorted(prep.glob("*.rows")):
                name = DataName.of_buffer(path.name)
                if name is not None:
                    self._buffer(name)
            self._begun = True
            self._timer = threading.Thread(target=self._look, name="arrivals", daemon=True)
            self._timer.start()

    def resume(self) -> None:
        """Begin if something gathered when the node ended last, and was not handed over.

        Raises
        ------
        HomeLocked, StorageError
        """
        if self.folder.left():
            self.begin()

    def close(self) -> None:
        """Make files of all that gathered; what fails stays on the disk for the next start."""
        with self._life:
            self._ended.set()
            if self._timer is not None:
                self._timer.join()
                self._timer = None
            self.flush()

    # -------------------------------------------------------------------- rows

    def put(self, name: DataName, rows: Sequence[str]) -> tuple[str, bool]:
        """Put rows into the watch folder as one file.

        Returns
        -------
        md5 : str
            Hash of the file's content.
        new : bool
            False if a file of that content waits there already.

        Raises
        ------
        Overloaded
            Too much waits.
        StorageError
            Nothing was stored.
        """
        self.begin()
        data = "".join(f"{row}\n" for row in rows).encode()
        self.folder.reserve(len(data), buffered_bytes=self._buffered_bytes())
        md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
        new = self.folder.put(name.file(md5), data)
        with self._lock:
            for figures in (self._figures_of(name), self._totals):
                figures.files += new
                figures.file_rows += len(rows) if new else 0
        return md5, new

    def stream(self, name: DataName, rows: Sequence[str]) -> None:
        """Add rows to those that gather for a table; all of them, or none.

        Raises
        ------
        Overloaded
            Too much waits.
        StorageError
            Nothing was stored.
        """
        self.begin()
        lines = [row.encode() for row in rows]
        size = sum(map(len, lines)) + 2 * len(lines)
        self.folder.reserve(size, buffered_bytes=self._buffered_bytes(), files=0)
        buffer = self._buffer(name)
        while not buffer.append(lines):
            buffer = self._buffer(name)
        with self._lock:
            for figures in (self._figures_of(name), self._totals):
                figures.calls += 1
                figures.rows += len(rows)
        if buffer.size_bytes >= limits.ROW_BUFFER_BYTES:
            self._flush_slot(name)

    def flush(self) -> None:
        """Make files of all that gathered."""
        with self._lock:
            names = list(self._slots)
        for name in names:
            self._flush_slot(name)

    # ----------------------------------------------------------------- reports

    @property
    def running(self) -> bool:
        """Whether somebody looks at the age of what gathers."""
        return self._timer is not None

    def tables(self) -> list[TableFigures]:
        """Return what arrived for each table, by name."""
        with self._lock:
            return [self._figures[key] for key in sorted(self._figures)]

    def totals(self) -> TableFigures:
        """Return what arrived for all tables."""
        with self._lock:
            return replace(self._totals)

    def buffered(self) -> dict[str, tuple[int, int, float]]:
        """Return of each table with buffers their rows, bytes, and seconds since the first."""
        found: dict[str, tuple[int, int, float]] = {}
        now_s = time.monotonic()
        for name, buffer in self._buffers():
            rows, size, age_s = found.get(name.of_table, (0, 0, 0.0))
            age_s = max(age_s, now_s - buffer.since_s)
            found[name.of_table] = (rows + buffer.rows, size + buffer.size_bytes, age_s)
        return found

    # ------------------------------------------------------------------- parts

    def _buffers(self) -> list[tuple[DataName, RowBuffer]]:
        with self._lock:
            slots = list(self._slots.items())
        return [(name, slot.buffer) for name, slot in slots if slot.buffer is not None]

    def _buffered_bytes(self) -> int:
        return sum(buffer.size_bytes for _, buffer in self._buffers())

    def _buffer(self, name: DataName) -> RowBuffer:
        """Return the buffer of a name, opened if there is none."""
        while True:
            slot = self._slot(name)
            with slot.lock:
                with self._lock:
                    # Whoever handed its last buffer over may have taken it away.
                    known = self._slots.get(name) is slot
                if not known:
                    continue
                if slot.buffer is None:
                    try:
                        slot.buffer = RowBuffer(self.folder.make() / name.buffer())
                    except BaseException:
                        with self._lock:
                            del self._slots[name]
                        raise
                return slot.buffer

    def _slot(self, name: DataName) -> _Slot:
        with self._lock:
            slot = self._slots.get(name)
            crowded = slot is None and len(self._slots) >= limits.MAX_ROW_BUFFERS
        if crowded:
            oldest = min(self._buffers(), key=lambda pair: pair[1].since_s, default=None)
            if oldest is not None:
                self._flush_slot(oldest[0])
        with self._lock:
            slot = self._slots.get(name)
            if slot is None:
                if len(self._slots) >= limits.MAX_ROW_BUFFERS:
                    raise Overloaded(
                        f"rows for {limits.MAX_ROW_BUFFERS} tables gather, and no more may",
                        hint="try again later, or use: mode = file",
                    )
                slot = self._slots[name] = _Slot()
            return slot

    def _flush_slot(self, name: DataName) -> None:
        """Make a file of what gathered for a name; what fails is told, and tried again later."""
        with self._lock:
            slot = self._slots.get(name)
        if slot is None:
            return
        with slot.lock:
            buffer = slot.buffer
            if buffer is None:
                return
            try:
                done = self._hand_over(name, buffer)
            except EdgeLakeError as exc:
                done = False
                self._tell(exc)
            if not done:
                buffer.reopen()
                return
            buffer.release()
            slot.buffer = None
            with self._lock:
                self._slots.pop(name, None)

    def _hand_over(self, name: DataName, buffer: RowBuffer) -> bool:
        md5 = buffer.close()
        if not buffer.rows:
            with contextlib.suppress(OSError):
                buffer.path.unlink()
            return True
        if not self.folder.hand_over(buffer.path, name.file(md5)):
            # These rows are others than those of the same text that wait there: they wait, too.
            return False
        with self._lock:
            for figures in (self._figures_of(name), self._totals):
                figures.flushed += 1
                figures.flushed_rows += buffer.rows
        return True

    def _look(self) -> None:
        """Make files of buffers that are old, until the node ends."""
        while not self._ended.wait(limits.ROW_BUFFER_LOOK_S):
            now_s = time.monotonic()
            for name, buffer in self._buffers():
                old = now_s - buffer.since_s >= limits.ROW_BUFFER_S
                if old or buffer.size_bytes >= limits.ROW_BUFFER_BYTES:
                    self._flush_slot(name)

    def _tell(self, error: EdgeLakeError) -> None:
        """Report what failed, once while it stays the same."""
        if str(error) != self._trouble:
            self._trouble = str(error)
            self._report("arrivals", error)

    def _figures_of(self, name: DataName) -> TableFigures:
        key = name.of_table
        if key not in self._figures and len(self._figures) >= limits.MAX_DATA_TABLES:
            key = _OTHERS
        found = self._figures.setdefault(key, TableFigures(key))
        found.last_s = time.monotonic()
        return found
