"""What a follower sends its master next: every change gets its turn, and none starves."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from edgelake import limits
from edgelake.ledger import Policy

__all__ = ["Outbox", "Turn"]


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

    def settle(self) -> bool:
        """Return whether the master has taken this change at least once."""
        if self.result.done() and not self.result.cancelled() and self.result.exception() is None:
            self.taken = True
        return self.taken


class Outbox:
    """Remembers what was sent when; used by one thread.

    Notes
    -----
    Half of each turn is kept for deletes, and half for policies, if there are
    as many. Among its kind goes first what waits longest since it was last sent.
    """

    def __init__(self) -> None:
        self._number = 0
        self._policies: dict[str, _Sending] = {}
        self._deletes: dict[str, _Sending] = {}

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
        room = limits.MAX_CHANGES_PER_CYCLE
        for_deletes = min(len(deletes), max(room // 2, room - len(policies)))
        now_policies = sorted(policies, key=lambda p: _last(self._policies, p.id))
        now_policies = now_policies[: room - for_deletes]
        now_deletes = sorted(deletes, key=lambda key: _last(self._deletes, key))[:for_deletes]
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
            self._policies[change.id] = _Sending(self._number, result, False)
            return
        before = self._deletes.get(change)
        taken = before is not None and before.settle()
        self._deletes[change] = _Sending(self._number, result, taken)

    def _delivered(self, policy_id: str) -> bool:
        """Return whether a delete was taken, and no push of its policy is under way."""
        push = self._policies.get(policy_id)
        sending = self._deletes.get(policy_id)
        return sending is not None and push is None and sending.settle()


def _last(sendings: dict[str, _Sending], key: str) -> int:
    found = sendings.get(key)
    return found.number if found is not None else 0
