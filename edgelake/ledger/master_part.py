"""The master's part of a ledger: policies in an order that changes, and the bytes they make."""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_left
from collections.abc import Container, Iterable, Iterator, Sequence
from itertools import chain
from typing import cast

from edgelake import limits
from edgelake.errors import EdgeLakeError, LedgerInvalid
from edgelake.interfaces import LogEntry
from edgelake.ledger.damage import Damage
from edgelake.ledger.image import join
from edgelake.ledger.policy import Policy, parse_policy
from edgelake.ledger.snapshot import EMPTY_LEDGER

__all__ = ["MasterPart", "NEVER_SYNCED"]

NEVER_SYNCED = "0"
"""The hash of a ledger that is not there."""

_GAP = 1 << 32
_MOST = 1 << 62
"""Places stay below it on either side: they are numbers of 64 bits."""


class MasterPart:
    """What the master sent, and what its log changed since.

    Each policy has a place, a number that is larger than those of the policies before it;
    a policy put between two others gets one between theirs.

    Parameters
    ----------
    found : dict of Policy
        By id, in order.
    raw : bytes or None
        The bytes, if they are more than the lines of these policies; ``None`` if they are not.
    quarantine : sequence of Damage
        Lines that are no usable policies.
    size : int or None
        Length of the bytes, if it is known.

    Notes
    -----
    For one thread at a time. The MD5 is made when it is asked for, and goes on with what
    is added at the end.
    """

    __slots__ = ("_hash", "_ids", "_labels", "_places", "_raw", "found", "quarantine", "size")

    def __init__(
        self,
        found: dict[str, Policy],
        raw: bytes | None = None,
        quarantine: Sequence[Damage] = (),
        size: int | None = None,
    ) -> None:
        self.found = found
        self.quarantine = tuple(quarantine)
        self._raw = raw
        self._ids = list(found)
        self._labels = _far_apart(len(found))
        self._places: dict[str, int] | None = None
        self._hash: hashlib._Hash | None = None
        if raw is not None:
            size = len(raw)
        elif size is None:
            size = sum(_size(policy) for policy in found.values())
        self.size = size
        if not found and raw is None:
            self._raw, self.size = EMPTY_LEDGER, len(EMPTY_LEDGER)

    def __len__(self) -> int:
        """Return how many policies there are."""
        return len(self.found)

    @property
    def plain(self) -> bool:
        """Whether the bytes are the lines of the policies, so that the master's log fits."""
        return self._raw is None or self._raw == EMPTY_LEDGER

    @property
    def heard(self) -> bool:
        """Whether a master has sent anything."""
        return self._raw != b""

    @property
    def places(self) -> dict[str, int]:
        """The place of each policy by its id; a later one has a higher number."""
        if self._places is None:
            self._places = dict(zip(self._ids, self._labels, strict=True))
        return self._places

    def ordered(self) -> list[Policy]:
        """Return the policies in order."""
        found = self.found
        return [found[policy_id] for policy_id in self._ids]

    @property
    def last_place(self) -> int:
        """The place of the last policy, 0 if there is none."""
        return self._labels[-1] if self._labels else 0

    def before(self, place: int, hidden: Container[str]) -> str:
        """Return the id of the last policy before a place that is not hidden, empty for none."""
        at = bisect_left(self._labels, place) - 1
        while at >= 0 and self._ids[at] in hidden:
            at -= 1
        return self._ids[at] if at >= 0 else ""

    # -------------------------------------------------------------- the bytes

    def texts(self) -> list[str] | bytes:
        """Return what `bytes_of` makes the bytes from; unlike these it is quickly there."""
        if self._raw is not None:
            return self._raw
        found = self.found
        return [found[policy_id].text for policy_id in self._ids]

    def pieces(self) -> Iterator[bytes]:
        """Return the bytes in pieces of whole lines."""
        if self._raw is not None:
            if self._raw:
                yield self._raw
            return
        found = self.found
        yield from text_pieces(found[policy_id].text for policy_id in self._ids)

    def joined(self, local: Sequence[str]) -> bytes:
        """Return the bytes of a ledger file with local lines behind this part."""
        return b"".join(joined_pieces(self.texts(), local, self.needs_blank()))

    def needs_blank(self) -> bool | None:
        """Return whether a blank line divides the parts of a file; ``None``: the bytes tell it."""
        if not self._ids or self._raw is not None:
            return None
        return self.found[self._ids[-1]].ledger == "local"

    def md5(self) -> str:
        """Return the MD5 of the bytes, ``0`` if there never were any."""
        return self._hashed().hexdigest() if self.heard else NEVER_SYNCED

    def file_md5(self, local: Sequence[str]) -> str:
        """Return the MD5 of a ledger file with local lines; see `joined`."""
        blank = self.needs_blank()
        if blank is None:
            data = self.joined(local)
            return _md5(data).hexdigest() if data else NEVER_SYNCED
        whole = self._hashed().copy()
        whole.update((b"\n" if blank else b"") + bytes_of(local))
        return whole.hexdigest()

    def _hashed(self) -> hashlib._Hash:
        if self._hash is None:
            self._hash = _md5(b"")
            for piece in self.pieces():
                self._hash.update(piece)
        return self._hash

    # ---------------------------------------------------------------- changes

    def fitting(self, entries: Sequence[LogEntry]) -> list[Policy | None]:
        """Return the policies that changes put, ``None`` for what they delete; change nothing.

        Raises
        ------
        LedgerInvalid
            A change does not fit: the ledger has to be fetched whole.
        """
        if entries and not self.plain:
            raise LedgerInvalid("the ledger at hand has lines that the master's log does not know")
        there: dict[str, bool] = {}
        policies: list[Policy | None] = []
        for entry in entries:
            key = entry.policy_id
            known = there.get(key, key in self.found)
            if entry.op == "put":
                there[key] = False
                after = entry.after_id
                if after and not there.get(after, after in self.found):
                    raise LedgerInvalid(
                        f"change {entry.seq} stands behind a policy that is not there"
                    )
                there[key] = True
                policies.append(_policy(entry))
                continue
            if entry.op != "del" or not known:
                raise LedgerInvalid(f"change {entry.seq} ({entry.op}) does not fit to the ledger")
            there[key] = False
            policies.append(None)
        return policies

    def apply(self, entry: LogEntry, policy: Policy | None) -> bool:
        """Make a change that `fitting` has checked; return whether all places are as before."""
        self._raw = None
        before = self.found.get(entry.policy_id)
        if policy is None:
            self._remove(entry.policy_id)
            return True
        self.found[policy.id] = policy
        self.size += _size(policy)
        if before is not None:
            self._hash = None
            self.size -= _size(before)
            if self._before(policy.id) == entry.after_id:
                return True
            self._take_out(policy.id)
        return self._put_in(policy, entry.after_id)

    def _remove(self, policy_id: str) -> None:
        self._hash = None
        self.size -= _size(self.found.pop(policy_id))
        self._take_out(policy_id)
        if not self.found:
            self._raw, self.size = EMPTY_LEDGER, len(EMPTY_LEDGER)

    def _take_out(self, policy_id: str) -> None:
        at = bisect_left(self._labels, self.places.pop(policy_id))
        del self._labels[at], self._ids[at]

    def _before(self, policy_id: str) -> str:
        """Return the id of the policy that stands before one, empty for the first."""
        at = bisect_left(self._labels, self.places[policy_id])
        return self._ids[at - 1] if at else ""

    def _put_in(self, policy: Policy, after_id: str) -> bool:
        labels, kept = self._labels, True
        at = bisect_left(labels, self.places[after_id]) + 1 if after_id else 0
        if at == len(labels):
            if labels and labels[-1] > _MOST:
                self._spread()
                labels, kept = self._labels, False
            label = (labels[-1] if labels else 0) + _GAP
            if len(self.found) == 1:
                self._hash, self.size = None, _size(policy)
            elif self._hash is not None:
                self._hash.update(bytes_of((policy.text,)))
        else:
            self._hash = None
            between = self._between(at)
            if between is None:
                self._spread()
                labels, kept = self._labels, False
                between = labels[at] - _GAP // 2
            label = between
        labels.insert(at, label)
        self._ids.insert(at, policy.id)
        self.places[policy.id] = label
        return kept

    def _between(self, at: int) -> int | None:
        """Return a place before that of a position, ``None`` if no number is free there."""
        if not at:
            return self._labels[0] - _GAP if self._labels[0] > -_MOST else None
        low, high = self._labels[at - 1], self._labels[at]
        return (low + high) // 2 if high - low > 1 else None

    def _spread(self) -> None:
        """Give all policies new places, far from one another."""
        self._labels, self._places = _far_apart(len(self._ids)), None


