"""Keeps the state of the ledger and its journal alike: a change is durable before it is seen."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import replace
from itertools import chain

from edgelake import limits
from edgelake.errors import StorageError
from edgelake.interfaces import FileStamp, LedgerFileAccess
from edgelake.ledger.damage import Damage
from edgelake.ledger.history import History
from edgelake.ledger.image import parse_ledger
from edgelake.ledger.master_part import NEVER_SYNCED, MasterPart, joined_pieces
from edgelake.ledger.records import Change, FileMark, Kind
from edgelake.ledger.replay import Replay, recovered, united
from edgelake.ledger.snapshot import HashedPieces, md5_of
from edgelake.ledger.state import LedgerState

__all__ = ["LedgerKeeper"]


class LedgerKeeper:
    """The state of one ledger, its journal, and the file of policies that follows it.

    Parameters
    ----------
    file : LedgerFileAccess
    behind : callable
        Called after a change that the file of policies does not show yet.

    Attributes
    ----------
    lock : Lock
        Held by who changes the ledger, also while that is written.
    mutex : Lock
        Held for reading or changing what is in memory, and never while anything is written.

    Notes
    -----
    Methods that say so are called with `lock` held; all others without.
    """

    def __init__(self, file: LedgerFileAccess, behind: Callable[[], None]) -> None:
        self.file = file
        self.lock = threading.Lock()
        self.mutex = threading.Lock()
        self._tell_behind = behind
        self._writing = threading.Lock()
        self._state: LedgerState | None = None
        self._marks: list[FileMark] = []
        self._journal_stamp: object = None
        self._file_stamp: FileStamp | None = None
        self._unsaved = False
        self._behind = False
        self._old_place = False
        self._base_bytes = 0
        self._damage_count = 0
        self._first_damage = ""

    # ---------------------------------------------------------------- reading

    def current(self) -> LedgerState:
        """Return the state, read if it was not yet; look into it with `mutex` held."""
        state = self._state
        if state is None:
            with self.lock:
                state = self.fresh()
        return state

    def in_memory(self) -> LedgerState | None:
        """Return the state, ``None`` if nothing was read yet."""
        return self._state

    def fresh(self) -> LedgerState:
        """Return the state that the next change is based on; under the lock.

        What another program has put in the place of the file, or of the journal, counts.
        """
        state = self._state
        if state is None:
            return self._read()
        journal = self.file.journal.stamp()
        if journal is None:
            # Removed by hand: what is in memory is all there is.
            self._unsaved = self._unsaved or self._journal_stamp is not None
            self._journal_stamp = None
        elif journal != self._journal_stamp:
            return self._read()
        stamp = self.file.stamp()
        if stamp != self._file_stamp:
            if stamp is not None:
                return self._taken_over(state, stamp)
            self._file_stamp = None
            self._changed(shown=True)
        return state

    def damage_report(self) -> tuple[int, str]:
        """Return how many damaged parts were met since the start, and the first's reason."""
        found = self.current().damage
        with self.mutex:
            first = self._first_damage or (str(found[0]) if found else "")
            return self._damage_count + len(found), first

    # ---------------------------------------------------------------- changes

    def load(self) -> tuple[Damage, ...]:
        """Read everything anew, and mend it: what is damaged is taken out and set aside."""
        with self.lock:
            state = self._read()
            damage = state.damage
            if damage or self._unsaved:
                self._save(state)
            behind = self._behind
        if behind:
            self.write_file()
        return damage

    def commit(self, state: LedgerState, change: Change) -> None:
        """Make a change of the state that `fresh` returned, durably; under the lock.

        Raises
        ------
        LedgerInvalid
            It does not fit.
        StorageError
            Nothing was changed.
        """
        entries, policies = state.checked(change)
        payload = change.payload()
        size = state.master.size + state.local_size + len(payload)
        if size > limits.MAX_LEDGER_BYTES and (change.put or change.entries):
            raise _too_long(size)
        if self._unsaved or self.file.journal.spoiled or self._journal_stamp is None:
            self._save(state)
        self._append(Kind.CHANGE, payload)
        with self.mutex:
            state.apply(change, entries, policies)
        self._changed(shown=change.shown)

    def replace(self, state: LedgerState) -> None:
        """Put another state in the place of all, durably; under the lock."""
        size = state.master.size + state.local_size
        if size > limits.MAX_LEDGER_BYTES:
            raise _too_long(size)
        before = self._state
        if before is not None and before.damage:
            state.damage = before.damage
        self._behind = True
        self._save(state)
        self._changed(shown=True)

    def _changed(self, *, shown: bool) -> None:
        self._behind = self._behind or shown
        if self._behind or self.compaction_due():
            self._tell_behind()

    def _append(self, kind: Kind, payload: bytes) -> None:
        journal = self.file.journal
        try:
            journal.append(kind, payload)
        except StorageError:
            if journal.spoiled:
                # What could not be taken back is not read again: the journal is begun anew
                # with what is in memory before the next change.
                self._unsaved = True
                self._journal_stamp = journal.stamp()
            raise
        self._journal_stamp = journal.stamp()

    def _save(self, state: LedgerState) -> None:
        """Begin the journal anew with a state, set its damage aside, and show it."""
        journal, damage = self.file.journal, state.damage
        if damage:
            texts = (entry.text for entry in damage)
            self.file.set_aside(b"".join(_whole_line(text) for text in texts))
        # The file is as current as it was, and not as the base is new.
        current = not self._behind
        marks = (
            (int(Kind.FILE), replace(mark, current=mark.current and current).payload())
            for mark in self._marks
        )
        journal.rewrite(chain(((int(k), payload) for k, payload in state.base()), marks))
        self._journal_stamp = journal.stamp()
        self._base_bytes = journal.end_bytes()
        self._unsaved = False
        with self.mutex:
            if damage:
                self._damage_count += len(damage)
                self._first_damage = self._first_damage or str(damage[0])
                state.damage = ()
            self._state = state
        if self._old_place:
            self.file.forget_old_position()
            self._old_place = False

    # ---------------------------------------------------- the file of policies

    @property
    def behind(self) -> bool:
        """Whether the file of policies lacks a change, or never was written."""
        return self._behind

    def compaction_due(self) -> bool:
        """Return whether the journal has outgrown its base."""
        grown = self.file.journal.end_bytes() - self._base_bytes
        return grown > max(limits.JOURNAL_COMPACT_MIN_BYTES, self._base_bytes)

    def compact(self) -> None:
        """Begin the journal anew if it has outgrown its base."""
        with self.lock:
            state = self.fresh()
            if self._journal_stamp is not None and self.compaction_due():
                self._save(state)

    def write_file(self) -> None:
        """Bring the file of policies to the state, if it is behind.

        Raises
        ------
        StorageError
            It is as it was.
        """
        with self._writing:
            with self.lock:
                state = self.fresh()
                if not self._behind:
                    return
                if self._unsaved or self._journal_stamp is None:
                    self._save(state)
                with self.mutex:
                    version, local = state.version, state.lines()
                    master, blank = state.master.texts(), state.master.needs_blank()
            self._put(joined_pieces(master, local, blank), state, version)

    def _put(self, pieces: Iterable[bytes], state: LedgerState, version: int) -> None:
        hashed = HashedPieces(pieces)
        with ExitStack() as held:
            with self.file.draft(hashed) as stamp:
                held.enter_context(self.lock)
                # What another program has put there meanwhile is not written over.
                now = self.fresh()
                current = now is state and now.version == version
                md5 = hashed.md5() if stamp.size else NEVER_SYNCED
                mark = FileMark(stamp, md5, current)
                if self._unsaved:
                    self._save(now)
                # The note comes first: a file that no note tells of is another program's.
                self._append(Kind.FILE, mark.payload())
                self._mark(mark)
            self._file_stamp = stamp
            self._behind = not current
            if current:
                with self.mutex:
                    now.file_hash_known(md5)

    # ------------------------------------------------------------------ parts

    def _read(self) -> LedgerState:
        """Read the journal and, as far as needed, the file of policies; write nothing."""
        journal_stamp = self.file.journal.stamp()
        items = self.file.journal.read()
        stamp = self.file.stamp()
        if items is None:
            self._marks, self._behind = [], False
            state = self._without_journal(stamp)
        else:
            replay = Replay()
            for item in items:
                replay.take(item)
            del items
            state = replay.finish()
            self._marks, self._base_bytes = replay.marks, replay.base_bytes
            self._behind = replay.behind or not self._marks or stamp != self._marks[-1].stamp
            self._unsaved = bool(state.damage)
            known = stamp is None or any(mark.stamp == stamp for mark in self._marks)
            if replay.torn or not known:
                state = self._compared(state, replay, stamp)
        self._journal_stamp, self._file_stamp = journal_stamp, stamp
        with self.mutex:
            self._state = state
        return state

    def _compared(self, state: LedgerState, replay: Replay, stamp: FileStamp | None) -> LedgerState:
        """Return the state with what the file of policies tells, if it does tell anything."""
        data = self.file.read()
        if data is None:
            return state
        md5 = _md5(data)
        known = any(mark.md5 == md5 for mark in self._marks)
        if known and not replay.torn:
            return state
        self._unsaved = self._behind = True
        if not known and stamp is not None:
            self._mark(FileMark(stamp, md5, current=False))
        image = parse_ledger(data)
        if replay.torn:
            return recovered(state, image, master_lost=replay.master_lost)
        return united(state, image, None)

    def _mark(self, mark: FileMark) -> None:
        """Note a content of the file that is known: what was written, or taken over."""
        self._marks = [*self._marks, mark][-2:]

    def _without_journal(self, stamp: FileStamp | None) -> LedgerState:
        """Return what the file of policies alone says: an earlier version's, or a copy."""
        data = self.file.read()
        image = parse_ledger(data or b"")
        raw = None if image.plain and image.policies else image.master
        master = MasterPart({p.id: p for p in image.policies}, raw, image.quarantine)
        history = None
        position = self.file.old_position()
        self._old_place = position is not None
        if position is not None and position[1] == master.md5():
            history = History(position[0])
        self._unsaved = data is not None
        self._behind = bool(image.damage)
        if data is not None and stamp is not None:
            self._mark(FileMark(stamp, _md5(data), not image.damage))
        return LedgerState(master, image.local, image.deletes, history, image.damage)

    def _taken_over(self, state: LedgerState, stamp: FileStamp) -> LedgerState:
        """Return the state with what another program has written into the file of policies."""
        data = self.file.read()
        if data is None:
            return state
        self._file_stamp, md5 = stamp, _md5(data)
        if any(mark.md5 == md5 for mark in self._marks):
            return state
        state = united(state, parse_ledger(data), None)
        self._mark(FileMark(stamp, md5, current=False))
        self._unsaved = True
        with self.mutex:
            self._state = state
        self._changed(shown=True)
        return state


def _md5(data: bytes) -> str:
    return md5_of(data) if data else NEVER_SYNCED


def _whole_line(text: bytes) -> bytes:
    return text if text.endswith(b"\n") else text + b"\n"


def _too_long(size: int) -> StorageError:
    return StorageError(
        f"ledger of {size} bytes exceeds {limits.MAX_LEDGER_BYTES}",
        hint="the master's ledger or the local policies are too many",
    )
