"""Policies as commands see them: indexed, and with what ``anmp`` policies change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edgelake.ledger.anmp import applied
from edgelake.ledger.index import PolicyIndex
from edgelake.ledger.policy import Policy

__all__ = ["PolicyView", "Seen"]

_ANMP = "anmp"


@dataclass(frozen=True, slots=True)
class Seen:
    """What became visible under an id.

    Attributes
    ----------
    policy : Policy
    after : str or None
        Id of the visible policy before it, empty for the first; ``None``: it is the last.
    stays : bool
        It has the place of the one that was seen before.
    """

    policy: Policy
    after: str | None
    stays: bool


class PolicyView:
    """An index of the visible policies, and the lines of those that ``anmp`` policies changed.

    Parameters
    ----------
    policies : iterable of Policy
        Visible policies in ledger order.

    Attributes
    ----------
    index : PolicyIndex
        Changed by nobody.
    stored : dict of Policy
        Policies as they are stored, by id, where the index has them changed.
    faults : tuple of str
        What ``anmp`` policies say wrongly.

    Notes
    -----
    Never changed after it is made; use from any thread.
    """

    __slots__ = ("faults", "index", "stored")

    def __init__(self, policies: Iterable[Policy] = ()) -> None:
        self.index = PolicyIndex(policies)
        self.stored: dict[str, Policy] = {}
        self.faults: tuple[str, ...] = ()
        self._say({key for one in self.index.of_type(_ANMP) for key in one.body})

    def changed(self, gone: Sequence[str], seen: Sequence[Seen]) -> PolicyView:
        """Return the view after changes.

        Parameters
        ----------
        gone : sequence of str
            Ids under which nothing is visible any more.
        seen : sequence of Seen
            In ledger order.
        """
        view = PolicyView.__new__(PolicyView)
        view.index = index = self.index.copy()
        view.stored = dict(self.stored)
        view.faults = self.faults
        named: set[str] = set()
        for key in (*gone, *(new.policy.id for new in seen)):
            before = index.get(key)
            if before is not None and before.type == _ANMP:
                named.update(before.body)
            view.stored.pop(key, None)
        for key in (*gone, *(new.policy.id for new in seen if not new.stays)):
            index.remove(key)
        for new in seen:
            if new.stays and new.policy.id in index:
                index.put(new.policy)
            else:
                index.add(new.policy, after=new.after)
            named.add(new.policy.id)
            if new.policy.type == _ANMP:
                named.update(new.policy.body)
        view._say(named)
        return view

    def _say(self, targets: set[str]) -> None:
        """Let the ``anmp`` policies say what they say of some policies, and of no others."""
        telling = list(self.index.of_type(_ANMP))
        if not telling and not self.stored:
            self.faults = ()
            return
        for key in targets:
            shown = self.index.get(key)
            if shown is None or shown.type == _ANMP:
                continue
            line = self.stored.pop(key, shown)
            (policy, *_), _ = applied([line, *(one for one in telling if key in one.body)])
            if policy is not line:
                self.stored[key] = line
            if policy is not shown:
                self.index.put(policy)
        self.faults = applied(telling)[1]
