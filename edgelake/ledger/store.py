"""The local ledger: an image in memory and the file it is read from again.

Every change makes a new immutable image and writes the whole file in one
step before the image is put in place. At any moment, and after any crash, the
file is the ledger before or after a change, and reading it gives that image.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgelake.errors import LedgerInvalid, PolicyConflict, PolicyInvalid, PolicyMissing
from edgelake.interfaces import LedgerFileAccess, LogEntry
from edgelake.ledger.anmp import applied
from edgelake.ledger.changes import changed_by
from edgelake.ledger.compiled import compiled
from edgelake.ledger.image import Damage, DeleteMarker, LedgerImage, join, parse_ledger
from edgelake.ledger.index import PolicyIndex
from edgelake.ledger.policy import Policy, parse_policy
from edgelake.ledger.query import Predicate
from edgelake.ledger.snapshot import md5_of

__all__ = ["Adoption", "LocalLedger"]

_NEVER_SYNCED = "0"
_RESERVED_TYPE = "deleted"


@dataclass(frozen=True, slots=True)
class Adoption:
    """What `LocalLedger.adopt` did.

    Attributes
    ----------
    changed : bool
        The local ledger differs from before.
    confirmed : tuple of str
        Ids of local policies that came back with the master's ledger.
    policies : tuple of Policy
        Local policies the master lacks: push them.
    deletes : tuple of DeleteMarker
        Deletes the master has not done: those with a ``master`` are sent to it.
    quarantine : tuple of Damage
        Entries of the master's ledger that no command sees.
    """

    changed: bool
    confirmed: tuple[str, ...]
    policies: tuple[Policy, ...]
    deletes: tuple[DeleteMarker, ...]
    quarantine: tuple[Damage, ...]


class _State:
    """One state of the ledger, with indexes; never changed after it is made."""

    __slots__ = (
        "_lookup",
        "by_id",
        "by_type",
        "faults",
        "file_hash",
        "image",
        "master_hash",
        "stamp",
    )

    def __init__(
        self, image: LedgerImage, stamp: object, file_hash: str, master_hash: str | None = None
    ) -> None:
        self.image = image
        self.stamp = stamp
        self.file_hash = file_hash
        self.master_hash = _hash(image.master) if master_hash is None else master_hash
        hidden = {marker.id for marker in image.deletes}
        self.by_id: dict[str, Policy] = {}
        self.by_type: dict[str, list[Policy]] = {}
        for policy in (*image.policies, *image.local):
            if policy.id not in hidden and policy.id not in self.by_id:
                self.by_id[policy.id] = policy
                self.by_type.setdefault(policy.type, []).append(policy)
        self._lookup: PolicyIndex | None = None
        self.faults: tuple[str, ...] = ()

    def lookup(self) -> PolicyIndex:
        """Return the policies as commands see them; made when first asked for."""
        lookup = self._lookup
        if lookup is None:
            seen, self.faults = applied(self.by_id.values())
            self._lookup = lookup = PolicyIndex(seen)
        return lookup


class LocalLedger:
    """The ledger of this node: what the master sent, and what was changed here.

    Parameters
    ----------
    file : LedgerFileAccess
        Its file; read when the ledger is first used.

    Notes
    -----
    Thread-safe. Changes go one after the other and are durable when the method
    returns; readers never wait for them and see one whole state. If another
    process has replaced the file, the next change is made on top of that.
    A method that raises has changed nothing.
    """

    def __init__(self, file: LedgerFileAccess) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._damage_count = 0
        self._first_damage = ""
        self._state: _State | None = None

    @property
    def path(self) -> Path:
        """Where the ledger file lies."""
        return self._file.path

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
        return self._current().lookup().find(types, predicate)

    def read(
        self, types: Sequence[str] | None = None, predicate: Predicate | None = None
    ) -> list[Policy]:
        """Return policies as `find` does, but as they are stored: without ``anmp`` policies."""
        wanted = frozenset(types or ("*",))
        holds = None if predicate is None else compiled(predicate)
        return [
            policy
            for policy in self._current().by_id.values()
            if ("*" in wanted or policy.type in wanted) and (holds is None or holds(policy.body))
        ]

    def lookup(self) -> PolicyIndex:
        """Return all policies as commands see them, with indices; it is not changed."""
        return self._current().lookup()

    def faults(self) -> tuple[str, ...]:
        """Return what ``anmp`` policies say wrongly."""
        state = self._current()
        state.lookup()
        return state.faults

    def known(self, types: Sequence[str]) -> list[Policy]:
        """Return the policies of these types that are in memory: no file is read for it."""
        state = self._state
        if state is None:
            return []
        return [policy for kind in types for policy in state.by_type.get(kind, ())]

    def known_types(self) -> list[str]:
        """Return the types of the policies that are in memory."""
        state = self._state
        return [] if state is None else sorted(state.by_type)

    def get(self, policy_id: str) -> Policy | None:
        """Return the policy of an id, ``None`` if there is none or it was deleted here."""
        return self._current().lookup().get(policy_id)

    def __contains__(self, policy_id: object) -> bool:
        """Whether a policy of that id is visible."""
        return policy_id in self._current().by_id

    def __len__(self) -> int:
        """Return how many policies are visible."""
        return len(self._current().by_id)

    def __iter__(self) -> Iterator[Policy]:
        """Return the visible policies in ledger order."""
        return iter(self._current().by_id.values())

    @property
    def count(self) -> int:
        """How many policies are visible."""
        return len(self)

    @property
    def master_count(self) -> int:
        """How many policies the master's part has."""
        return len(self._current().image.policies)

    @property
    def quarantine(self) -> tuple[Damage, ...]:
        """Entries of the master's part that no command sees, and why."""
        return self._current().image.quarantine

    @property
    def damage(self) -> tuple[Damage, ...]:
        """Lines of the file that could not be read and are not yet repaired."""
        return self._current().image.damage

    def damage_report(self) -> tuple[int, str]:
        """Return how many unreadable lines this object met in its file, and the first's reason.

        Those set aside already are counted too.
        """
        found = self._current().image.damage
        with self._lock:
            first = self._first_damage or (str(found[0]) if found else "")
            return self._damage_count + len(found), first

    def pending(self) -> tuple[tuple[Policy, ...], tuple[DeleteMarker, ...]]:
        """Return the local policies and deletes that the master's ledger does not show yet.

        A delete without ``master`` is for this node alone and is not sent.
        """
        image = self._current().image
        return image.local, image.deletes

    def master_hash(self) -> str:
        """Return the MD5 of the bytes the master sent, ``0`` if there are none."""
        return self._current().master_hash

    def master_bytes(self) -> bytes:
        """Return the bytes the master sent; none before it was heard."""
        return self._current().image.master

    def file_hash(self) -> str:
        """Return the MD5 of the whole file, ``0`` if it is empty or missing."""
        return self._current().file_hash

    # ---------------------------------------------------------------- changes

    def load(self) -> tuple[Damage, ...]:
        """Read the file anew, and repair it: unreadable lines are taken out and set aside.

        Returns
        -------
        tuple of Damage
            The lines taken out.

        Raises
        ------
        StorageError
            The file cannot be read, or the repaired one not be written.
        """
        with self._lock:
            state = self._read()
            if state.image.damage:
                self._commit(state, state.image)
            else:
                self._state = state
            return state.image.damage

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
        with self._lock:
            state = self._fresh()
            image = state.image
            if policy.id in state.by_id:
                raise PolicyConflict(
                    f"policy '{policy.id}' exists already",
                    hint=f"look at it with: blockchain get * where id = {policy.id}",
                )
            marker = next((m for m in image.deletes if m.id == policy.id), None)
            if marker is None:
                self._commit(state, _with_local(image, (*image.local, policy), image.deletes))
                return policy
            hidden = next((p for p in image.policies if p.id == policy.id), None)
            if marker.master is not None or hidden is None or not policy.same_content(hidden):
                raise PolicyConflict(
                    f"policy '{policy.id}' is deleted here and still in the master's ledger",
                    hint="insert it again when the master has dropped it",
                )
            deletes = tuple(m for m in image.deletes if m is not marker)
            self._commit(state, _with_local(image, image.local, deletes))
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
        with self._lock:
            state = self._fresh()
            image = state.image
            waiting = [marker for marker in image.deletes if marker.id == policy_id]
            if policy_id not in state.by_id and not (waiting and master is not None):
                raise PolicyMissing(
                    f"no policy with id '{policy_id}' in the ledger",
                    hint="list ids with: blockchain get *",
                )
            local = tuple(policy for policy in image.local if policy.id != policy_id)
            deletes = tuple(marker for marker in image.deletes if marker.id != policy_id)
            # A local policy may be under way to the master, so its delete is remembered too.
            if master is not None or len(local) == len(image.local):
                deletes = (*deletes, DeleteMarker(policy_id, master))
            self._commit(state, _with_local(image, local, deletes))

    def clear(self) -> None:
        """Forget everything: the master's part, and what is only local.

        Raises
        ------
        FileWriteFailed
        """
        with self._lock:
            self._commit(self._fresh(), LedgerImage())

    def finish_delete(self, policy_id: str) -> bool:
        """Forget a delete that a master has answered; return whether there was one to forget.

        One of a policy that the master's part still shows is kept: it goes
        with the next ledger of the master.

        Raises
        ------
        FileWriteFailed
        """
        with self._lock:
            state = self._fresh()
            image = state.image
            kept = tuple(m for m in image.deletes if m.id != policy_id or m.master is None)
            if len(kept) == len(image.deletes) or any(p.id == policy_id for p in image.policies):
                return False
            self._commit(state, _with_local(image, image.local, kept))
            return True

    def adopt(
        self,
        content: bytes,
        source: str = "",
        *,
        allow_empty: bool = False,
        dropped: Collection[str] | None = None,
        stored: Collection[str] = (),
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
            received = parse_ledger(content, strict=True)
        except LedgerInvalid as exc:
            raise LedgerInvalid(f"{exc}{sent_by}") from None
        if not received.policies and not allow_empty:
            raise LedgerInvalid(f"a ledger without policies{sent_by} was not taken")
        with self._lock:
            return self._take(received, dropped, stored)

    def apply(
        self,
        base: str,
        entries: Sequence[LogEntry],
        *,
        dropped: Collection[str],
        stored: Collection[str],
    ) -> Adoption:
        """Take over changes of the master's ledger; see `adopt`.

        Parameters
        ----------
        base : str
            `master_hash` of the ledger that the changes follow.
        entries : sequence of LogEntry

        Raises
        ------
        LedgerInvalid
            The ledger here is another one, or a change does not fit to it.
        FileWriteFailed
        """
        with self._lock:
            state = self._fresh()
            if state.master_hash != base:
                raise LedgerInvalid("the ledger at hand is not the one that was changed")
            image = state.image
            master, policies = changed_by(image.master, image.policies, entries)
            received = LedgerImage(master, policies, (), (), (), image.quarantine)
            return self._take(received, dropped, {*stored, *_put(image.local, entries)})

    # ------------------------------------------------------------------ parts

    def _take(
        self, received: LedgerImage, dropped: Collection[str] | None, stored: Collection[str]
    ) -> Adoption:
        """Put the master's part in place and keep what is only local; under the lock."""
        state = self._fresh()
        before = state.image
        ids = {policy.id for policy in received.policies}
        local = tuple(p for p in before.local if p.id not in ids and p.id not in stored)
        deletes = tuple(
            marker
            for marker in before.deletes
            if marker.id in ids
            or (marker.master is not None and dropped is not None and marker.id not in dropped)
        )
        after = LedgerImage(
            received.master, received.policies, local, deletes, (), received.quarantine
        )
        changed = self._commit(state, after)
        return Adoption(
            changed=changed,
            confirmed=tuple(p.id for p in before.local if p.id in ids or p.id in stored),
            policies=local,
            deletes=deletes,
            quarantine=received.quarantine,
        )

    def _current(self) -> _State:
        state = self._state
        if state is None:
            with self._lock:
                state = self._fresh()
        return state

    def _fresh(self) -> _State:
        """Return the state that the next change is based on; under the lock."""
        state = self._state
        if state is None or self._file.stamp() not in (state.stamp, None):
            self._state = state = self._read()
        return state

    def _read(self) -> _State:
        stamp = self._file.stamp()
        data = self._file.read() or b""
        return _State(parse_ledger(data), stamp, _hash(data))

    def _commit(self, state: _State, image: LedgerImage) -> bool:
        """Write a new image, then show it; return whether anything differs."""
        lines = [policy.text for policy in image.local]
        lines += [marker.to_line() for marker in image.deletes]
        data = join(image.master, lines)
        file_hash = _hash(data)
        changed = file_hash != state.file_hash
        if not changed and self._file.stamp() is not None:
            return False
        damage = state.image.damage
        if damage:
            self._file.set_aside(b"".join(_whole_line(entry.text) for entry in damage))
        if image.damage:
            image = _with_local(image, image.local, image.deletes)
        self._file.replace(data)
        if damage:
            self._damage_count += len(damage)
            self._first_damage = self._first_damage or str(damage[0])
        same_master = image.master == state.image.master
        self._state = _State(
            image,
            self._file.stamp(),
            file_hash,
            state.master_hash if same_master else None,
        )
        return changed


def _hash(data: bytes) -> str:
    return md5_of(data) if data else _NEVER_SYNCED


def _with_local(
    image: LedgerImage, local: tuple[Policy, ...], deletes: tuple[DeleteMarker, ...]
) -> LedgerImage:
    return LedgerImage(image.master, image.policies, local, deletes, (), image.quarantine)


def _put(local: Sequence[Policy], entries: Sequence[LogEntry]) -> list[str]:
    """Return the local policies that the master stored with one of these changes.

    Its acknowledgement may have been lost, and the policy be gone again behind it.
    """
    waiting = {policy.id: policy for policy in local}
    return [
        entry.policy_id
        for entry in entries
        if entry.op == "put"
        and entry.policy_id in waiting
        and waiting[entry.policy_id].same_content(parse_policy(entry.policy))
    ]


def _whole_line(text: bytes) -> bytes:
    return text if text.endswith(b"\n") else text + b"\n"
