"""The ledger of a node as it is at one moment: the master's part, and what is local."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import count

from edgelake import limits
from edgelake.errors import LedgerInvalid
from edgelake.interfaces import LogEntry, LogPosition
from edgelake.ledger.damage import Damage
from edgelake.ledger.history import History, chained
from edgelake.ledger.image import DeleteMarker
from edgelake.ledger.lines import policy_of_line
from edgelake.ledger.master_part import MasterPart
from edgelake.ledger.policy import Policy
from edgelake.ledger.records import BaseEnd, Change, Kind, history_payload
from edgelake.ledger.view import PolicyView, Seen

__all__ = ["LedgerState"]

_FIRST_LOCAL = 1 << 62
_MANY = 1000
_VERSIONS = count(1)


class LedgerState:
    """All that the ledger holds; changed by records of the journal and by nothing else.

    Parameters
    ----------
    master : MasterPart
    local : iterable of Policy
    deletes : iterable of DeleteMarker
    history : History
    damage : sequence of Damage
        What was left out and is not yet set aside.

    Attributes
    ----------
    local_size : int
        About the bytes of the local lines.
    version : int
        Differs after every change, and from that of any other state.

    Notes
    -----
    For one thread at a time; see `edgelake.ledger.keeper`.
    """

    def __init__(
        self,
        master: MasterPart,
        local: Iterable[Policy] = (),
        deletes: Iterable[DeleteMarker] = (),
        history: History | None = None,
        damage: Sequence[Damage] = (),
    ) -> None:
        self.master = master
        self.local = {policy.id: policy for policy in local}
        self.deletes = {marker.id: marker for marker in deletes}
        self.history = history or History()
        self.damage = tuple(damage)
        self.version = next(_VERSIONS)
        self._places = {key: _FIRST_LOCAL + n for n, key in enumerate(self.local)}
        self._next = _FIRST_LOCAL + len(self.local)
        self.local_size = sum(len(line) + 1 for line in self.lines())
        self._view: PolicyView | None = None
        # Ids whose policies changed since the view was made, with their places in it.
        self._touched: dict[str, int | None] = {}
        self._file_hash = ("", 0)
        self._recent: deque[tuple[int, str]] = deque()
        self._known_since = self.version

    # ---------------------------------------------------------------- reading

    @property
    def place(self) -> LogPosition | None:
        """The place in the master's log that the ledger is at."""
        return self.history.place

    def shows(self, policy_id: str) -> bool:
        """Return whether a policy is visible."""
        return policy_id not in self.deletes and (
            policy_id in self.master.found or policy_id in self.local
        )

    def count(self) -> int:
        """Return how many policies are visible."""
        found, local = self.master.found, self.local
        only_local = sum(key not in found for key in local)
        hidden = sum(key in found or key in local for key in self.deletes)
        return len(found) + only_local - hidden

    def visible(self) -> Iterator[Policy]:
        """Return the visible policies in ledger order."""
        master, deletes = self.master, self.deletes
        for policy in master.ordered():
            if policy.id not in deletes:
                yield policy
        for policy in self.local.values():
            if policy.id not in deletes and policy.id not in master.found:
                yield policy

    def view(self) -> PolicyView:
        """Return the policies as commands see them, with indices, as they are now."""
        view = self._view
        if view is None or len(self._touched) > _MANY + len(self.master) // 8:
            view = PolicyView(self.visible())
        elif self._touched:
            gone, seen = self._seen()
            view = view.changed(gone, seen)
        self._view = view
        self._touched.clear()
        return view

    def _seen(self) -> tuple[list[str], list[Seen]]:
        """Return what became of the policies that were touched since the last view."""
        gone: list[str] = []
        seen: list[tuple[int, Seen]] = []
        for key, before in self._touched.items():
            place = None if key in self.deletes else self._place_of(key)
            if place is None:
                gone.append(key)
                continue
            stays = place == before
            after = None if stays else self._visible_before(place)
            policy = self.master.found.get(key) or self.local[key]
            seen.append((place, Seen(policy, after, stays)))
        seen.sort(key=lambda found: found[0])
        return gone, [found for _, found in seen]

    def _place_of(self, policy_id: str) -> int | None:
        place = self.master.places.get(policy_id)
        return self._places.get(policy_id) if place is None else place

    def _visible_before(self, place: int) -> str | None:
        """Return the visible policy before a place, ``None`` if none is visible behind it."""
        if place == self._next - 1:
            return None
        if place >= _FIRST_LOCAL:
            local = list(self.local)
            at = self._places
            behind = any(at[key] > place and self._shows_here(key) for key in reversed(local))
            if not behind:
                return None
            for key in reversed(local):
                if at[key] < place and self._shows_here(key):
                    return key
            place = _FIRST_LOCAL
        elif place == self.master.last_place and not self.local:
            return None
        return self.master.before(place, self.deletes)

    def _shows_here(self, policy_id: str) -> bool:
        """Return whether a local policy is visible, and not the master's with its id."""
        return policy_id not in self.deletes and policy_id not in self.master.found

    def changed_since(self, version: int) -> dict[str, Policy | None] | None:
        """Return what is visible under each id that changed since a version.

        Policies are as they are stored; ``None`` stands for nothing that is visible.
        Returns ``None`` if that is not known any more; see
        `limits.MAX_LEDGER_RECENT_CHANGES`.
        """
        if not self._known_since <= version <= self.version:
            return None
        found: dict[str, Policy | None] = {}
        for changed_at, key in reversed(self._recent):
            if changed_at <= version:
                break
            if key not in found:
                shown = None if key in self.deletes else self.master.found.get(key)
                if shown is None and key not in self.deletes:
                    shown = self.local.get(key)
                found[key] = shown
        return dict(reversed(found.items()))

    def lines(self) -> list[str]:
        """Return the local lines of the file."""
        return [policy.text for policy in self.local.values()] + [
            marker.to_line() for marker in self.deletes.values()
        ]

    def file_hash(self) -> str:
        """Return the MD5 of the file of this state, ``0`` if it is empty."""
        known, version = self._file_hash
        if version != self.version:
            known = self.master.file_md5(self.lines())
            self._file_hash = (known, self.version)
        return known

    def file_hash_known(self, md5: str) -> None:
        """Take the MD5 of the file of this state from who has just made it."""
        self._file_hash = (md5, self.version)

    # ---------------------------------------------------------------- changes

    def checked(self, change: Change) -> tuple[list[LogEntry], list[Policy | None]]:
        """Return what `apply` needs; change nothing.

        Raises
        ------
        LedgerInvalid
            The change does not fit to this state.
        """
        if not change.entries:
            return [], []
        if change.place is None:
            return list(change.entries), self.master.fitting(change.entries)
        if self.place is None:
            raise LedgerInvalid("a change of a ledger whose place is not known")
        entries = chained(self.place, change.entries, change.place)
        return entries, self.master.fitting(entries)

    def apply(
        self, change: Change, entries: Sequence[LogEntry], policies: Sequence[Policy | None]
    ) -> None:
        """Make a change that `checked` has looked at."""
        for entry, policy in zip(entries, policies, strict=True):
            self._touch(entry.policy_id)
            if not self.master.apply(entry, policy):
                # Places changed, and with them those that the view knows.
                self._view = None
                self._touched.clear()
        for key in change.ended:
            self._touch(key)
            policy = self.local.pop(key, None)
            if policy is not None:
                del self._places[key]
                self.local_size -= len(policy.text) + 1
        put: list[str] = []
        for line in change.put:
            policy = policy_of_line(line)
            if policy is not None:
                put.append(policy.id)
                self.local_size += len(policy.text) + 1
                self._touch(policy.id)
                self.local[policy.id] = policy
                self._places[policy.id] = self._next
                self._next += 1
        for marker in change.marked:
            self._touch(marker.id)
            self.deletes.pop(marker.id, None)
            self.deletes[marker.id] = marker
        for key in change.unmarked:
            self._touch(key)
            self.deletes.pop(key, None)
        if change.moved and change.place != self.place:
            if entries and change.place is not None:
                self.history.add(entries)
            else:
                self.history = History(change.place)
        if change.shown:
            self.version = next(_VERSIONS)
            self._note(change, put)

    def _note(self, change: Change, put: Sequence[str]) -> None:
        """Keep in mind which ids a change was about."""
        ids = [entry.policy_id for entry in change.entries]
        ids += change.ended
        ids += put
        ids += [marker.id for marker in change.marked]
        ids += change.unmarked
        self._recent.extend((self.version, key) for key in ids)
        while len(self._recent) > limits.MAX_LEDGER_RECENT_CHANGES:
            self._known_since = self._recent.popleft()[0]

    def _touch(self, policy_id: str) -> None:
        """Note where a policy is in the view, before it is changed."""
        if self._view is not None and policy_id not in self._touched:
            hidden = policy_id in self.deletes
            self._touched[policy_id] = None if hidden else self._place_of(policy_id)

    # ---------------------------------------------------------------- journal

    def base(self) -> Iterator[tuple[int, bytes]]:
        """Return the records that a journal of this state begins with."""
        lines = self.lines()
        # One each, so that damage of one costs no other.
        for line in lines:
            yield Kind.LOCAL, line.encode()
        start, entries = self.history.start, self.history.entries()
        if start is not None and entries:
            yield Kind.HISTORY, history_payload(start, entries)
        size = pieces = 0
        for piece in self.master.pieces():
            size += len(piece)
            pieces += 1
            yield Kind.PIECE, piece
        end = BaseEnd(size, pieces, len(lines), bool(start and entries), self.place)
        yield Kind.BASE_END, end.payload()
