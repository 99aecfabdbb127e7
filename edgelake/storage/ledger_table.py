"""The SQL table ``ledger``: how a master stores the shared ledger.

Columns and indexes are those of existing nodes, so that either can work on
the other's database.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

from edgelake.errors import PolicyConflict, PolicyRowMissing, TableMissing
from edgelake.interfaces import PolicyRow, RowChanges
from edgelake.storage.engine import Database

__all__ = ["LedgerTable"]

_CREATE = """CREATE TABLE ledger (
        sequence_id {serial_key},
        policy_type varchar not null,
        policy_id varchar not null,
        company_name varchar,
        date timestamp not null default {now},
        host varchar not null,
        status varchar,
        policy varchar
    )"""
_INDEXES = (
    "CREATE UNIQUE INDEX IF NOT EXISTS hash_index ON ledger (policy_id)",
    "CREATE INDEX IF NOT EXISTS time_index ON ledger (date)",
)
_INSERT = (
    "INSERT INTO ledger (policy_type, policy_id, company_name, date, host, status, policy)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_UPDATE = (
    "UPDATE ledger SET policy_type = ?, company_name = ?, date = ?, host = ?, status = ?,"
    " policy = ? WHERE policy_id = ?"
)


class LedgerTable:
    """`edgelake.interfaces.LedgerRows` in a database.

    Parameters
    ----------
    database : Database
        Stays the caller's.

    Notes
    -----
    Thread-safe. Every change is one transaction. All values are bound, so
    that any text is stored, and compared, as it is.
    Source: ledger reference, "The SQL table".
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._left: object = None  # token of the table as `replace_all` or `update` left it
        database.guard("ledger")

    def create(self) -> None:
        """Make the table and its indexes; one that exists is kept."""
        database = self._database
        with database.transaction():
            if not database.has_table("ledger"):
                database.execute(_CREATE.format(serial_key=database.serial_key, now=database.now))
            if database.owns("ledger"):
                for statement in _INDEXES:
                    database.execute(statement)
                database.watch("ledger")

    def exists(self) -> bool:
        """Return whether the database has the table."""
        return self._database.has_table("ledger")

    def require(self) -> None:
        """Raise `TableMissing` if the database does not have the table."""
        if not self.exists():
            name = self._database.name
            raise TableMissing(
                f"database '{name}' has no table 'ledger'",
                hint=f"create table ledger where dbms = {name}",
            )

    def version(self) -> object:
        """Return a token that differs after any change, by this process or another one.

        Compare tokens of one `Database` object; equal tokens mean equal
        content, different ones may too. Reads no rows.
        """
        return self._database.version()

    def read(self) -> list[str]:
        """Return the policies' texts as stored, ordered by date, then by sequence_id.

        A row whose policy is not a text is left out.
        """
        with self.explained():
            rows = self._database.query("SELECT policy FROM ledger ORDER BY date, sequence_id")
        return [policy for (policy,) in rows if isinstance(policy, str)]

    def text_of(self, policy_id: str) -> str | None:
        """Return the policy of an id as stored, ``None`` if it has no row or no text."""
        with self.explained():
            found = self._database.query(
                "SELECT policy FROM ledger WHERE policy_id = ?", (policy_id,)
            )
        return found[0][0] if found and isinstance(found[0][0], str) else None

    def has(self, policy_id: str) -> bool:
        """Return whether an id has a row."""
        with self.explained():
            sql = "SELECT 1 FROM ledger WHERE policy_id = ?"
            return bool(self._database.query(sql, (policy_id,)))

    def insert(self, row: PolicyRow, host: str, *, ignore: bool = False) -> bool:
        """Add a row; return whether it is new.

        Parameters
        ----------
        row : PolicyRow
        host : str
            IP address of the node whose message caused it.
        ignore : bool
            An id that exists is no error and changes nothing.

        Raises
        ------
        PolicyConflict
            The id exists.
        DatabaseError
        """
        with self.explained():
            added = self.add_row(row, host)
        if not added and not ignore:
            raise PolicyConflict(f"policy '{row.policy_id}' exists already")
        return added

    def add_row(self, row: PolicyRow, host: str) -> bool:
        """Add a row unless its id is there; return whether it is new."""
        sql = _INSERT + " ON CONFLICT (policy_id) DO NOTHING"
        return self._database.execute(sql, self._values(row, host)) == 1

    def delete(self, policy_ids: Sequence[str]) -> None:
        """Remove one row per id: all of them, or none.

        Raises
        ------
        PolicyRowMissing
            An id has no row.
        DatabaseError
        """
        with self.explained(), self._database.transaction():
            for policy_id in dict.fromkeys(policy_ids):
                removed = self._database.execute(
                    "DELETE FROM ledger WHERE policy_id = ?", (policy_id,)
                )
                if removed != 1:
                    raise PolicyRowMissing(
                        f"no row with id '{policy_id}' in the table ledger; nothing was deleted"
                    )

    def replace_all(self, rows: Sequence[PolicyRow], host: str) -> RowChanges:
        """Make the table hold exactly these policies, in one transaction, and by difference.

        Rows that have the right content already are not touched and keep
        their host.

        Parameters
        ----------
        rows : sequence of PolicyRow
            Of rows with one id the first counts.
        host : str
            Stored with rows that are added or updated.

        Returns
        -------
        RowChanges

        Raises
        ------
        DatabaseError
            The table is as it was.
        """
        wanted: dict[str, PolicyRow] = {}
        for row in rows:
            wanted.setdefault(row.policy_id, row)
        with self.explained(), self._database.transaction():
            # Without the date: it is part of the policy's text, and databases turn some of
            # them into something else.
            stored = {
                found[0]: found[1:]
                for found in self._database.query(
                    "SELECT policy_id, policy_type, company_name, status, policy FROM ledger"
                )
            }
            gone = stored.keys() - wanted.keys()
            changes, left = self._made_equal(stored, wanted, gone, host)
        self._left = left
        return changes

    def update(self, changed: Mapping[str, PolicyRow | None], host: str) -> RowChanges | None:
        """Give some policies the rows they shall have, in one transaction; see `replace_all`.

        Costs what is changed, and not what the table holds.

        Parameters
        ----------
        changed : mapping of str to PolicyRow or None
            Of each id that may differ its row, ``None`` for no row.
        host : str

        Returns
        -------
        RowChanges or None
            ``None``, and nothing is changed: the table is not, or is not known to be, as
            `replace_all` or this method left it.

        Raises
        ------
        DatabaseError
            The table is as it was.
        """
        if self._left is None:
            return None
        sql = (
            "SELECT policy_id, policy_type, company_name, status, policy FROM ledger"
            " WHERE policy_id = ?"
        )
        with self.explained(), self._database.transaction():
            if self._database.version() != self._left:
                return None
            stored = {
                found[0]: found[1:]
                for key in changed
                for found in self._database.query(sql, (key,))
            }
            wanted = {key: row for key, row in changed.items() if row is not None}
            changes, left = self._made_equal(stored, wanted, stored.keys() - wanted.keys(), host)
        self._left = left
        return changes

    def _made_equal(
        self,
        stored: Mapping[str, tuple[object, ...]],
        wanted: Mapping[str, PolicyRow],
        gone: Collection[str],
        host: str,
    ) -> tuple[RowChanges, object]:
        """Make stored rows what is wanted; return what that took, and the table's token then."""
        new = [row for key, row in wanted.items() if key not in stored]
        other = [
            row for key, row in wanted.items() if stored.get(key, _columns(row)) != _columns(row)
        ]
        database = self._database
        database.execute_many("DELETE FROM ledger WHERE policy_id = ?", [(key,) for key in gone])
        database.execute_many(
            _UPDATE,
            [
                (
                    *(r.policy_type, r.company, database.timestamp(r.date), host),
                    *(r.status, r.policy, r.policy_id),
                )
                for r in other
            ],
        )
        database.execute_many(_INSERT, [self._values(row, host) for row in new])
        changes = RowChanges(inserted=len(new), updated=len(other), deleted=len(gone))
        return changes, database.version()

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn the database's complaint about a missing table into `TableMissing`."""
        try:
            yield
        except TableMissing:
            self.require()
            raise

    def _values(self, row: PolicyRow, host: str) -> tuple[object, ...]:
        return (
            row.policy_type,
            row.policy_id,
            row.company,
            self._database.timestamp(row.date),
            host,
            row.status,
            row.policy,
        )


def _columns(row: PolicyRow) -> tuple[str | None, ...]:
    return (row.policy_type, row.company, row.status, row.policy)
