"""Connected databases by name."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from pathlib import Path

from edgelake.errors import (
    DatabaseError,
    DatabaseTypeWrong,
    DatabaseUnknown,
    MissingOption,
    WrongValue,
)
from edgelake.storage.engine import Database
from edgelake.storage.postgres import PostgresDatabase
from edgelake.storage.postgres_link import Server
from edgelake.storage.sqlite import SqliteDatabase

__all__ = ["DatabaseEntry", "Databases"]

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,62}")


@dataclass(frozen=True, slots=True)
class DatabaseEntry:
    """One line of ``get databases``.

    Attributes
    ----------
    name : str
        Logical name.
    kind : str
        ``sqlite`` or ``psql``.
    address : str
        ``ip:port`` of the server, ``Local`` without one.
    storage : str
        Path of the file, ``MEMORY``, or the product and version of the server.
    state : str
        ``connected``, or why not.
    """

    name: str
    kind: str
    address: str
    storage: str
    state: str


class Databases:
    """The connected databases of a node.

    Parameters
    ----------
    folder : Path
        Where SQLite files lie: ``<name>.dbms``.

    Notes
    -----
    Thread-safe; owns the databases it opened. A server that does not answer
    keeps nobody waiting but who connects to it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._open: dict[str, Database] = {}
        self._closed = False

    def connect(
        self, name: str, kind: str, *, memory: bool = False, server: Server | None = None
    ) -> Database:
        """Return the database of a name, connected; the same connection again is kept.

        Parameters
        ----------
        name : str
            Letters, digits, ``_`` and ``-``, at most 63.
        kind : str
            ``sqlite`` or ``psql``.
        memory : bool
            Keep it in memory; it is gone when it is closed. SQLite only.
        server : Server or None
            Needed for ``psql``; SQLite has none.

        Raises
        ------
        WrongValue
            The name is not allowed.
        DatabaseTypeWrong
            No driver of that kind, or the name is connected in another way.
        DatabaseError
        """
        if kind not in ("sqlite", "psql"):
            raise DatabaseTypeWrong(
                f"no driver for databases of type '{kind}'", hint="type = sqlite or type = psql"
            )
        if not _NAME.fullmatch(name):
            raise WrongValue(
                f"'{name[:80]}' is not a name of a database",
                hint="use at most 63 letters, digits, '_' and '-'",
            )
        path = None if memory or kind == "psql" else self._folder / f"{name}.dbms"
        if kind == "sqlite":
            server = None
        elif server is None:
            raise MissingOption("a database of type psql needs a server", hint="add user = <user>")
        with self._lock:
            found = self._open.get(name)
        if found is None:
            found = self._add(
                PostgresDatabase(name, server) if server else SqliteDatabase(name, path)
            )
        if not _same(found, path, server):
            raise DatabaseTypeWrong(
                f"database '{name}' is connected already, as {_shown(found)}",
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
        """Return the connected databases by name, without waiting for any of them."""
        with self._lock:
            found = sorted(self._open.values(), key=lambda database: database.name)
        return [
            DatabaseEntry(entry.name, entry.kind, entry.address, entry.storage, entry.state)
            for entry in found
        ]

    def names(self) -> list[str]:
        """Return the names of the connected databases, without waiting for any of them."""
        return sorted(list(self._open))

    def close(self) -> None:
        """Close every connection; may be called twice."""
        with self._lock:
            self._closed = True
            found, self._open = list(self._open.values()), {}
        for database in found:
            database.close()

    def _add(self, database: Database) -> Database:
        """Return a new database, or the one that somebody connected meanwhile."""
        with self._lock:
            found = None if self._closed else self._open.setdefault(database.name, database)
        if found is not database:
            database.close()
        if found is None:
            raise DatabaseError(f"database '{database.name}' not connected: the node ends")
        return found

    def _known(self, name: str) -> Database:
        found = self._open.get(name)
        if found is None:
            raise DatabaseUnknown(
                f"no database '{name}' is connected",
                hint=f"connect dbms {name} where type = sqlite",
            )
        return found


# ------------------------------------------------------------------- parts


def _same(found: Database, path: Path | None, server: Server | None) -> bool:
    """Return whether a connection is the one that is asked for."""
    if isinstance(found, PostgresDatabase):
        return found.server == server
    return server is None and isinstance(found, SqliteDatabase) and found.path == path


def _shown(found: Database) -> str:
    if isinstance(found, PostgresDatabase):
        return f"psql of user '{found.server.user}' at {found.address}"
    return found.storage
