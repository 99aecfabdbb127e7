"""The local ledger of a node: read by commands, changed by them and by what the master sends.

Every change is one record of a journal, on the disk before it is seen. The file of policies
is written after it, and so are indices: both can be made again from the journal at any moment.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from edgelake.errors import (
    EdgeLakeError,
    LedgerInvalid,
    PolicyConflict,
    PolicyInvalid,
    PolicyMissing,
)
from edgelake.interfaces import LedgerFileAccess, LogEntry, LogPosition
from edgelake.ledger.adoption import Adoption, settled
from edgelake.ledger.damage import Damage
from edgelake.ledger.history import History
from edgelake.ledger.image import DeleteMarker, read_master, same_there
from edgelake.ledger.keeper import LedgerKeeper
from edgelake.ledger.master_part import MasterPart
from edgelake.ledger.policy import Policy, parse_policy
from edgelake.ledger.projector import Projector
from edgelake.ledger.reader import LedgerReader
from edgelake.ledger.records import Change
from edgelake.ledger.snapshot import md5_of
from edgelake.ledger.state import LedgerState

__all__ = ["LocalLedger"]

_RESERVED_TYPE = "deleted"


class LocalLedger(LedgerReader):
    """The ledger of this node: what the master sent, and what was changed here.

    Parameters
    ----------
    file : LedgerFileAccess
        Its files; read when the ledger is first used.

    Notes
    -----
    Thread-safe. Changes go one after the other and are durable when the method
    returns; readers never wait for the disk and see one whole state. If another
    process has replaced the file, its content is taken over by the next change.
    A method that raises has changed nothing.

    Reading writes nothing. After the first change a thread of its own writes the file of
    policies, `limits.LEDGER_FILE_DELAY_S` after a change; `close` does so at once.
    """

    def __init__(self, file: LedgerFileAccess) -> None:
        self._projector = Projector()
        super().__init__(LedgerKeeper(file, self._projector.wake))
        self._projector.serve(self._keeper)

    # ---------------------------------------------------------------- changes

    def load(self) -> tuple[Damage, ...]:
        """Read the files anew, and repair them: what is unreadable is taken out and set aside.

        Returns
        -------
        tuple of Damage
            What was taken out.

        Raises
        ------
        StorageError
            A file cannot be read, or the repaired one not be written.
        """
        return self._keeper.load()

    def write_file(self) -> None:
        """Bring the file of policies up to date now.

        Raises
        ------
        StorageError
            It is as it was; the ledger is not concerned.
        """
        self._keeper.write_file()

    def write_soon(self) -> None:
        """Let the file of policies be written if it is behind: after a crash it may be."""
        self._keeper.current()
        if self._keeper.behind:
            self._projector.wake()

    def close(self) -> None:
        """Write what is left of the file of policies; changes afterwards are in the journal."""
        self._projector.close()

    def insert_local(self, policy: Policy) -> Policy:
        """Add a policy of this node; return it as it is stored, with ``ledger`` = ``local``.

        One that was deleted on this node alone is shown again instead.

        Parameters
        ----------
        policy : Policy
            With id and date, see `edgelake.ledger.complete`.

        Raises
        ------
        PolicyInvalid
            It has no id, its type is reserved, or its line is too long.
        PolicyConflict
            The id is in the ledger, or its delete is not finished.
        FileWriteFailed
        """
        if not policy.id:
            raise PolicyInvalid(f"policy of type '{policy.type}' has no id")
        if policy.type == _RESERVED_TYPE:
            raise PolicyInvalid(
                f"type '{_RESERVED_TYPE}' is reserved for deleted policies",
                hint="write: blockchain delete policy where id = … and local = true",
            )
        if policy.ledger != "local":
            policy = policy.with_ledger("local")
        policy.check_size()
        if "\n" in policy.text or "\r" in policy.text:
            policy = parse_policy(policy.to_line())
        with self._keeper.lock:
            state = self._keeper.fresh()
            if state.shows(policy.id):
                raise PolicyConflict(
                    f"policy '{policy.id}' exists already",
                    hint=f"look at it with: blockchain get * where id = {policy.id}",
                )
            marker = state.deletes.get(policy.id)
            if marker is None:
                self._keeper.commit(state, Change(put=(policy.text,)))
                return policy
            hidden = state.master.found.get(policy.id)
            if marker.master is not None or hidden is None or not policy.same_content(hidden):
                raise PolicyConflict(
                    f"policy '{policy.id}' is deleted here and still in the master's ledger",
                    hint="insert it again when the master has dropped it",
                )
            self._keeper.commit(state, Change(unmarked=(policy.id,)))
            return hidden

    def delete_local(self, policy_id: str, master: str | None = None) -> None:
        """Delete a policy on this node, at once and across restarts.

        A policy that the master never confirmed is removed. One of the
        master's ledger is hidden by a marker, until that ledger is without it.

        Parameters
        ----------
        policy_id : str
        master : str or None
            ``ip:port`` that is to drop it too.

        Raises
        ------
        PolicyMissing
            No such policy is visible. Not raised if its delete waits already
            and now names a master.
        FileWriteFailed
        """
        with self._keeper.lock:
            state = self._keeper.fresh()
            waiting = policy_id in state.deletes
            if not state.shows(policy_id) and not (waiting and master is not None):
                raise PolicyMissing(
                    f"no policy with id '{policy_id}' in the ledger",
                    hint="list ids with: blockchain get *",
                )
            local = policy_id in state.local
            # A local policy may be under way to the master, so its delete is remembered too.
            marked = (DeleteMarker(policy_id, master),) if master is not None or not local else ()
            self._keeper.commit(
                state,
                Change(
                    ended=(policy_id,) if local else (),
                    marked=marked,
                    unmarked=(policy_id,) if waiting and not marked else (),
                ),
            )

    def clear(self) -> None:
        """Forget everything: the master's part, and what is only local.

        Raises
        ------
        FileWriteFailed
        """
        with self._keeper.lock:
            self._keeper.fresh()
            self._keeper.replace(LedgerState(MasterPart({}, b"")))

    def finish_delete(self, policy_id: str) -> bool:
        """Forget a delete that a master has answered; return whether there was one to forget.

        One of a policy that the master's part still shows is kept: it goes
        with the next ledger of the master.

        Raises
        ------
        FileWriteFailed
        """
        with self._keeper.lock:
            state = self._keeper.fresh()
            marker = state.deletes.get(policy_id)
            if marker is None or marker.master is None or policy_id in state.master.found:
                return False
            self._keeper.commit(state, Change(unmarked=(policy_id,)))
            return True

    def adopt(
        self,
        content: bytes,
        source: str = "",
        *,
        allow_empty: bool = False,
        dropped: Collection[str] | None = None,
        stored: Collection[str] = (),
        carried: Collection[str] = (),
        keep_other: bool = False,
        place: LogPosition | None = None,
    ) -> Adoption:
        """Take over the master's ledger, and keep what is only local.

        Parameters
        ----------
        content : bytes
            The master's ledger file; stored byte for byte.
        source : str
            Who sent it, for errors.
        allow_empty : bool
            Take a ledger without policies too.
        dropped : collection of str or None
            Ids whose delete had reached the master before this ledger was asked
            for. The delete of another id is kept although the ledger lacks it:
            its policy may be under way to the master. ``None``: the ledger shows
            every delete that was done.
        stored : collection of str
            Ids of local policies that the master had stored before the state that
            this ledger shows: one that it lacks was removed by somebody since.
        carried : collection of str
            Ids of deletes that the master had carried out before that state: what it shows
            under them now came later, and stays.
        keep_other : bool
            A local policy stays if the master's ledger has its id with other content.
        place : LogPosition or None
            Where in the master's log this ledger is; ``None`` if the master did not say.

        Raises
        ------
        LedgerInvalid
            It was damaged on the way, or is empty and may not be. The ledger
            is as it was.
        FileWriteFailed
            Likewise.
        """
        sent_by = f" from {source}" if source else ""
        try:
            received = read_master(content)
        except LedgerInvalid as exc:
            raise LedgerInvalid(f"{exc}{sent_by}") from None
        if not received.found and not allow_empty:
            raise LedgerInvalid(f"a ledger without policies{sent_by} was not taken")
        with self._keeper.lock:
            state = self._keeper.fresh()

            def confirms(key: str) -> bool:
                return key in received.found and (
                    not keep_other or same_there(state.local[key], received.found)
                )

            there = received.found.__contains__
            done = settled(state, there, None, dropped, stored, carried, confirms)
            if len(content) == state.master.size and md5_of(content) == state.master.md5():
                moved = place is not None and place != state.place
                return self._settle(
                    state, Change((), place, moved, (), done.ended, (), done.unmarked)
                )
            # Now the bytes are needed no more, unless the lines do not make them.
            raw = None if received.plain and received.found else content
            after = LedgerState(
                MasterPart(received.found, raw, received.quarantine, len(content)),
                [policy for key, policy in state.local.items() if key not in done.ended],
                [marker for key, marker in state.deletes.items() if key not in done.unmarked],
                History(place),
            )
            self._keeper.replace(after)
            return _adoption(after, done.ended, changed=True)

    def apply(
        self,
        base: LogPosition | str,
        entries: Sequence[LogEntry],
        *,
        dropped: Collection[str],
        stored: Collection[str],
        carried: Collection[str] = (),
        keep_other: bool = False,
        place: LogPosition | None = None,
    ) -> Adoption:
        """Take over changes of the master's ledger; see `adopt`.

        Parameters
        ----------
        base : LogPosition or str
            The place that the changes follow, or `master_hash` of the ledger there.
        entries : sequence of LogEntry
        place : LogPosition or None
            The place that they lead to; needs a place that they follow.

        Raises
        ------
        LedgerInvalid
            The ledger here is at another place, or a change does not fit to it.
        FileWriteFailed
        """
        with self._keeper.lock:
            state = self._keeper.fresh()
            at = state.master.md5() if isinstance(base, str) else state.place
            if at != base:
                raise LedgerInvalid("the ledger at hand is not the one that was changed")
            stored = {*stored, *_put(state.local, entries)}
            ends = {entry.policy_id: entry.op == "put" for entry in entries}
            found = state.master.found

            def there(key: str) -> bool:
                return ends.get(key, key in found)

            # What says the same is among the stored ones.
            confirms = _never if keep_other else there
            done = settled(state, there, tuple(ends), dropped, stored, carried, confirms)
            moved = bool(entries) or place is not None
            return self._settle(
                state, Change(tuple(entries), place, moved, (), done.ended, (), done.unmarked)
            )

    def confirm(self, place: LogPosition, master_hash: str) -> None:
        """Note that the ledger at hand is that of a place in the master's log.

        Parameters
        ----------
        place : LogPosition
        master_hash : str
            MD5 of the ledger for which the master said so.

        Raises
        ------
        LedgerInvalid
            The ledger is another one by now.
        FileWriteFailed
        """
        with self._keeper.lock:
            state = self._keeper.fresh()
            if state.master.md5() != master_hash:
                raise LedgerInvalid("the ledger at hand is not the one that was asked about")
            if state.place != place:
                self._keeper.commit(state, Change(place=place, moved=True))

    def settle(
        self,
        *,
        dropped: Collection[str],
        stored: Collection[str],
        carried: Collection[str] = (),
    ) -> Adoption:
        """End what the ledger at hand shows to be done, although it is the same; see `adopt`."""
        with self._keeper.lock:
            state = self._keeper.fresh()
            there = state.master.found.__contains__
            done = settled(state, there, (), dropped, stored, carried)
            return self._settle(state, Change(ended=done.ended, unmarked=done.unmarked))

    # ------------------------------------------------------------------ parts

    def _settle(self, state: LedgerState, change: Change) -> Adoption:
        if change.shown or change.moved:
            self._keeper.commit(state, change)
        return _adoption(state, change.ended, changed=change.shown)


def _never(_: str) -> bool:
    return False


def _put(local: Mapping[str, Policy], entries: Sequence[LogEntry]) -> list[str]:
    """Return the local policies that the master stored with one of these changes.

    Its acknowledgement may have been lost, and the policy be gone again behind it.
    """
    return [
        entry.policy_id
        for entry in entries
        if entry.op == "put"
        and entry.policy_id in local
        and _says(entry.policy, local[entry.policy_id])
    ]


def _says(text: str, policy: Policy) -> bool:
    try:
        return policy.same_content(parse_policy(text))
    except EdgeLakeError:
        # A change that is no policy is refused by who takes it.
        return False


def _adoption(state: LedgerState, confirmed: tuple[str, ...], *, changed: bool) -> Adoption:
    return Adoption(
        changed=changed,
        confirmed=confirmed,
        policies=tuple(state.local.values()),
        deletes=tuple(state.deletes.values()),
        quarantine=state.master.quarantine,
    )