def _far_apart(count: int) -> array[int]:
    """Return so many places, which take 8 bytes each."""
    return array("q", range(_GAP, _GAP * (count + 1), _GAP))


def bytes_of(texts: Sequence[str] | bytes) -> bytes:
    """Return texts as lines."""
    if isinstance(texts, bytes):
        return texts
    return ("\n".join(texts) + "\n").encode() if texts else b""


def text_pieces(texts: Iterable[str]) -> Iterator[bytes]:
    """Return texts as lines, in pieces of about `limits.JOURNAL_PIECE_BYTES`."""
    some: list[str] = []
    chars = 0
    for text in texts:
        some.append(text)
        chars += len(text)
        if chars >= limits.JOURNAL_PIECE_BYTES:
            yield bytes_of(some)
            some, chars = [], 0
    if some:
        yield bytes_of(some)


def joined_pieces(
    master: list[str] | bytes, local: Sequence[str], blank: bool | None
) -> Iterator[bytes]:
    """Return the bytes of a ledger file in pieces; see `edgelake.ledger.join`."""
    if blank is None:
        yield join(bytes_of(master), local)
        return
    yield from text_pieces(chain(cast("list[str]", master), ("",) if blank else (), local))


# ------------------------------------------------------------------- parts


def _policy(entry: LogEntry) -> Policy:
    try:
        policy = parse_policy(entry.policy)
    except EdgeLakeError as exc:
        raise LedgerInvalid(f"change {entry.seq} is no policy: {exc}") from exc
    if policy.id != entry.policy_id or "\n" in entry.policy or "\r" in entry.policy:
        raise LedgerInvalid(f"change {entry.seq} is not the policy that it names")
    # The line as the master stores it, so that stored and hashed bytes are the same.
    return Policy(policy.type, None, entry.policy, policy.id)


def _size(policy: Policy) -> int:
    text = policy.text
    return (len(text) if text.isascii() else len(text.encode())) + 1


def _md5(data: bytes) -> hashlib._Hash:
    return hashlib.md5(data, usedforsecurity=False)
