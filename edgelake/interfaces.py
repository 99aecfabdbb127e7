"""What the rooms of edgelake say to each other: plain data and protocols.

``wire``, ``language``, ``ledger`` and ``storage`` do not import one another;
services and commands meet them through the types declared here. Nothing in
this module does I/O.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from pathlib import Path
from typing import Any, Protocol

__all__ = [
    "Bring",
    "BringCut",
    "BringPath",
    "BringStep",
    "FileStamp",
    "JournalAccess",
    "JournalGap",
    "JournalRecord",
    "LedgerFileAccess",
    "LedgerRows",
    "LogEntry",
    "LogPosition",
    "Notice",
    "NoticeSink",
    "Page",
    "Permission",
    "PolicyRow",
    "RowChanges",
    "Result",
    "Section",
    "ServiceState",
    "ServiceStatus",
    "Table",
]


class Permission(IntEnum):
    """Who may send a command from another node; a level includes those below it.

    ``READ`` commands only inform; ``METADATA`` commands change the shared
    ledger of a master; ``ADMIN`` commands change the node; ``NEVER`` commands
    are for the node's own console and scripts.
    """

    READ = 1
    METADATA = 2
    ADMIN = 3
    NEVER = 4


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under named columns.

    Attributes
    ----------
    columns : tuple of str
        Headings; a line feed splits a heading over two lines.
    rows : sequence of tuples
        One value per column; numbers are shown right-aligned.
    indent : int
        Blanks before each line.
    """

    columns: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]
    indent: int = 0


@dataclass(frozen=True, slots=True)
class Section:
    """Part of a page.

    Attributes
    ----------
    heading : str
        Empty for text that stands alone.
    body : str or Table
        Lines, or rows in columns; a table without ``columns`` has no headings.
    """

    heading: str
    body: str | Table


