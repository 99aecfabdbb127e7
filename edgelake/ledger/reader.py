"""What a ledger tells: its policies, what waits for the master, and its place in a log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from edgelake.interfaces import LogEntry, LogPosition
from edgelake.ledger.compiled import compiled
from edgelake.ledger.damage import Damage
from edgelake.ledger.image import DeleteMarker, same_there
from edgelake.ledger.index import PolicyIndex
from edgelake.ledger.keeper import LedgerKeeper
from edgelake.ledger.master_part import bytes_of, joined_pieces
from edgelake.ledger.policy import Policy
from edgelake.ledger.query import Predicate
from edgelake.ledger.view import PolicyView

__all__ = ["LedgerReader"]


class LedgerReader:
    """The reading half of `LocalLedger`.

    Parameters
    ----------
    keeper : LedgerKeeper

    Notes
    -----
    Thread-safe. Each method sees one whole state and never waits for the disk, but for the
    first one, which reads the files.
    """

    def __init__(self, keeper: LedgerKeeper) -> None:
        self._keeper = keeper

    @property
    def path(self) -> Path:
        """Where the file of policies lies."""
        return self._keeper.file.path

    # ---------------------------------------------------------------- reading

    def find(
        self, types: Sequence[str] | None = None, predicate: Predicate | None = None
    ) -> list[Policy]:
        """Return the policies of these types that fulfil a condition, in ledger order.

        Parameters
        ----------
        types : sequence of str or None
            Root keys; ``None``, nothing or ``*`` among them stands for all.
        predicate : Predicate or None
            See `edgelake.ledger.query`.
        """
        return self.lookup().find(types, predicate)

    def read(
        self, types: Sequence[str] | None = None, predicate: Predicate | None = None
    ) -> list[Policy]:
        """Return policies as `find` does, but as they are stored: without ``anmp`` policies."""
        wanted = frozenset(types or ("*",))
        holds = None if predicate is None else compiled(predicate)
        return [
            policy
            for policy in self
            if ("*" in wanted or policy.type in wanted) and (holds is None or holds(policy.body))
        ]

    def lookup(self) -> PolicyIndex:
        """Return all policies as commands see them, with indices; it is not changed."""
        return self._view().index

    def faults(self) -> tuple[str, ...]:
        """Return what ``anmp`` policies say wrongly."""
        return self._view().faults

    def known(self, types: Sequence[str]) -> list[Policy]:
        """Return the policies of these types that are in memory: no file is read for it."""
        view = self._view_in_memory()
        if view is None:
            return []
        return [policy for kind in types for policy in view.index.of_type(kind)]

    def known_types(self) -> list[str]:
        """Return the types of the policies that are in memory."""
        view = self._view_in_memory()
        return [] if view is None else view.index.types()

    def get(self, policy_id: str) -> Policy | None:
        """Return the policy of an id, ``None`` if there is none or it was deleted here."""
        return self.lookup().get(policy_id)

    def __contains__(self, policy_id: object) -> bool:
        """Whether a policy of that id is visible."""
        state = self._keeper.current()
        with self._keeper.mutex:
            return isinstance(policy_id, str) and state.shows(policy_id)

    def __len__(self) -> int:
        """Return how many policies are visible."""
        state = self._keeper.current()
        with self._keeper.mutex:
            return state.count()

    def __iter__(self) -> Iterator[Policy]:
        """Return the visible policies in ledger order, as they are stored."""
        state = self._keeper.current()
        with self._keeper.mutex:
            return iter(list(state.visible()))

    @property
    def count(self) -> int:
        """How many policies are visible."""
        return len(self)

    @property
    def master_count(self) -> int:
        """How many policies the master's part has."""
        return len(self._keeper.current().master)

    @property
    def heard(self) -> bool:
        """Whether a master has sent anything, be it an empty ledger."""
        return self._keeper.current().master.heard

    @property
    def quarantine(self) -> tuple[Damage, ...]:
        """Entries of the master's part that no command sees, and why."""
        return self._keeper.current().master.quarantine

    @property
    def damage(self) -> tuple[Damage, ...]:
        """What could not be read of the files and is not yet repaired."""
        return self._keeper.current().damage

    def damage_report(self) -> tuple[int, str]:
        """Return how many unreadable parts this object met in its files, and the first's reason.

        Those set aside already are counted too.
        """
        return self._keeper.damage_report()

    def pending(self) -> tuple[tuple[Policy, ...], tuple[DeleteMarker, ...]]:
        """Return the local policies and deletes that the master's ledger does not show yet.

        A delete without ``master`` is for this node alone and is not sent.
        """
        state = self._keeper.current()
        with self._keeper.mutex:
            return tuple(state.local.values()), tuple(state.deletes.values())

    def contested(self, policy: Policy) -> bool:
        """Return whether the master's ledger has the id of a local policy with other content."""
        state = self._keeper.current()
        with self._keeper.mutex:
            found = state.master.found
            return policy.id in found and not same_there(policy, found)

    @property
    def version(self) -> int:
        """A number that differs after every change of what the ledger holds."""
        return self._keeper.current().version

    def changed_since(self, version: int) -> tuple[int, dict[str, Policy | None]] | None:
        """Return the version now, and what is visible under each id that changed since another.

        Policies are as they are stored, in the order of their last changes; ``None`` for an
        id under which nothing is visible. Returns ``None`` if that is not known any more.
        """
        state = self._keeper.current()
        with self._keeper.mutex:
            found = state.changed_since(version)
            return None if found is None else (state.version, found)

    def master_hash(self) -> str:
        """Return the MD5 of the bytes the master sent, ``0`` if there are none.

        Made when it is asked for; a change in the middle of a ledger costs all of it anew.
        """
        state = self._keeper.current()
        with self._keeper.mutex:
            return state.master.md5()

    def file_hash(self) -> str:
        """Return the MD5 of the file of policies as it has to be, ``0`` if it is empty."""
        state = self._keeper.current()
        with self._keeper.mutex:
            return state.file_hash()

    def content(self) -> bytes:
        """Return the file of policies as it has to be."""
        state = self._keeper.current()
        with self._keeper.mutex:
            master, blank = state.master.texts(), state.master.needs_blank()
            local = state.lines()
        return b"".join(joined_pieces(master, local, blank))

    # ------------------------------------------------------- the master's log

    def position(self) -> LogPosition | None:
        """Return the place in the master's log that the ledger is at, ``None`` if not known.

        It is stored with the change that leads there, so that the two cannot come apart.
        Thread-safe.
        """
        return self._keeper.current().place

    def entries_after(
        self, place: LogPosition, count: int, size_chars: int
    ) -> tuple[LogEntry, ...] | None:
        """Return changes of the master's ledger that follow a place, the oldest first.

        Parameters
        ----------
        place : LogPosition
            Of the log that this ledger follows.
        count : int
            Most entries that are returned.
        size_chars : int
            Most characters of their policies; one entry is returned however long it is.

        Returns
        -------
        tuple of LogEntry or None
            Each with its chain; none if the ledger is at that place. ``None``: the place is
            of another log, or older than what is remembered, across restarts too
            (`limits.MAX_LEDGER_HISTORY_ENTRIES`): send the whole, see `master_part`.

        Notes
        -----
        Thread-safe.
        """
        state = self._keeper.current()
        with self._keeper.mutex:
            return state.history.after(place, count, size_chars)

    def master_part(self) -> tuple[LogPosition | None, bytes]:
        """Return the bytes of the master's part, and the place in its log that they are at.

        One consistent view of both. Thread-safe; costs as much as the ledger is long.
        """
        state = self._keeper.current()
        with self._keeper.mutex:
            place, texts = state.place, state.master.texts()
        return place, bytes_of(texts)

    def master_bytes(self) -> bytes:
        """Return the bytes the master sent; none before it was heard."""
        return self.master_part()[1]

    # ------------------------------------------------------------------ parts

    def _view(self) -> PolicyView:
        state = self._keeper.current()
        with self._keeper.mutex:
            return state.view()

    def _view_in_memory(self) -> PolicyView | None:
        state = self._keeper.in_memory()
        if state is None:
            return None
        with self._keeper.mutex:
            return state.view()
