"""What a contract holds, made a ledger: policies one a line, and why others are left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgelake.errors import BadJson, PolicyInvalid
from edgelake.ledger import jsontext
from edgelake.ledger.damage import Damage
from edgelake.ledger.policy import Policy, policy_of
from edgelake.ledger.snapshot import EMPTY_LEDGER

__all__ = ["EntryLedger", "ledger_of_entries"]

_DISCARD_TYPE = "discard"
_MARKER_TYPE = "deleted"
_ACTIVE = "active"


@dataclass(frozen=True, slots=True)
class EntryLedger:
    """A ledger made of a contract's entries.

    Attributes
    ----------
    content : bytes
        A ledger file.
    count : int
        Policies in it.
    ids : frozenset of str
        Ids of all policies of the contract, discarded ones included.
    quarantine : tuple of Damage
        Entries that are no usable policies; ``line`` is the place in the contract, from 1.
    """

    content: bytes
    count: int
    ids: frozenset[str]
    quarantine: tuple[Damage, ...]


def ledger_of_entries(entries: Sequence[bytes]) -> EntryLedger:
    """Return the ledger that a contract's entries make.

    Of several entries with one id that with the latest ``date`` counts. A ``discard``
    policy that is ``active`` takes out the policy it names; of several for one policy
    the latest counts, and one for an unknown policy does nothing.

    Parameters
    ----------
    entries : sequence of bytes
        Texts in the contract's order; anybody may have written anything.
    """
    found: dict[str, tuple[int, Policy]] = {}
    quarantine: list[Damage] = []
    for place, entry in enumerate(entries, 1):
        try:
            policy = _policy(entry)
        except (BadJson, PolicyInvalid) as exc:
            quarantine.append(Damage(place, str(exc), text=entry))
            continue
        before = found.get(policy.id)
        if before is not None and before[1].date >= policy.date:
            quarantine.append(_second(place, policy, entry))
            continue
        if before is not None:
            quarantine.append(_second(before[0], before[1], before[1].text.encode()))
        found[policy.id] = (place, policy)
    ids = frozenset(found)
    for target in _discarded(found):
        found.pop(target, None)
    quarantine.sort(key=lambda damage: damage.line)
    lines = b"".join(policy.text.encode() + b"\n" for _, policy in found.values())
    return EntryLedger(lines or EMPTY_LEDGER, len(found), ids, tuple(quarantine))


def _policy(entry: bytes) -> Policy:
    try:
        text = entry.decode().strip()
    except UnicodeDecodeError:
        raise PolicyInvalid("the entry is not UTF-8") from None
    # A line feed between words of JSON would make two lines of one policy.
    whole = "\n" not in text and "\r" not in text
    policy = policy_of(jsontext.parse(text), text=text if whole else None)
    if not policy.id:
        raise PolicyInvalid(f"policy of type '{policy.type}' has no id")
    if policy.type == _MARKER_TYPE:
        raise PolicyInvalid(f"type '{_MARKER_TYPE}' is reserved for deleted policies")
    if policy.ledger == "local":
        return policy.with_ledger("global")
    policy.check_size()
    return policy


def _second(place: int, policy: Policy, text: bytes) -> Damage:
    reason = f"id '{policy.id}' of type '{policy.type}' is used again, the latest date counts"
    return Damage(place, reason, policy.id, text)


def _discarded(found: dict[str, tuple[int, Policy]]) -> list[str]:
    """Return the ids that the latest ``discard`` policies take out."""
    latest: dict[str, Policy] = {}
    for _, policy in found.values():
        target = policy.body.get("policy")
        if policy.type != _DISCARD_TYPE or not isinstance(target, str):
            continue
        before = latest.get(target)
        if before is None or policy.date >= before.date:
            latest[target] = policy
    return [target for target, policy in latest.items() if policy.body.get("status") == _ACTIVE]
