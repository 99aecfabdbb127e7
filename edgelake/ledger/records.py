"""What the records of the ledger's journal say, as bytes and as data.

A journal begins with its base: the local lines, the history, the master's part in pieces,
and `BASE_END`. After it come the changes, one record each, and notes of the written file.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from edgelake.interfaces import FileStamp, LogEntry, LogPosition
from edgelake.ledger.image import DeleteMarker

__all__ = [
    "BaseEnd",
    "Change",
    "FileMark",
    "Kind",
    "history_payload",
    "read_base_end",
    "read_change",
    "read_history",
    "read_mark",
]


class Kind(IntEnum):
    """What a record is. Numbers are never used again."""

    LOCAL = 1
    HISTORY = 2
    PIECE = 3
    BASE_END = 4
    CHANGE = 5
    FILE = 6


@dataclass(frozen=True, slots=True)
class Change:
    """One change of the ledger, of the master's part or of what is local.

    Attributes
    ----------
    entries : tuple of LogEntry
        Changes of the master's log.
    place : LogPosition or None
        Where the ledger is after them; counts if ``moved``.
    moved : bool
    put : tuple of str
        Lines of new local policies.
    ended : tuple of str
        Ids of policies that are local no more.
    marked : tuple of DeleteMarker
        New deletes; one of an id takes the place of an earlier one.
    unmarked : tuple of str
        Ids whose delete is no more.
    """

    entries: tuple[LogEntry, ...] = ()
    place: LogPosition | None = None
    moved: bool = False
    put: tuple[str, ...] = ()
    ended: tuple[str, ...] = ()
    marked: tuple[DeleteMarker, ...] = ()
    unmarked: tuple[str, ...] = ()

    @property
    def shown(self) -> bool:
        """Whether the file of policies differs after it."""
        return bool(self.entries or self.put or self.ended or self.marked or self.unmarked)

    def payload(self) -> bytes:
        """Return it as the payload of a record."""
        top: dict[str, Any] = {}
        if self.moved:
            top["place"] = _place_data(self.place)
        if self.entries:
            top["entries"] = len(self.entries)
        if self.ended:
            top["ended"] = self.ended
        if self.marked:
            top["marked"] = [[marker.id, marker.master] for marker in self.marked]
        if self.unmarked:
            top["unmarked"] = self.unmarked
        return "\n".join((json.dumps(top), *_entry_lines(self.entries), *self.put)).encode()


@dataclass(frozen=True, slots=True)
class BaseEnd:
    """The end of the base: what it has to hold, and where it is.

    Attributes
    ----------
    size, pieces : int
        Of the master's part.
    local : int
        How many local lines there are.
    history : bool
    place : LogPosition or None
    """

    size: int
    pieces: int
    local: int
    history: bool
    place: LogPosition | None

    def payload(self) -> bytes:
        """Return it as the payload of a record."""
        top = {
            "bytes": self.size,
            "pieces": self.pieces,
            "local": self.local,
            "history": self.history,
            "place": _place_data(self.place),
        }
        return json.dumps(top).encode()


@dataclass(frozen=True, slots=True)
class FileMark:
    """The file of policies as it was written.

    Attributes
    ----------
    stamp : FileStamp
    md5 : str
        ``0`` for an empty one.
    current : bool
        It shows all changes before this record.
    """

    stamp: FileStamp
    md5: str
    current: bool

    def payload(self) -> bytes:
        """Return it as the payload of a record."""
        stamp = self.stamp
        return json.dumps([stamp.inode, stamp.size, stamp.time_ns, self.md5, self.current]).encode()


def history_payload(start: LogPosition, entries: Sequence[LogEntry]) -> bytes:
    """Return changes that follow a place as the payload of a record."""
    return "\n".join((json.dumps(_place_data(start)), *_entry_lines(entries))).encode()


# All that follows raises ValueError, KeyError or TypeError for what nobody wrote here.


def read_change(payload: bytes) -> Change:
    """Return what a record of kind `Kind.CHANGE` says."""
    lines = payload.decode().split("\n")
    top = json.loads(lines[0])
    end = 1 + 2 * int(top.get("entries", 0))
    return Change(
        entries=_entries(lines[1:end]),
        place=_place(top.get("place")),
        moved="place" in top,
        put=tuple(lines[end:]),
        ended=tuple(top.get("ended", ())),
        marked=tuple(DeleteMarker(key, master) for key, master in top.get("marked", ())),
        unmarked=tuple(top.get("unmarked", ())),
    )


def read_base_end(payload: bytes) -> BaseEnd:
    """Return what a record of kind `Kind.BASE_END` says."""
    top = json.loads(payload)
    return BaseEnd(top["bytes"], top["pieces"], top["local"], top["history"], _place(top["place"]))


def read_history(payload: bytes) -> tuple[LogPosition, tuple[LogEntry, ...]]:
    """Return what a record of kind `Kind.HISTORY` says."""
    lines = payload.decode().split("\n")
    start = _place(json.loads(lines[0]))
    if start is None:
        raise ValueError("a history without a place")
    return start, _entries(lines[1:])


def read_mark(payload: bytes) -> FileMark:
    """Return what a record of kind `Kind.FILE` says."""
    inode, size, time_ns, md5, current = json.loads(payload)
    return FileMark(FileStamp(inode, size, time_ns), md5, current)


# ------------------------------------------------------------------- parts


def _entry_lines(entries: Sequence[LogEntry]) -> list[str]:
    lines: list[str] = []
    for entry in entries:
        lines += (entry.heading(), entry.policy)
    return lines


def _entries(lines: Sequence[str]) -> tuple[LogEntry, ...]:
    found: list[LogEntry] = []
    for heading, policy in zip(lines[::2], lines[1::2], strict=True):
        seq, op, policy_id, after_id = json.loads(heading)
        found.append(LogEntry(seq, op, policy_id, after_id, policy))
    return tuple(found)


def _place_data(place: LogPosition | None) -> list[object] | None:
    return None if place is None else [place.epoch, place.seq, place.chain]


def _place(data: Any) -> LogPosition | None:
    if data is None:
        return None
    epoch, seq, chain = data
    return LogPosition(str(epoch), int(seq), str(chain))
