"""What a follower sends its master next: every change gets its turn, and none starves."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from edgelake import limits
from edgelake.errors import is_temporary
from edgelake.interfaces import LogPosition
from edgelake.ledger import Policy

__all__ = ["Outbox", "Refusal", "Turn"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A change that a master will not have, or not now.

    Attributes
    ----------
    id : str
    text : str
        Of the policy as it was refused; empty for a delete.
    reason : str
    code : int
        The master's number.
    """

    id: str
    text: str
    reason: str
    code: int
    until_s: float = field(default=0.0, compare=False)
    pause_s: float = field(default=0.0, compare=False)

    def data(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {"id": self.id, "reason": self.reason, "code": self.code}


@dataclass(frozen=True, slots=True)
class Turn:
    """What one cycle sends.

    Attributes
    ----------
    policies : tuple of Policy
    deletes : tuple of str
        Ids; with the policies at most `limits.MAX_CHANGES_PER_CYCLE`.
    delivered : frozenset of str
        Ids of waiting deletes that the master had taken before this turn, with
        nothing under way that could bring the policy back.
    fresh : bool
        Something is sent for the first time.
    """

    policies: tuple[Policy, ...]
    deletes: tuple[str, ...]
    delivered: frozenset[str]
    fresh: bool


@dataclass(slots=True)
class _Sending:
    """The last sending of one change, and whether one was taken by the master."""

    number: int
    result: Future[bool]
    taken: bool
    at_s: float

    def settle(self) -> bool:
        """Return whether the master has taken this change at least once."""
        if self.result.done() and not self.result.cancelled() and self.result.exception() is None:
            self.taken = True
        return self.taken


class Outbox:
    """Remembers what was sent when, and what became of it; changed by one thread.

    Notes
    -----
    Half of each turn is kept for deletes, and half for policies, if there are
    as many. Among its kind goes first what waits longest since it was last sent.
    What the master refused for good is sent again after `limits.REFUSED_RETRY_S`; what it
    could not take just then, after pauses that grow up to `limits.POSTPONED_RETRY_MAX_S`.
    """

    def __init__(self) -> None:
        self._number = 0
        self._policies: dict[str, _Sending] = {}
        self._deletes: dict[str, _Sending] = {}
        self._stored: dict[str, LogPosition] = {}
        self._dropped: dict[str, LogPosition] = {}
        self._carried: set[str] = set()  # those that found something to drop
        self._refused: dict[str, Refusal] = {}

    @property
    def refused(self) -> tuple[Refusal, ...]:
        """What the master will not have."""
        return tuple(r for r in list(self._refused.values()) if not is_temporary(r.code))

    @property
    def postponed(self) -> tuple[Refusal, ...]:
        """What the master could not take when it was sent last."""
        return tuple(r for r in list(self._refused.values()) if is_temporary(r.code))

    @property
    def acknowledged(self) -> tuple[str, ...]:
        """The policies that the master has stored; they go when a turn finds them shown."""
        return tuple(self._stored)

    def figures(self, policies: Sequence[Policy], deletes: Iterable[str]) -> dict[str, Any]:
        """Return what is said of changes that wait, as JSON data; from any thread.

        Of what waits no more nothing is said, although the next turn has yet to forget it.
        """
        texts = {**dict.fromkeys(deletes, ""), **{policy.id: policy.text for policy in policies}}
        return {
            "acknowledged": sum(texts.get(key, "") != "" for key in self.acknowledged),
            "refused": [r.data() for r in self.refused if texts.get(r.id) == r.text],
            "postponed": [r.data() for r in self.postponed if texts.get(r.id) == r.text],
        }

    def next(self, policies: Sequence[Policy], deletes: Sequence[str]) -> Turn:
        """Return what to send now of all that waits."""
        self._number += 1
        waiting = {policy.id for policy in policies}
        self._policies = {
            key: sending
            for key, sending in self._policies.items()
            if key in waiting or not sending.result.done()
        }
        self._deletes = {key: self._deletes[key] for key in deletes if key in self._deletes}
        self._stored = {key: at for key, at in self._stored.items() if key in waiting}
        self._dropped = {key: at for key in deletes if (at := self._dropped.get(key)) is not None}
        self._carried &= self._dropped.keys()
        texts = {**dict.fromkeys(deletes, ""), **{policy.id: policy.text for policy in policies}}
        self._refused = {k: r for k, r in self._refused.items() if texts.get(k) == r.text}
        now_s = time.monotonic()
        policies = [
            policy
            for policy in policies
            if policy.id not in self._stored and self._due(self._policies, policy.id, now_s)
        ]
        due = [
            key
            for key in deletes
            if key not in self._dropped and self._due(self._deletes, key, now_s)
        ]
        room = limits.MAX_CHANGES_PER_CYCLE
        for_deletes = min(len(due), max(room // 2, room - len(policies)))
        now_policies = sorted(policies, key=lambda p: _last(self._policies, p.id))
        now_policies = now_policies[: room - for_deletes]
        now_deletes = sorted(due, key=lambda key: _last(self._deletes, key))[:for_deletes]
        return Turn(
            tuple(now_policies),
            tuple(now_deletes),
            frozenset(key for key in deletes if self._delivered(key)),
            any(policy.id not in self._policies for policy in now_policies)
            or any(key not in self._deletes for key in now_deletes),
        )

    def sent(self, change: Policy | str, result: Future[bool]) -> None:
        """Note that a policy, or the delete of an id, is on its way."""
        if isinstance(change, Policy):
            self._policies[change.id] = _Sending(self._number, result, False, time.monotonic())
            return
        before = self._deletes.get(change)
        taken = before is not None and before.settle()
        self._deletes[change] = _Sending(self._number, result, taken, time.monotonic())

    def acknowledge(
        self, change: Policy | str, place: LogPosition, *, carried: bool = False
    ) -> None:
        """Note that the master has a policy, or is without an id, at a place of its log.

        Parameters
        ----------
        carried : bool
            The master had the id, and removed it.
        """
        if isinstance(change, Policy):
            self._refused.pop(change.id, None)
            self._stored[change.id] = place
        else:
            self._refused.pop(change, None)
            self._dropped[change] = place
            if carried:
                self._carried.add(change)

    def refuse(self, change: Policy | str, reason: str, code: int) -> bool:
        """Note why the master did not take a change; return whether that is new."""
        key, text = (change, "") if isinstance(change, str) else (change.id, change.text)
        before = self._refused.get(key)
        pause_s = limits.REFUSED_RETRY_S
        if is_temporary(code):
            last_s = before.pause_s if before is not None and is_temporary(before.code) else 0.0
            pause_s = min(max(limits.RESEND_PAUSE_S, 2 * last_s), limits.POSTPONED_RETRY_MAX_S)
        found = Refusal(key, text, reason, code, time.monotonic() + pause_s, pause_s)
        self._refused[key] = found
        return found != before

    def pause_s(self) -> float | None:
        """Return after which time a change that the master has not yet answered for is due.

        ``None`` if it has answered for all that was ever sent; seconds otherwise.
        """
        open_ = [key for key in self._policies if key not in self._stored]
        open_ += [key for key in self._deletes if key not in self._dropped]
        now_s = time.monotonic()
        pauses = [max(0.0, self._until(key) - now_s) for key in open_]
        return min(pauses, default=None)

    def _until(self, key: str) -> float:
        refused = self._refused.get(key)
        return refused.until_s if refused is not None else 0.0

    def stored_at(self, place: LogPosition) -> frozenset[str]:
        """Return the policies that the master's ledger had got at a place of its log."""
        return _reached(self._stored, place)

    def dropped_at(self, place: LogPosition) -> frozenset[str]:
        """Return the deletes that the master had carried out at a place of its log."""
        return _reached(self._dropped, place)

    def carried_at(self, place: LogPosition) -> frozenset[str]:
        """Return the deletes by which the master had removed something at a place of its log."""
        return self.dropped_at(place) & self._carried

    def passed(self, place: LogPosition) -> None:
        """Forget the acknowledged deletes that a ledger at a place has shown.

        One that still waits was undone by somebody, and is sent again.
        """
        for key in self.dropped_at(place):
            del self._dropped[key]
            self._deletes.pop(key, None)

    def void(self, epoch: str = "") -> None:
        """Forget what masters acknowledged in another log than this: it may lack it."""
        self._stored = {key: at for key, at in self._stored.items() if at.epoch == epoch}
        self._dropped = {key: at for key, at in self._dropped.items() if at.epoch == epoch}

    def _due(self, sendings: dict[str, _Sending], key: str, now_s: float) -> bool:
        """Return whether a change is to be sent, maybe once more."""
        if now_s < self._until(key):
            return False
        sending = sendings.get(key)
        return sending is None or now_s - sending.at_s >= limits.RESEND_PAUSE_S

    def _delivered(self, policy_id: str) -> bool:
        """Return whether a delete was taken, and no push of its policy is under way."""
        push = self._policies.get(policy_id)
        sending = self._deletes.get(policy_id)
        return sending is not None and push is None and sending.settle()


def _last(sendings: dict[str, _Sending], key: str) -> int:
    found = sendings.get(key)
    return found.number if found is not None else 0


def _reached(acknowledged: dict[str, LogPosition], place: LogPosition) -> frozenset[str]:
    return frozenset(
        key for key, at in acknowledged.items() if at.epoch == place.epoch and at.seq <= place.seq
    )
