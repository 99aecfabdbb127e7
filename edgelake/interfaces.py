"""What the rooms of edgelake say to each other: plain data and protocols.

``wire``, ``language``, ``ledger`` and ``storage`` do not import one another;
services and commands meet them through the types declared here. Nothing in
this module does I/O.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Any, Protocol

__all__ = [
    "Notice",
    "NoticeSink",
    "Permission",
    "Result",
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
    """

    data: Any = None
    text: str = ""
    json: bool = False
    ok: bool = True


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
