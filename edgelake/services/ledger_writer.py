"""The one writer of a master's table: checks changes, and stores many with one commit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from edgelake.errors import DatabaseError, EdgeLakeError, PolicyConflict
from edgelake.interfaces import LogPosition
from edgelake.ledger import Policy, check
from edgelake.services.group_commit import Change, GroupCommit
from edgelake.services.master_state import MasterState
from edgelake.storage import SequencedLedger

__all__ = ["Dropped", "LedgerWriter", "Stored"]


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of a policy.

    Attributes
    ----------
    added : bool
        It is new; else its id was there before.
    policy : Policy
        What the ledger has under the id.
    place : LogPosition
        A place of the log at which the ledger has it.
    """

    added: bool
    policy: Policy
    place: LogPosition


@dataclass(frozen=True, slots=True)
class Dropped:
    """What became of a delete.

    Attributes
    ----------
    found : bool
        There was something to delete.
    place : LogPosition
        A place of the log at which the ledger is without it.
    """

    found: bool
    place: LogPosition


class LedgerWriter:
    """Changes of a master's table, each checked against what those before it lead to.

    Parameters
    ----------
    rows : SequencedLedger
    stored : callable
        Called after each commit, before anybody is told of its changes; must not block.
    answered : callable
        Called when those who asked for the changes have been told; must not block.

    Notes
    -----
    Thread-safe. Changes are stored in the order in which they are handed over.
    """

    def __init__(
        self,
        rows: SequencedLedger,
        stored: Callable[[], None],
        answered: Callable[[], None],
    ) -> None:
        self.rows = rows
        self._stored = stored
        self._answered = answered
        self._queue = GroupCommit(self._carry_out)
        self._state: MasterState | None = None

    @property
    def open(self) -> int:
        """How many changes wait, or are being stored."""
        return self._queue.open

    def submit(self, *changes: Change, waits: bool = False) -> None:
        """Have changes stored; see `GroupCommit.submit`."""
        self._queue.submit(*changes, waits=waits)

    def pushing(self, policy: Policy, host: str, *, ignore: bool, again: bool = True) -> Change:
        """Return the change that adds a policy; it gives `Stored`.

        Parameters
        ----------
        again : bool
            Whether a policy that was stored and removed may be stored again as it was.

        Raises
        ------
        PolicyInvalid
            Its line is too long.
        """
        policy.check_size()
        row = policy.row()

        def work() -> Stored:
            state = self._now()
            known = state.index.get(policy.id)
            if known is not None:
                if not ignore:
                    raise PolicyConflict(f"policy '{policy.id}' exists already")
                return Stored(False, known, self.rows.reached)
            if not again and self.rows.held(policy.id, row.policy):
                raise PolicyConflict(
                    f"policy '{policy.id}' was removed from the ledger",
                    hint="insert it with another date to have it again",
                )
            check(policy, state.index)
            state.check_room(policy)
            # Not there as a policy: a row that is none is in the way.
            if not self.rows.insert(row, host, ignore=True):
                raise PolicyConflict(
                    f"the id '{policy.id}' has a row in the table ledger that is no policy",
                    hint=f"remove it: blockchain drop policy where id = {policy.id}",
                )
            return Stored(True, policy, self._now().at)

        return Change(work, len(row.policy))

    def replacing(self, policy: Policy, host: str) -> Change:
        """Return the change that replaces a policy; it gives the place in the log.

        Raises
        ------
        PolicyInvalid
            Its line is too long.
        """
        policy.check_size()
        row = policy.row()

        def allowed() -> None:
            state = self._now()
            check(policy, state.index)
            state.check_room(policy)

        def work() -> LogPosition:
            self.rows.replace(row, host, check=allowed)
            return self._now().at

        return Change(work, len(row.policy))

    def dropping(
        self,
        ids: Sequence[str],
        *,
        ignore: bool = False,
        seen: tuple[str, int] | None = None,
    ) -> Change:
        """Return the change that removes policies, all or none; it gives `Dropped`.

        Parameters
        ----------
        seen : tuple of str and int or None
            Epoch and number of the log up to which the one who deletes has seen the ledger.
        """

        def work() -> Dropped:
            there = [policy_id for policy_id in ids if self.rows.has(policy_id)] if ignore else ids
            if there:
                self.rows.delete(there, seen)
            return Dropped(bool(there), self._now().at)

        return Change(work, sum(map(len, ids)))

    # ---------------------------------------------------------------- groups

    def _carry_out(self, changes: Sequence[Change]) -> None:
        """Store changes with one commit; for one thread at a time.

        If the database refuses one of them, each is tried alone, so that it harms no other.
        """
        try:
            outcomes = self._together(changes)
        except _Culprit:
            for change in changes:
                self._carry_out((change,))
            return
        except Exception as exc:
            for change in changes:
                change.done.set_exception(exc)
            return
        self._stored()
        for change, outcome in zip(changes, outcomes, strict=True):
            if isinstance(outcome, EdgeLakeError):
                change.done.set_exception(outcome)
            else:
                change.done.set_result(outcome)
        # Who asked for a change waits for its own answer, not for those of a thousand others.
        self._answered()

    def _together(self, changes: Sequence[Change]) -> list[Any]:
        """Return what became of each change of one transaction: its outcome, or why not.

        Raises
        ------
        DatabaseError
            None of them is stored.
        _Culprit
            Likewise, because of one of several.
        """
        outcomes: list[Any] = []
        working = False
        try:
            with self.rows.group():
                self._now()
                for change in changes:
                    working = True
                    try:
                        outcomes.append(change.work())
                    except DatabaseError:
                        raise
                    except EdgeLakeError as exc:
                        outcomes.append(exc)
                    working = False
        except BaseException as exc:
            if working or outcomes:
                # It knows of changes that are not stored.
                self._state = None
            if working and len(changes) > 1:
                raise _Culprit from exc
            raise
        return outcomes

    def _now(self) -> MasterState:
        """Return the policies as the changes of this transaction have left them."""
        at, state = self.rows.reached, self._state
        if state is not None and state.at != at:
            entries = self.rows.changes(state.at)
            if entries is None:
                state = None
            else:
                state.apply(entries)
        if state is None:
            state = MasterState(self.rows.rows(), at)
        self._state = state
        return state


class _Culprit(Exception):
    """The database refused one change of several."""
