"""What the rest of the package needs of a database, whichever it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar

__all__ = ["Database"]


class Database(ABC):
    """A connected database: statements with bound values, and transactions.

    Statements are SQL that every engine understands, with ``?`` for each value;
    upserts and ``RETURNING`` are. What differs stands in the attributes.

    Attributes
    ----------
    kind : str
        The ``type`` of ``connect dbms``.
    serial_key : str
        Type of a primary key that counts by itself.
    now : str
        Expression for the moment of a statement.
    name : str
        Logical name.

    Notes
    -----
    Thread-safe. Transactions go one after the other, also those of other
    processes that use this package. What a method returned from survives a
    power cut. Every failure is a `DatabaseError`; it never shows a statement.
    """

    kind: ClassVar[str]
    serial_key: ClassVar[str]
    now: ClassVar[str]
    name: str

    @property
    @abstractmethod
    def address(self) -> str:
        """``ip:port`` of the server, ``Local`` without one."""

    @property
    @abstractmethod
    def storage(self) -> str:
        """Where the data lie, for a person."""

    @property
    @abstractmethod
    def state(self) -> str:
        """``connected``, or why not; never waits."""

    @abstractmethod
    def query(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return all rows of a statement; ``values`` are bound to its ``?``.

        A statement that changes something belongs into a transaction.
        """

    @abstractmethod
    def execute(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Run a statement; return how many rows it changed."""

    @abstractmethod
    def execute_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> int:
        """Run a statement for each row of values; return how many rows changed."""

    @abstractmethod
    def transaction(self, wait_s: float | None = None) -> AbstractContextManager[None]:
        """Make the statements inside one change: all of them, or none if the block raises.

        Keeps all other transactions out from its beginning; the block has to be
        short. Not to be nested.

        Parameters
        ----------
        wait_s : float or None
            Longest wait for the others; by default as the engine's limit says.

        Raises
        ------
        DatabaseError
            The others took too long, or the change could not be stored.
        """

    @abstractmethod
    def has_table(self, table: str) -> bool:
        """Return whether there is a table of that name."""

    @abstractmethod
    def owns(self, table: str) -> bool:
        """Return whether a table is there and may be changed in its shape."""

    @abstractmethod
    def guard(self, table: str) -> None:
        """Let nobody, other programs neither, change a table during any transaction from now on.

        A table that does not exist is no error. `version` speaks of these tables.
        Asks the database nothing.
        """

    @abstractmethod
    def watch(self, table: str) -> None:
        """Have the database note who changes a table, so that `version` need not guess.

        Inside a transaction, and of a table that is the user's own.
        """

    @abstractmethod
    def version(self) -> object:
        """Return a token that differs after any change of a guarded table, by anybody.

        Reads no rows. Compare tokens of one object. Equal tokens mean equal
        content, different ones may too. What is seen inside a transaction after
        its last change is what is seen behind it, unless others changed something.
        """

    @abstractmethod
    def timestamp(self, text: str) -> object:
        """Return the value to bind to a column of type ``timestamp`` for a date as written."""

    @abstractmethod
    def close(self) -> None:
        """End the connections; statements that still run are given little time. Twice is fine."""
