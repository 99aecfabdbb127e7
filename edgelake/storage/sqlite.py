"""SQLite databases; the module `sqlite3` is imported when the first one is connected."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from edgelake import limits
from edgelake.errors import DatabaseError, TableMissing
from edgelake.storage.atomic import make_folder
from edgelake.storage.engine import Database

if TYPE_CHECKING:
    import sqlite3

__all__ = ["SqliteDatabase"]

_R = TypeVar("_R")
_SERIAL = itertools.count(1)
_FIRST_PAUSE_S = 0.002
_LONGEST_PAUSE_S = 0.05


class SqliteDatabase(Database):
    """One open SQLite database.

    Parameters
    ----------
    name : str
        Logical name.
    path : Path or None
        The file, made with its folder if missing; ``None`` keeps it in memory.

    Raises
    ------
    DatabaseError
        It cannot be opened or is no database.

    Notes
    -----
    One connection behind one lock: statements of several threads go one after
    the other, a thread inside `transaction` keeps the others out. One that waits
    for another process holds the lock only while it tries, so that the others can
    read meanwhile. WAL mode with full synchronisation: what a method returned from
    survives a power cut.
    """

    kind = "sqlite"
    serial_key = "integer primary key autoincrement"
    now = "current_timestamp"

    def __init__(self, name: str, path: Path | None) -> None:
        self.name = name
        self.path = path
        self._lock = threading.RLock()
        self._depth = 0
        self._serial = next(_SERIAL)
        self._connection: sqlite3.Connection | None = _open(name, path)

    @property
    def address(self) -> str:
        """``Local``."""
        return "Local"

    @property
    def state(self) -> str:
        """``connected`` until it is closed."""
        return "closed" if self._connection is None else "connected"

    @property
    def storage(self) -> str:
        """Path of the file, or ``MEMORY``."""
        return "MEMORY" if self.path is None else str(self.path)

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return all rows of a statement; ``values`` are bound to its ``?``."""
        return self._patiently(lambda connection: connection.execute(sql, values).fetchall())

    def execute(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Run a statement; return how many rows it changed."""
        return self._patiently(lambda connection: connection.execute(sql, values).rowcount)

    def execute_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> int:
        """Run a statement for each row of values; return how many rows changed."""
        return self._patiently(lambda connection: connection.executemany(sql, rows).rowcount)

    @contextmanager
    def transaction(self, wait_s: float | None = None) -> Iterator[None]:
        """Make the statements inside one change: all of them, or none if the block raises.

        Takes the write lock of the database at once. Other threads wait; the
        block has to be short. Not to be nested.

        Parameters
        ----------
        wait_s : float or None
            Longest wait for another process; by default `limits.SQLITE_BUSY_TIMEOUT_S`.

        Raises
        ------
        DatabaseError
            The lock was not free for so long, or the change could not be stored.
        """
        pauses = _pauses(wait_s)
        while not (yield from self._tried()):
            if not next(pauses):
                raise self._locked(wait_s)

    def _tried(self) -> Generator[None, None, bool]:
        """Make a transaction of the block, unless another process has the lock; return whether."""
        import sqlite3

        with self._guarded() as connection:
            if self._depth:
                raise DatabaseError(f"database '{self.name}': transactions cannot be nested")
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as exc:
                if _busy(exc):
                    return False
                raise
            self._depth = 1
            try:
                yield
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            finally:
                self._depth = 0
            return True

    def has_table(self, table: str) -> bool:
        """Return whether there is a table of that name."""
        sql = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
        return bool(self.query(sql, (table,)))

    def owns(self, table: str) -> bool:
        """Return whether there is a table of that name: SQLite knows no users."""
        return self.has_table(table)

    def guard(self, table: str) -> None:
        """Do nothing: a transaction keeps all of the file to itself."""

    def watch(self, table: str) -> None:
        """Do nothing: SQLite counts every change."""

    def timestamp(self, text: str) -> object:
        """Return the text: SQLite keeps dates as they are written."""
        return text

    def version(self) -> object:
        """Return a token that differs after any change, by anybody; touches no rows."""

        def look(connection: sqlite3.Connection) -> object:
            others = connection.execute("PRAGMA data_version").fetchone()[0]
            schema = connection.execute("PRAGMA schema_version").fetchone()[0]
            return (self._serial, others, schema, connection.total_changes)

        return self._patiently(look)

    def close(self) -> None:
        """Close the connection; may be called twice."""
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()

    def _patiently(self, work: Callable[[sqlite3.Connection], _R]) -> _R:
        """Return what ``work`` does; outside transactions, wait for other processes meanwhile."""
        import sqlite3

        pauses = _pauses()
        while True:
            with self._guarded() as connection:
                try:
                    return work(connection)
                except sqlite3.OperationalError as exc:
                    if self._depth or not _busy(exc):
                        raise
            if not next(pauses):
                raise self._locked()

    def _locked(self, wait_s: float | None = None) -> DatabaseError:
        limit_s = limits.SQLITE_BUSY_TIMEOUT_S if wait_s is None else wait_s
        return DatabaseError(
            f"database '{self.name}': locked by another process for more than {limit_s:g} s"
        )

    @contextmanager
    def _guarded(self) -> Iterator[sqlite3.Connection]:
        import sqlite3

        with self._lock:
            if self._connection is None:
                raise DatabaseError(f"database '{self.name}' is closed")
            try:
                yield self._connection
            except sqlite3.Error as exc:
                kind = TableMissing if str(exc).startswith("no such table") else DatabaseError
                raise kind(f"database '{self.name}': {_reason(exc)}") from exc
            except UnicodeEncodeError as exc:
                raise DatabaseError(
                    f"database '{self.name}': a text holds half a surrogate pair"
                ) from exc


# ------------------------------------------------------------------- parts


def _open(name: str, path: Path | None) -> sqlite3.Connection:
    import sqlite3

    try:
        if path is not None:
            make_folder(path.parent)
        connection = sqlite3.connect(
            ":memory:" if path is None else path,
            timeout=limits.SQLITE_BUSY_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,
        )
    except (sqlite3.Error, OSError) as exc:
        raise DatabaseError(f"cannot open database '{name}': {_reason(exc)}") from exc
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        # From here on who waits does so without the lock, see `_patiently`.
        connection.execute("PRAGMA busy_timeout = 0")
    except sqlite3.Error as exc:
        connection.close()
        raise DatabaseError(f"cannot open database '{name}': {_reason(exc)}") from exc
    return connection


def _pauses(wait_s: float | None = None) -> Iterator[bool]:
    """Pause with each step, and yield whether there is time for another one."""
    deadline = time.monotonic() + (limits.SQLITE_BUSY_TIMEOUT_S if wait_s is None else wait_s)
    pause_s = _FIRST_PAUSE_S
    while (left_s := deadline - time.monotonic()) > 0:
        time.sleep(min(pause_s, left_s))
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        yield True
    yield False


def _busy(exc: sqlite3.OperationalError) -> bool:
    """Return whether another process has the lock that a statement needs."""
    import sqlite3

    return exc.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


def _reason(exc: Exception) -> str:
    if isinstance(exc, OSError):
        return (exc.strerror or str(exc)).lower()
    text = str(exc)
    if text == "database is locked":
        return f"locked by another process for more than {limits.SQLITE_BUSY_TIMEOUT_S:g} s"
    return text
