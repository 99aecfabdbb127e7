"""A journal read again: the state that its records lead to, whatever of them is damaged."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace

from edgelake.errors import LedgerInvalid
from edgelake.interfaces import JournalGap, JournalRecord, LogEntry, LogPosition
from edgelake.ledger.damage import Damage
from edgelake.ledger.history import History, with_chains
from edgelake.ledger.image import LedgerImage, local_of, same_there
from edgelake.ledger.lines import MasterLines, policy_of_line
from edgelake.ledger.master_part import MasterPart
from edgelake.ledger.policy import Policy
from edgelake.ledger.records import (
    BaseEnd,
    Change,
    FileMark,
    Kind,
    read_base_end,
    read_change,
    read_history,
    read_mark,
)
from edgelake.ledger.state import LedgerState

__all__ = ["Replay", "recovered", "united"]

_KEPT_MARKS = 2


class Replay:
    """Takes the records of a journal in order; `finish` returns the state.

    Attributes
    ----------
    marks : list of FileMark
        How the file of policies was written last, at most two.
    behind : bool
        The file lacks changes.
    base_bytes : int
        Payloads of the base.
    torn : bool
        Records in the middle are lost: the state may lack changes, and what the file of
        policies says is worth looking at.
    master_lost : bool
        Among them are parts of what the master sent.
    """

    def __init__(self) -> None:
        self.marks: list[FileMark] = []
        self.behind = True
        self.base_bytes = 0
        self.torn = False
        self.master_lost = False
        self._damage: list[Damage] = []
        self._state: LedgerState | None = None
        self._lines = MasterLines()
        self._pieces: list[memoryview] = []
        self._local: list[Policy] = []
        self._history: History | None = None

    def take(self, item: JournalRecord | JournalGap) -> None:
        """Take a record, or what is none."""
        if isinstance(item, JournalGap):
            reason = "a change was not written to its end" if item.tail else "a record is damaged"
            self._damage.append(Damage(item.at, reason, text=item.data, journal=True))
            self.torn = self.torn or not item.tail or self._state is None
            return
        try:
            self._record(item)
        except (ValueError, KeyError, TypeError, RecursionError, LedgerInvalid) as exc:
            reason = f"a record cannot be used: {exc}"
            self._damage.append(Damage(0, reason, text=bytes(item.payload), journal=True))
            self.torn = True

    def finish(self) -> LedgerState:
        """Return the state after the last record."""
        state = self._state or self._based(None)
        state.damage = tuple(self._damage)
        return state

    # ------------------------------------------------------------------ parts

    def _record(self, item: JournalRecord) -> None:
        payload = item.payload
        if item.kind in (Kind.PIECE, Kind.LOCAL, Kind.HISTORY, Kind.BASE_END):
            self.base_bytes += len(payload)
        if item.kind == Kind.PIECE:
            self._pieces.append(payload)
            self._lines.take(bytes(payload))
        elif item.kind == Kind.LOCAL:
            policy = policy_of_line(bytes(payload).decode())
            if policy is not None:
                self._local.append(policy)
        elif item.kind == Kind.HISTORY:
            start, entries = read_history(bytes(payload))
            self._history = _history(start, entries)
        elif item.kind == Kind.BASE_END:
            self._state = self._based(read_base_end(bytes(payload)))
        elif item.kind == Kind.CHANGE:
            self._change(read_change(bytes(payload)))
        elif item.kind == Kind.FILE:
            mark = read_mark(bytes(payload))
            self.marks = [*self.marks, mark][-_KEPT_MARKS:]
            self.behind = not mark.current
        else:
            raise ValueError(f"it is of an unknown kind, {item.kind}")

    def _based(self, end: BaseEnd | None) -> LedgerState:
        """Return the state that the base describes, or what is left of it."""
        size = sum(len(piece) for piece in self._pieces)
        whole = end is not None and (size, len(self._pieces)) == (end.size, end.pieces)
        self.master_lost = not whole
        if not whole or (end is not None and end.local != len(self._local)):
            self.torn = True
        raw = None if self._lines.plain and self._pieces else b"".join(self._pieces)
        master = MasterPart(self._lines.found, raw, self._lines.quarantine, size)
        local, deletes = local_of(self._local, master.found)
        history = None
        if whole and end is not None:
            history = self._history
            if history is None or history.place != end.place:
                history = History(end.place)
        self._pieces, self._lines = [], MasterLines()
        return LedgerState(master, local, deletes, history)

    def _change(self, change: Change) -> None:
        state = self._state
        if state is None:
            self._state = state = self._based(None)
        if change.shown:
            self.behind = True
        if not self.torn:
            state.apply(change, *state.checked(change))
            return
        # A record is missing: what the master changed counts if it can be seen to follow.
        # What is local was changed here all the same.
        local = replace(change, entries=(), place=None, moved=False)
        if change.entries and change.place is not None:
            with contextlib.suppress(LedgerInvalid):
                entries, policies = state.checked(change)
                state.apply(change, entries, policies)
                return
        state.apply(local, (), ())


def _history(start: LogPosition, entries: Sequence[LogEntry]) -> History:
    history = History(start)
    history.add(with_chains(start, entries))
    return history


def recovered(state: LedgerState, image: LedgerImage, *, master_lost: bool) -> LedgerState:
    """Return a state with what the file of policies still has of what the journal lost."""
    if master_lost and len(image.policies) >= len(state.master):
        return united(state, image, None)
    known = LedgerImage(local=image.local, deletes=image.deletes)
    return united(state, known, state.master)


def united(state: LedgerState, image: LedgerImage, master: MasterPart | None) -> LedgerState:
    """Return a state with the master's part of a file, and all that is local here or there.

    Parameters
    ----------
    state : LedgerState
        What is here.
    image : LedgerImage
        What the file says.
    master : MasterPart or None
        Taken in the place of the file's.
    """
    history = None
    if master is None:
        raw = None if image.plain else image.master
        master = MasterPart({p.id: p for p in image.policies}, raw, image.quarantine)
        if master.size == state.master.size and master.md5() == state.master.md5():
            master, history = state.master, state.history
    elif master is state.master:
        history = state.history
    deletes = {marker.id: marker for marker in image.deletes}
    for marker in state.deletes.values():
        if marker.master is not None or marker.id in master.found:
            deletes.setdefault(marker.id, marker)
    local = {p.id: p for p in (*image.local, *state.local.values())}
    kept = [p for p in local.values() if p.id not in deletes and not same_there(p, master.found)]
    damage = (*state.damage, *image.damage)
    return LedgerState(master, kept, deletes.values(), history, damage)