@dataclass(frozen=True, slots=True)
class Page:
    """Sections below one another, as of a help text or of a table with remarks."""

    sections: tuple[Section, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """Answer of one command.

    Attributes
    ----------
    data : Any
        The answer as JSON data (``None``, ``bool``, numbers, ``str``, lists,
        dicts), for programs and for ``where format = json``.
    text : str
        The answer as people read it; empty when the command is silent.
    json : bool
        ``text`` is JSON; a reply over the wire says so.
    ok : bool
        Always true: a failure is raised. Kept for readers of results.
    shown : Table, Page or None
        What ``text`` was made of; a terminal draws it to its own width.
    later : Future or None
        Gives the answer in place of this one. Only a command of a peer answers so, see
        `edgelake.commands.context.Context.when`.
    body : bytes
        UTF-8 that follows ``text`` in the answer to a peer, who alone is given it: a ledger
        goes to many, and is not copied for each.
    """

    data: Any = None
    text: str = ""
    json: bool = False
    ok: bool = True
    shown: Table | Page | None = None
    later: Future[Result] | None = None
    body: bytes = b""


class ServiceState(Enum):
    """Where a service stands in its life."""

    NOT_DECLARED = "Not declared"
    STARTING = "Starting"
    RUNNING = "Running"
    STOPPING = "Stopping"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """State of a service at one moment.

    Attributes
    ----------
    state : ServiceState
    details : str
        One line for ``get processes``.
    data : dict
        Named figures, JSON data.
    """

    state: ServiceState
    details: str = ""
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Notice:
    """Text that a peer or a background thread addresses to the console.

    Attributes
    ----------
    text : str
    source : str or None
        ``ip:port`` of the peer, ``None`` for the node itself.
    error : int
        Error number that came with it, 0 for none.
    """

    text: str
    source: str | None = None
    error: int = 0


class NoticeSink(Protocol):
    """Whoever shows notices: the console, a log, a test."""

    def __call__(self, notice: Notice, /) -> None:
        """Take one notice; must not block and must not raise."""


# --------------------------------------------------------------- bring


class BringStep(Enum):
    """A step of a path that no name stands for."""

    FIRST = "*"
    """The first key of an object; in a policy, its type."""

    EACH = ""
    """Every entry of a list."""


@dataclass(frozen=True, slots=True)
class BringCut:
    """The part of a text that is taken: ``[path(rfind(/))]``.

    Attributes
    ----------
    name : str
        ``find`` (before the first), ``rfind`` (after the last), ``prefix`` or ``suffix``.
    text : str
        What is looked for.
    count : int
        How many characters are taken.
    """

    name: str
    text: str = ""
    count: int = 0


@dataclass(frozen=True, slots=True)
class BringPath:
    """Where in an object a value stands, step by step: ``[operator][ip]``."""

    steps: tuple[str | BringStep, ...]
    cut: BringCut | None = None


@dataclass(frozen=True, slots=True)
class Bring:
    """What ``bring`` takes out of objects, as written; `edgelake.ledger.bring` takes it.

    Attributes
    ----------
    modifiers : frozenset of str
        ``json``, ``unique``, ``first``, …, without ``sort``.
    items : tuple
        Literal texts, and values: paths of which the first that leads to one counts.
    separator : str or None
        What stands between objects; ``None`` if not written.
    sort : tuple of int or None
        Numbers of the paths to sort by, from 0; nothing in it stands for all of them;
        ``None`` keeps the order.
    """

    modifiers: frozenset[str] = frozenset()
    items: tuple[str | tuple[BringPath, ...], ...] = ()
    separator: str | None = None
    sort: tuple[int, ...] | None = None


# -------------------------------------------------------------- ledger


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """One policy as the SQL table ``ledger`` holds it.

    Attributes
    ----------
    policy_type : str
        Root key.
    policy_id : str
        ``id`` of the body; unique over the table.
    date : str
        ``date`` of the body; empty if it has none.
    policy : str
        The whole policy as compact JSON, one line without a line feed.
    company, status : str or None
        Attributes of the body that have a column.
    """

    policy_type: str
    policy_id: str
    date: str
    policy: str
    company: str | None = None
    status: str | None = None


@dataclass(frozen=True, slots=True)
class RowChanges:
    """How many rows one `LedgerRows.replace_all` or `LedgerRows.update` touched."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0


@dataclass(frozen=True, slots=True)
class LogPosition:
    """A place in the log of a master's ledger.

    Attributes
    ----------
    epoch : str
        Random name of the log: another one after the database was made anew.
    seq : int
        Number of the last entry; 0 before the first.
    chain : str
        Hash over that entry and all before it, 32 hexadecimal digits.
    """

    epoch: str
    seq: int
    chain: str


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One change of a master's ledger.

    Attributes
    ----------
    seq : int
        Its number; each is one more than the one before.
    op : str
        ``put``: the policy of the id is this one now, and stands behind that of
        ``after_id``; ``del``: there is none.
    policy_id, after_id : str
        ``after_id`` is empty for the first policy of the ledger.
    policy : str
        Its line, without line feed; empty for ``del``.
    chain : str
        See `LogPosition`; empty where it is not known.
    """

    seq: int
    op: str
    policy_id: str
    after_id: str
    policy: str
    chain: str = ""

    def heading(self) -> str:
        """Return all but policy and chain, as one line of JSON."""
        return json.dumps([self.seq, self.op, self.policy_id, self.after_id])

    def chained(self, before: str) -> str:
        """Return the chain with this entry, after the chain without it."""
        text = f"{before}\n{self.heading()}\n{self.policy}"
        return hashlib.sha256(text.encode()).hexdigest()[:32]


class LedgerRows(Protocol):
    """The table ``ledger`` of any database; safe to use from several threads.

    Every change is one transaction and durable when the method returns.
    """

    def version(self) -> object:
        """Return a token that differs after any change, by this process or another one."""

    def read(self) -> list[str]:
        """Return the policies' texts as stored, ordered by date and then by age of the row."""

    def insert(self, row: PolicyRow, host: str, *, ignore: bool = False) -> bool:
        """Add a row; return whether it is new.

        Raises `PolicyConflict` for an id that exists, unless ``ignore``.
        """

    def delete(self, policy_ids: Sequence[str]) -> None:
        """Remove one row per id; raise `PolicyRowMissing` and change nothing if one lacks."""

    def replace_all(self, rows: Sequence[PolicyRow], host: str) -> RowChanges:
        """Make the table hold exactly these policies, and return what that took."""

    def update(self, changed: Mapping[str, PolicyRow | None], host: str) -> RowChanges | None:
        """Give some policies the rows they shall have, ``None`` for no row.

        Returns ``None``, and changes nothing, if the table is not as this or `replace_all`
        left it.
        """


@dataclass(frozen=True, slots=True)
class JournalRecord:
    """One record of a journal: what it is, and its payload, a view of what was read."""

    kind: int
    payload: memoryview


@dataclass(frozen=True, slots=True)
class JournalGap:
    """Bytes of a journal that are no record.

    Attributes
    ----------
    at : int
        Where they begin in the file.
    data : bytes
    tail : bool
        No record follows: a write that was interrupted, in nearly all cases.
    """

    at: int
    data: bytes
    tail: bool


class JournalAccess(Protocol):
    """A file of records that is appended to; calls are made by one thread at a time."""

    @property
    def spoiled(self) -> bool:
        """Whether a write failed in a way that only `rewrite` mends."""

    def stamp(self) -> object:
        """Return a token that differs after any change; ``None`` without a file."""

    def read(self) -> Sequence[JournalRecord | JournalGap] | None:
        """Return all records in order, and damage between them; ``None`` without a file."""

    def append(self, kind: int, payload: bytes) -> None:
        """Add a record, durable when this returns, or raise and leave all as it was."""

    def rewrite(self, records: Iterable[tuple[int, bytes]]) -> None:
        """Put new records in the place of all, durably and at once, or raise and keep the old."""

    def end_bytes(self) -> int:
        """Return how long the file is after the last call."""


@dataclass(frozen=True, slots=True)
class FileStamp:
    """By what a file is known to be the one that was written.

    Attributes
    ----------
    inode, size, time_ns : int
        The time is that of its last change.
    """

    inode: int
    size: int
    time_ns: int


class LedgerFileAccess(Protocol):
    """The files of the local ledger; calls are made by one thread at a time."""

    @property
    def path(self) -> Path:
        """Where the file of policies lies."""

    @property
    def journal(self) -> JournalAccess:
        """What the ledger is; the file is written after it."""

    def read(self) -> bytes | None:
        """Return the whole content, ``None`` if there is no file."""

    def draft(self, pieces: Iterable[bytes]) -> AbstractContextManager[FileStamp]:
        """Put new content in the file's place when the block ends, durably and at once."""

    def set_aside(self, damaged: bytes) -> None:
        """Keep damaged text in a file beside the ledger, for a person to look at."""

    def stamp(self) -> FileStamp | None:
        """Return what differs after the file was replaced; ``None`` without a file."""

    def old_position(self) -> tuple[LogPosition, str] | None:
        """Return the place in the master's log that an earlier version kept, and for what MD5."""

    def forget_old_position(self) -> None:
        """Remove what `old_position` returns; the journal holds it."""
