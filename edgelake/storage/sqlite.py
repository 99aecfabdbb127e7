"""SQLite databases; the module `sqlite3` is imported when the first one is connected."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgelake import limits
from edgelake.errors import DatabaseError, TableMissing
from edgelake.storage.atomic import make_folder
from edgelake.storage.engine import Database

if TYPE_CHECKING:
    import sqlite3

__all__ = ["SqliteDatabase"]

_SERIAL = itertools.count(1)


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
    the other, a thread inside `transaction` keeps the others out. WAL mode with
    full synchronisation: what a method returned from survives a power cut.
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
        with self._guarded() as connection:
            return connection.execute(sql, values).fetchall()

    def execute(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Run a statement; return how many rows it changed."""
        with self._guarded() as connection:
            return connection.execute(sql, values).rowcount

    def execute_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> int:
        """Run a statement for each row of values; return how many rows changed."""
        with self._guarded() as connection:
            return connection.executemany(sql, rows).rowcount

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make the statements inside one change: all of them, or none if the block raises.

        Takes the write lock of the database at once. Other threads wait; the
        block has to be short. Not to be nested.

        Raises
        ------
        DatabaseError
            The lock was not free for `limits.SQLITE_BUSY_TIMEOUT_S`, or the
            change could not be stored.
        """
        with self._guarded() as connection:
            if self._depth:
                raise DatabaseError(f"database '{self.name}': transactions cannot be nested")
            connection.execute("BEGIN IMMEDIATE")
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
        with self._guarded() as connection:
            others = connection.execute("PRAGMA data_version").fetchone()[0]
            schema = connection.execute("PRAGMA schema_version").fetchone()[0]
            return (self._serial, others, schema, connection.total_changes)

    def close(self) -> None:
        """Close the connection; may be called twice."""
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()

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
    except sqlite3.Error as exc:
        connection.close()
        raise DatabaseError(f"cannot open database '{name}': {_reason(exc)}") from exc
    return connection


def _reason(exc: Exception) -> str:
    if isinstance(exc, OSError):
        return (exc.strerror or str(exc)).lower()
    text = str(exc)
    if text == "database is locked":
        return f"locked by another process for more than {limits.SQLITE_BUSY_TIMEOUT_S:g} s"
    return text
