"""PostgreSQL databases, by psycopg 3."""

from __future__ import annotations

import functools
import itertools
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC
from typing import Any, TypeVar

from dateutil.parser import isoparse

from edgelake import limits
from edgelake.errors import DatabaseError, DatabaseUnreachable, TableMissing
from edgelake.storage.engine import Database
from edgelake.storage.postgres_link import Link, Links, Server, driver, explained

__all__ = ["PostgresDatabase"]

_R = TypeVar("_R")
_SERIAL = itertools.count(1)
_PARTS = re.compile(r"""'[^']*'|"[^"]*"|[?%]""")
_READS = re.compile(r"\s*SELECT\b", re.IGNORECASE)

# One key for all transactions of this package in one database.
_LOCK = "SELECT pg_advisory_xact_lock(7309178460173225483)"
_LATE_DATE = "infinity"

_OWNED = """
    SELECT c.oid::bigint FROM pg_class c
    WHERE c.oid = to_regclass(quote_ident(?)) AND pg_has_role(c.relowner, 'USAGE')
"""
_ROOM = "has_schema_privilege(current_schema(), 'CREATE')"
_WATCH = (
    "CREATE TABLE IF NOT EXISTS edgelake_changes (relation oid primary key, changed bigint)",
    "GRANT SELECT ON edgelake_changes TO PUBLIC",
    # With the rights of its owner: who else writes into the table need not know of it.
    """
    CREATE OR REPLACE FUNCTION edgelake_changed() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path FROM CURRENT AS $$
    BEGIN
        IF TG_OP <> 'TRUNCATE' THEN
            IF NOT EXISTS (SELECT FROM edgelake_rows) THEN RETURN NULL; END IF;
        END IF;
        UPDATE edgelake_changes SET changed = txid_current()
        WHERE relation = TG_RELID AND changed <> txid_current();
        RETURN NULL;
    END $$
    """,
    "DELETE FROM edgelake_changes WHERE relation NOT IN (SELECT oid FROM pg_class)",
)
_EVENTS = (
    ("INSERT", "REFERENCING NEW TABLE AS edgelake_rows"),
    ("UPDATE", "REFERENCING NEW TABLE AS edgelake_rows"),
    ("DELETE", "REFERENCING OLD TABLE AS edgelake_rows"),
    ("TRUNCATE", ""),
)
_ALL_CHANGES = "SELECT txid_current_snapshot()::text"
_COUNTS = "SELECT has_table_privilege(to_regclass('edgelake_changes')::oid, 'SELECT')"
_CHANGES = """
    SELECT t.oid::bigint, txid_current_snapshot()::text, (
        SELECT changed FROM edgelake_changes WHERE relation = t.oid AND (
            SELECT count(*) FROM pg_trigger
            WHERE tgrelid = t.oid AND tgenabled IN ('O', 'A') AND tgname LIKE 'edgelake_changed_%'
        ) = 4
    )
    FROM (SELECT to_regclass(quote_ident(?))::oid AS oid) AS t
"""


