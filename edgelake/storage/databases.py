"""Connected databases by name, and the SQLite driver.

`Database` is what the rest of the package needs of a database: statements
with bound parameters and transactions. SQLite is the driver there is; the
module `sqlite3` is imported when the first database is connected.
"""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgelake import limits
from edgelake.errors import DatabaseError, DatabaseTypeWrong, DatabaseUnknown, WrongValue

if TYPE_CHECKING:
    import sqlite3

__all__ = ["Database", "DatabaseEntry", "Databases"]

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,62}")
_SERIAL = itertools.count(1)


@dataclass(frozen=True, slots=True)
class DatabaseEntry:
    """One line of ``get databases``.

    Attributes
    ----------
    name : str
        Logical name.
    kind : str
        ``sqlite``.
    storage : str
        Path of the file, or ``MEMORY``.
    """

    name: str
    kind: str
    storage: str


class Database:
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

    def __init__(self, name: str, path: Path | None) -> None:
        self.name = name
        self.path = path
        self._lock = threading.RLock()
        self._depth = 0
        self._serial = next(_SERIAL)
        self._connection: sqlite3.Connection | None = _open(name, path)

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
                raise DatabaseError(f"database '{self.name}': {_reason(exc)}") from exc
            except UnicodeEncodeError as exc:
                raise DatabaseError(
                    f"database '{self.name}': a text holds half a surrogate pair"
                ) from exc


class Databases:
    """The connected databases of a node.

    Parameters
    ----------
    folder : Path
        Where SQLite files lie: ``<name>.dbms``.

    Notes
    -----
    Thread-safe; owns the databases it opened.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._open: dict[str, Database] = {}

    def connect(self, name: str, kind: str, *, memory: bool = False) -> Database:
        """Return the database of a name, connected; the same connection again is kept.

        Parameters
        ----------
        name : str
            Letters, digits, ``_`` and ``-``, at most 63.
        kind : str
            ``sqlite``.
        memory : bool
            Keep it in memory; it is gone when it is closed.

        Raises
        ------
        WrongValue
            The name is not allowed.
        DatabaseTypeWrong
            No driver of that kind, or the name is connected in another way.
        DatabaseError
        """
        if kind != "sqlite":
            raise DatabaseTypeWrong(
                f"no driver for databases of type '{kind}'", hint="type = sqlite"
            )
        if not _NAME.fullmatch(name):
            raise WrongValue(
                f"'{name[:80]}' is not a name of a database",
                hint="use at most 63 letters, digits, '_' and '-'",
            )
        with self._lock:
            found = self._open.get(name)
            if found is None:
                path = None if memory else self._folder / f"{name}.dbms"
                found = self._open[name] = Database(name, path)
            elif (found.path is None) is not memory:
                raise DatabaseTypeWrong(
                    f"database '{name}' is connected already, as {found.storage}",
                    hint=f"first: disconnect dbms {name}",
                )
            return found

    def disconnect(self, name: str) -> None:
        """Close the connection of a name.

        Raises
        ------
        DatabaseUnknown
        """
        with self._lock:
            found = self._known(name)
            del self._open[name]
        found.close()

    def get(self, name: str) -> Database:
        """Return the database of a name.

        Raises
        ------
        DatabaseUnknown
        """
        with self._lock:
            return self._known(name)

    def describe(self) -> list[DatabaseEntry]:
        """Return the connected databases by name."""
        with self._lock:
            found = sorted(self._open.values(), key=lambda database: database.name)
        return [DatabaseEntry(entry.name, entry.kind, entry.storage) for entry in found]

    def names(self) -> list[str]:
        """Return the names of the connected databases, without waiting for any of them."""
        return sorted(list(self._open))

    def close(self) -> None:
        """Close every connection; may be called twice."""
        with self._lock:
            found, self._open = list(self._open.values()), {}
        for database in found:
            database.close()

    def _known(self, name: str) -> Database:
        found = self._open.get(name)
        if found is None:
            raise DatabaseUnknown(
                f"no database '{name}' is connected",
                hint=f"connect dbms {name} where type = sqlite",
            )
        return found


# ------------------------------------------------------------------- parts


def _open(name: str, path: Path | None) -> sqlite3.Connection:
    import sqlite3

    try:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
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
