"""What becomes of the local part of a ledger when the master's part changes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from edgelake.ledger.damage import Damage
from edgelake.ledger.image import DeleteMarker
from edgelake.ledger.policy import Policy
from edgelake.ledger.state import LedgerState

__all__ = ["Adoption", "Settled", "settled"]


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


@dataclass(frozen=True, slots=True)
class Settled:
    """What is local no more.

    Attributes
    ----------
    ended : tuple of str
        Ids of policies that the master has, or had.
    unmarked : tuple of str
        Ids whose delete is done.
    """

    ended: tuple[str, ...]
    unmarked: tuple[str, ...]


def settled(
    state: LedgerState,
    there: Callable[[str], bool],
    among: Sequence[str] | None,
    dropped: Collection[str] | None,
    stored: Collection[str],
    carried: Collection[str] = (),
    confirms: Callable[[str], bool] | None = None,
) -> Settled:
    """Return what a state of the master's ledger shows to be done.

    Parameters
    ----------
    state : LedgerState
    there : callable
        Whether the master's ledger has a policy of an id.
    among : sequence of str or None
        Ids that may be new in it; ``None`` for any.
    dropped, stored, carried
        See `LocalLedger.adopt`.
    confirms : callable or None
        Whether that ledger ends the local policy of an id; ``None`` if it does so by having
        any policy of that id.
    """
    confirms = confirms or there
    asked = state.local if among is None else dict.fromkeys((*among, *stored))
    ended = [key for key in asked if key in state.local and (key in stored or confirms(key))]
    unmarked = [
        marker.id
        for marker in state.deletes.values()
        if marker.id in carried
        or (
            not there(marker.id)
            and (marker.master is None or dropped is None or marker.id in dropped)
        )
    ]
    return Settled(tuple(ended), tuple(unmarked))
