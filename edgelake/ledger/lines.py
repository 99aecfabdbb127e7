"""The lines of a master's ledger: read by the hundred thousand, a piece at a time."""

from __future__ import annotations

from collections.abc import Iterator
from sys import intern

from edgelake import limits
from edgelake.errors import BadJson, PolicyInvalid
from edgelake.ledger import jsontext
from edgelake.ledger.damage import Damage
from edgelake.ledger.policy import Policy, policy_of
from edgelake.ledger.rules import STORED_TYPES, fault_of

__all__ = ["MasterLines", "pieces_of", "policy_of_line"]

_SHORT_CHARS = limits.MAX_POLICY_ID_BYTES // 4
"""An id, or a type, that may be had as UTF-8, whatever its characters."""


class MasterLines:
    """What the lines of a master's ledger say, as far as they were taken.

    Attributes
    ----------
    found : dict of Policy
        By id, in the order of their lines.
    quarantine : list of Damage
        Lines that are JSON and no usable policy.
    damage : list of Damage
        Lines that are not JSON.
    count : int
        Lines taken, blank ones too.
    plain : bool
        Each line is a policy and nothing else, so that the bytes are those of `found`.
    """

    __slots__ = ("count", "damage", "found", "plain", "quarantine")

    def __init__(self) -> None:
        self.found: dict[str, Policy] = {}
        self.quarantine: list[Damage] = []
        self.damage: list[Damage] = []
        self.count = 0
        self.plain = True

    def take(self, data: bytes) -> None:
        """Take further lines; a last one without line feed is taken as if it had one."""
        if not data:
            return
        try:
            lines = data.decode().split("\n")
        except UnicodeDecodeError:
            self._take_raw(data)
            return
        if not lines[-1]:
            lines.pop()
        else:
            self.plain = False
        found = self.found
        for text in lines:
            self.count += 1
            policy = _at_a_glance(text)
            if policy is None or policy.id in found:
                self._take_odd(text, text.encode() + b"\n")
            else:
                found[policy.id] = policy

    def _take_raw(self, data: bytes) -> None:
        """Take lines of which one is not UTF-8."""
        lines = data.split(b"\n")
        if not lines[-1]:
            lines.pop()
        for raw in lines:
            self.count += 1
            try:
                text = raw.decode()
            except UnicodeDecodeError:
                self._not_json("the line is not UTF-8", raw + b"\n")
                continue
            self._take_odd(text, raw + b"\n")

    def _take_odd(self, text: str, raw: bytes) -> None:
        """Take a line of which a glance did not tell enough."""
        try:
            policy = policy_of_line(text)
        except BadJson as exc:
            self._not_json(str(exc), raw)
            return
        except PolicyInvalid as exc:
            self._set_aside(str(exc), "", raw)
            return
        if policy is None:
            self.plain = False
        elif not policy.id:
            self._set_aside(f"policy of type '{policy.type}' has no id", "", raw)
        elif policy.id in self.found:
            reason = f"id '{policy.id}' of type '{policy.type}' was used before"
            self._set_aside(reason, policy.id, raw)
        elif (fault := fault_of(policy)) is not None:
            self._set_aside(fault, policy.id, raw)
        else:
            self.plain = self.plain and len(policy.text) == len(text)
            self.found[policy.id] = policy

    def _set_aside(self, reason: str, policy_id: str, raw: bytes) -> None:
        self.plain = False
        self.quarantine.append(Damage(self.count, reason, policy_id, raw))

    def _not_json(self, reason: str, raw: bytes) -> None:
        self.plain = False
        self.damage.append(Damage(self.count, reason, text=raw))


def policy_of_line(text: str) -> Policy | None:
    """Return the policy of a line, ``None`` for a blank one.

    Raises
    ------
    BadJson, PolicyInvalid
        See `edgelake.ledger.parse_policy`.
    """
    text = text.strip()
    return policy_of(jsontext.parse(text), text=text) if text else None


def pieces_of(data: bytes) -> Iterator[bytes]:
    """Return a ledger's bytes in pieces of whole lines, about `limits.JOURNAL_PIECE_BYTES` each."""
    start = 0
    while start < len(data):
        end = data.find(b"\n", min(start + limits.JOURNAL_PIECE_BYTES, len(data)) - 1) + 1
        yield data[start : end or len(data)]
        start = end or len(data)


def _at_a_glance(text: str) -> Policy | None:
    """Return the policy of a line that is one without doubt; its body is read when asked for."""
    if text[-1:] != "}" or text[:1] != "{":
        return None
    data = jsontext.glance(text)
    if type(data) is not dict or len(data) != 1:
        return None
    ((kind, body),) = data.items()
    if not kind or type(body) is not dict:
        return None
    policy_id = body.get("id")
    if type(policy_id) is not str or not policy_id or type(body.get("date", "")) is not str:
        return None
    if len(kind) + len(policy_id) > _SHORT_CHARS or "\0" in kind or "\0" in policy_id:
        return None
    if kind in STORED_TYPES and fault_of(Policy(kind, body, text, policy_id)) is not None:
        return None
    return Policy(intern(kind), None, text, policy_id)