class PostgresDatabase(Database):
    """A database of a PostgreSQL server; made there if it is missing.

    Parameters
    ----------
    name : str
        Logical name, and the name on the server.
    server : Server

    Raises
    ------
    DatabaseUnreachable
        The server does not answer, or refuses.
    DatabaseError
        The library is missing, or the database cannot be made.

    Notes
    -----
    At most `limits.POSTGRES_CONNECTIONS` connections; each statement, each
    lock and each silence is bounded. A lost connection is replaced; a statement
    that only reads is then tried once more, one that changes something is not.
    """

    kind = "psql"
    serial_key = "serial primary key"
    now = "now()"

    def __init__(self, name: str, server: Server) -> None:
        self.name = name
        self.server = server
        self._serial = next(_SERIAL)
        self._links = Links(name, server)
        self._writing = threading.Lock()
        self._mine = threading.local()
        self._counted: tuple[int, bool] | None = None
        self._guarded: tuple[str, ...] = ()
        self._locks = ""
        self._links.open()

    @property
    def address(self) -> str:
        """``ip:port`` of the server."""
        return str(self.server)

    @property
    def storage(self) -> str:
        """Product and version of the server."""
        return self._links.version

    @property
    def state(self) -> str:
        """``connected``, or why not; never waits."""
        return self._links.trouble or "connected"

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return all rows of a statement; ``values`` are bound to its ``?``."""

        def ask(link: Link) -> list[tuple[Any, ...]]:
            return link.execute(_translated(sql), values or None).fetchall()

        if self._current() is None and not _READS.match(sql):
            with self.transaction():
                return self._run(ask)
        return self._run(ask, again=True)

    def execute(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Run a statement; return how many rows it changed."""
        if self._current() is None:
            with self.transaction():
                return self.execute(sql, values)
        return self._run(lambda link: link.execute(_translated(sql), values or None).rowcount)

    def execute_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> int:
        """Run a statement for each row of values; return how many rows changed."""
        if not rows:
            return 0
        if self._current() is None:
            with self.transaction():
                return self.execute_many(sql, rows)

        def change(link: Link) -> int:
            with link.cursor() as cursor:
                cursor.executemany(_translated(sql), rows)
                return cursor.rowcount

        return self._run(change)

    @contextmanager
    def transaction(self, wait_s: float | None = None) -> Iterator[None]:
        """Make the statements inside one change: all of them, or none if the block raises.

        Parameters
        ----------
        wait_s : float or None
            Longest wait for other transactions; by default `limits.POSTGRES_LOCK_TIMEOUT_S`.

        Raises
        ------
        DatabaseUnreachable
            The connection was lost; if that was at the end, the change may be
            stored, and the text says so.
        DatabaseError
            Another transaction lasted longer.
        """
        limit_s = limits.POSTGRES_LOCK_TIMEOUT_S if wait_s is None else wait_s
        if self._current() is not None:
            raise DatabaseError(f"database '{self.name}': transactions cannot be nested")
        if not self._writing.acquire(timeout=limit_s):
            raise DatabaseError(
                f"database '{self.name}': locked by another command for more than {limit_s:g} s"
            )
        try:
            with self._links.lent() as link:
                self._mine.link = link
                try:
                    yield from self._inside(link, limit_s)
                finally:
                    self._mine.link = None
        finally:
            self._writing.release()

    def has_table(self, table: str) -> bool:
        """Return whether the search path leads to a table of that name."""
        return self.query("SELECT to_regclass(quote_ident(?)) IS NOT NULL", (table,)) == [(True,)]

    def owns(self, table: str) -> bool:
        """Return whether the user, or a role of theirs, made the table."""
        return bool(self.query(_OWNED, (table,)))

    def watch(self, table: str) -> None:
        """Have the server take note of each change, if the table is this user's.

        Triggers write the number of the transaction into the table
        ``edgelake_changes``. Without them any transaction of the server counts
        as a change.
        """
        from psycopg import sql

        for (oid,) in self.query(f"{_OWNED} AND {_ROOM}", (table,)):
            for statement in _WATCH:
                self.execute(statement)
            self.execute(
                "INSERT INTO edgelake_changes VALUES (?::bigint::oid, txid_current())"
                " ON CONFLICT (relation) DO NOTHING",
                (oid,),
            )
            for event, rows in _EVENTS:
                name = f"edgelake_changed_{event.lower()}"
                if self.query(
                    "SELECT 1 FROM pg_trigger WHERE tgrelid = ?::bigint::oid AND tgname = ?",
                    (oid, name),
                ):
                    continue
                made = sql.SQL(
                    f"CREATE TRIGGER {{}} AFTER {event} ON {{}} {rows}"
                    " FOR EACH STATEMENT EXECUTE FUNCTION edgelake_changed()"
                ).format(sql.Identifier(name), sql.Identifier(table))
                self._run(functools.partial(_execute, made))
        self._counted = None

    def guard(self, table: str) -> None:
        """Lock a table against writers at the beginning of each transaction."""
        if table not in self._guarded:
            self._guarded = (*self._guarded, table)
            from psycopg import sql

            names = sql.SQL(", ").join(map(sql.Identifier, self._guarded))
            locks = sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(names)
            self._locks = locks.as_string()

    def version(self) -> object:
        """Return a token that differs after any change of a guarded table, by anybody."""
        epoch = self._links.epoch
        if not self._guarded or not self._counts(epoch):
            return (self._serial, epoch, self.query(_ALL_CHANGES)[0][0])
        try:
            found = [self.query(_CHANGES, (table,))[0] for table in self._guarded]
        except TableMissing:
            self._counted = None
            raise
        tokens = ((oid, now if changed is None else changed) for oid, now, changed in found)
        return (self._serial, epoch, *tokens)

    def timestamp(self, text: str) -> object:
        """Return a date in UTC, or ``infinity`` for what is no date: it sorts last."""
        try:
            found = isoparse(text)
            return found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else found
        except (ValueError, OverflowError):
            return _LATE_DATE

    def close(self) -> None:
        """End the connections; statements that still run are given little time. Twice is fine."""
        self._links.close()

    # ---------------------------------------------------------------- parts

    def _counts(self, epoch: int) -> bool:
        """Return whether the server takes note of changes of any table here."""
        known = self._counted
        if known is None or known[0] != epoch:
            known = self._counted = (epoch, self.query(_COUNTS) == [(True,)])
        return known[1]

    def _current(self) -> Link | None:
        """Return the connection of this thread's transaction."""
        return getattr(self._mine, "link", None)

    def _run(self, work: Callable[[Link], _R], *, again: bool = False) -> _R:
        """Do something on the connection of the transaction, or on any."""
        link = self._current()
        if link is not None:
            with explained(self.name, self._links):
                return work(link)
        try:
            with self._links.lent() as link, explained(self.name, self._links):
                return work(link)
        except DatabaseUnreachable:
            if not again or self._links.trouble:
                raise
        with self._links.lent() as link, explained(self.name, self._links):
            return work(link)

    def _inside(self, link: Link, wait_s: float) -> Iterator[None]:
        try:
            with explained(self.name, self._links):
                self._begin(link, wait_s)
            yield
        except BaseException:
            self._roll_back(link)
            raise
        try:
            with explained(self.name, self._links):
                link.execute("COMMIT")
        except DatabaseUnreachable as exc:
            raise DatabaseUnreachable(
                f"{exc.message}; whether the change was stored is not known"
            ) from exc

    def _begin(self, link: Link, wait_s: float) -> None:
        """Begin a transaction behind all others."""
        begin = f"BEGIN; {_LOCK}"
        if wait_s != limits.POSTGRES_LOCK_TIMEOUT_S:
            begin = f"BEGIN; SET LOCAL lock_timeout = {wait_s * 1000:.0f}; {_LOCK}"
        if not self._locks:
            link.execute(begin)
            return
        try:
            link.execute(f"{begin}; {self._locks}")
        except driver().errors.UndefinedTable:
            # It may be about to be made.
            link.execute("ROLLBACK")
            link.execute(begin)

    def _roll_back(self, link: Link) -> None:
        """End a transaction without a change; if that fails the connection is not kept."""
        try:
            with explained(self.name, self._links):
                link.execute("ROLLBACK")
        except DatabaseError:
            link.close()


def _execute(statement: Any, link: Link) -> None:
    link.execute(statement)


@functools.lru_cache(maxsize=256)
def _translated(sql: str) -> Any:
    """Return a statement with the placeholders of the library."""

    def placed(found: re.Match[str]) -> str:
        part = found[0]
        return "%s" if part == "?" else part.replace("%", "%%")

    return _PARTS.sub(placed, sql) if "?" in sql else sql
