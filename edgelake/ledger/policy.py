"""A policy: its shape, its id, and the line it is in a ledger file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from edgelake import limits
from edgelake.errors import PolicyInvalid
from edgelake.interfaces import PolicyRow
from edgelake.ledger import jsontext

__all__ = [
    "Policy",
    "canonical_digest",
    "complete",
    "literal",
    "parse_policy",
    "policy_id",
    "policy_of",
]

_ID_FIELDS: Mapping[str, tuple[str, ...]] = {
    "table": ("company", "name", "dbms"),
    "cluster": ("company", "name", "parent", "table"),
}
_SHOWN = 50
_LONGEST_LEDGER = '"global"'
_HINT = 'write one type with its attributes: {"device": {"name": "d1"}}'


class Policy:
    """One JSON object with exactly one root key.

    Parameters
    ----------
    kind : str
        The root key, case-sensitive, not empty.
    body : dict or None
        The object under it; ``None`` reads it from ``text`` when it is first asked for:
        a ledger holds far more policies than are ever looked into.
    text : str
        The line it has in a ledger file, without line feed. Kept as received,
        so that stored, sent and hashed bytes are the same.
    policy_id : str or None
        Its ``id``, where the caller has read it; needed without ``body``.

    Notes
    -----
    Immutable; use from any thread. Source: ledger reference, "The policy model".
    """

    __slots__ = ("_body", "id", "text", "type")

    type: str
    """The root key."""
    text: str
    """The line in a ledger file."""
    id: str
    """The ``id``, empty while it has none."""

    def __init__(
        self, kind: str, body: dict[str, Any] | None, text: str, policy_id: str | None = None
    ) -> None:
        self.type = kind
        self.text = text
        self._body = body
        if policy_id is None:
            value = self.body.get("id", "")
            policy_id = value if isinstance(value, str) else ""
        self.id = policy_id

    @property
    def body(self) -> dict[str, Any]:
        """The object under the root key. Shared by all who hold the policy: it is never changed."""
        body = self._body
        if body is None:
            # Two threads may do this at once; both read the same.
            self._body = body = _body_of(self.text)
        return body

    def __eq__(self, other: object) -> bool:
        """Whether type, attributes and line are the same."""
        if not isinstance(other, Policy):
            return NotImplemented
        return self is other or (
            self.type == other.type and self.text == other.text and self.body == other.body
        )

    def __hash__(self) -> int:
        """Return the hash of the line."""
        return hash(self.text)

    def __repr__(self) -> str:
        """Return the line, for people who debug."""
        return f"Policy({self.text!r})"

    @property
    def date(self) -> str:
        """The ``date``, empty while it has none."""
        value = self.body.get("date", "")
        return value if isinstance(value, str) else ""

    @property
    def ledger(self) -> str:
        """``local``, ``global`` or empty, in lower case."""
        value = self.body.get("ledger", "")
        return value.lower() if isinstance(value, str) else ""

    def content(self) -> dict[str, Any]:
        """Return the policy as JSON data: ``{type: body}``."""
        return {self.type: self.body}

    def to_line(self) -> str:
        r"""Return the policy as compact JSON on one line, ASCII, without line feed."""
        return jsontext.dump(self.content())

    def with_ledger(self, value: str) -> Policy:
        """Return the policy with ``ledger`` set: in its place, or appended.

        Raises
        ------
        PolicyInvalid
            See `check_size`.
        """
        return _make(self.type, {**self.body, "ledger": value})

    def same_content(self, other: Policy) -> bool:
        """Return whether another policy says the same, whenever and wherever it was made."""
        free = ("date", "ledger")
        return self.type == other.type and all(
            self.body.get(key) == other.body.get(key)
            for key in self.body.keys() | other.body.keys()
            if key not in free
        )

    def check_size(self) -> None:
        """Check that the line fits on every node it travels to, with any ``ledger`` value.

        What is typed may be shorter than its line: the line has an id, a date and
        ``ledger``, and six or twelve characters for one that is not ASCII.

        Raises
        ------
        PolicyInvalid
            The line exceeds `limits.MAX_POLICY_BYTES`.
        """
        size_bytes = len(self.text.encode())
        if "ledger" in self.body:
            grown = len(_LONGEST_LEDGER) - len(jsontext.dump(self.body["ledger"]))
        else:
            grown = len(', "ledger": ') + len(_LONGEST_LEDGER)
        size_bytes += max(grown, 0)
        if size_bytes > limits.MAX_POLICY_BYTES:
            raise PolicyInvalid(
                f"policy of {size_bytes} bytes, as its line is stored,"
                f" exceeds {limits.MAX_POLICY_BYTES}",
                hint="characters that are not ASCII take six bytes or twelve",
            )

    def row(self) -> PolicyRow:
        """Return the policy as a row of the SQL table.

        Raises
        ------
        PolicyInvalid
            It has no id.
        """
        if not self.id:
            raise PolicyInvalid(f"policy of type '{self.type}' has no id")
        return PolicyRow(
            policy_type=self.type,
            policy_id=self.id,
            date=self.date,
            policy=self.text,
            company=_column(self.body.get("company")),
            status=_column(self.body.get("status")),
        )


def parse_policy(text: str, *, column: int | None = None) -> Policy:
    """Return the policy that a JSON text describes.

    Parameters
    ----------
    text : str
        ``{"type": {…}}``, at most `limits.MAX_POLICY_BYTES` bytes.
    column : int or None
        1-based column of the text in a command, for errors.

    Raises
    ------
    BadJson
        The text is not JSON.
    PolicyInvalid
        It is not a policy, or one that other nodes cannot read.
    """
    return policy_of(jsontext.parse(text, column=column), column=column)


def policy_of(data: Any, *, text: str | None = None, column: int | None = None) -> Policy:
    """Return the policy that JSON data describes; see `parse_policy`.

    Parameters
    ----------
    data : Any
        Data as `jsontext.parse` returns it.
    text : str or None
        Its line in a ledger file; ``None`` writes it anew.
    """
    if not isinstance(data, dict):
        raise PolicyInvalid(
            f"a policy is a JSON object, not {_kind(data)}", hint=_HINT, column=column
        )
    if len(data) != 1:
        raise PolicyInvalid(
            f"a policy has one root key, not {len(data)}", hint=_HINT, column=column
        )
    kind, body = next(iter(data.items()))
    if not kind:
        raise PolicyInvalid("the type of the policy is empty", hint=_HINT, column=column)
    if not isinstance(body, dict):
        raise PolicyInvalid(
            f"'{kind}' holds {_kind(body)} instead of attributes", hint=_HINT, column=column
        )
    identity, date = body.get("id", "?"), body.get("date", "")
    if not isinstance(identity, str) or not identity:
        raise PolicyInvalid(
            f"id of '{kind}' is {_kind(identity)}",
            hint="write the id as a text, or leave it out to have it computed",
            column=column,
        )
    _check_key("the type of the policy", kind, column)
    _check_key(f"id of '{kind[:_SHOWN]}'", identity, column)
    if not isinstance(date, str):
        raise PolicyInvalid(
            f"date of '{kind}' is {_kind(date)}",
            hint="write 2026-01-31T12:00:00.000000Z, or leave it out",
            column=column,
        )
    return Policy(kind, body, jsontext.dump(data) if text is None else text)


# --------------------------------------------------------------------- ids


def policy_id(kind: str, body: Mapping[str, Any]) -> str:
    """Return the id the network computes for a policy without one.

    Parameters
    ----------
    kind : str
        Root key.
    body : mapping
        Attributes; ``date`` and ``ledger`` do not enter.

    Returns
    -------
    str
        32 lower-case hex digits.

    Notes
    -----
    Source: ledger reference, "The policy id". MD5 names the policy, it
    protects nothing.
    """
    content = {key: value for key, value in body.items() if key not in ("date", "ledger")}
    if kind in _ID_FIELDS:
        text = f"{kind}:" + "".join(
            f"{name}:{_field(content[name])}:" for name in _ID_FIELDS[kind] if name in content
        )
    else:
        text = literal({kind: content})
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def canonical_digest(policy: Policy) -> str:
    """Return a hash of what a policy says, whatever the order of its attributes.

    Returns
    -------
    str
        SHA-256 of its JSON without ``date`` and ``ledger``, keys in order; 64 hex digits.
        For comparing within a node: the id is how the network names a policy.
    """
    body = {key: value for key, value in policy.body.items() if key not in ("date", "ledger")}
    text = json.dumps({policy.type: body}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def literal(value: Any) -> str:
    """Return JSON data in the notation that enters ids: ``{'name': 'd1', 'on': True}``.

    Notes
    -----
    The notation is that of Python's ``repr`` of parsed JSON, which is what
    this calls; the nesting of ``value`` is bounded by the parser.
    """
    return repr(value)


def complete(policy: Policy, now: datetime, *, ledger: str | None = None) -> Policy:
    """Return the policy with id and date, in the order other nodes write them.

    Without an id: ``date`` and ``ledger`` leave their places, the id and then
    the date are appended. With an id nothing moves, a missing date is appended.

    Parameters
    ----------
    policy : Policy
    now : datetime
        Aware; becomes ``YYYY-MM-DDTHH:MM:SS.ffffffZ`` in UTC.
    ledger : str or None
        ``local`` or ``global`` is set last, in its place or appended.

    Raises
    ------
    PolicyInvalid
        Its line is too long, see `Policy.check_size`.
    """
    body = dict(policy.body)
    date = body.get("date") or now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if "id" not in body:
        body.pop("date", None)
        body.pop("ledger", None)
        body["id"] = policy_id(policy.type, body)
    body["date"] = date
    if ledger is not None:
        body["ledger"] = ledger
    return _make(policy.type, body)


# ------------------------------------------------------------------- parts


def _body_of(text: str) -> dict[str, Any]:
    """Return the body of a line that was checked before."""
    (body,) = jsontext.parse_shared(text).values()
    found: dict[str, Any] = body
    return found


def _make(kind: str, body: dict[str, Any]) -> Policy:
    policy = Policy(kind, body, jsontext.dump({kind: body}))
    policy.check_size()
    return policy


def _check_key(what: str, text: str, column: int | None) -> None:
    """Check what databases keep as a column of its own, and in an index."""
    size_bytes = len(text) if text.isascii() else len(text.encode())
    if size_bytes > limits.MAX_POLICY_ID_BYTES:
        raise PolicyInvalid(
            f"{what} has {size_bytes} bytes, more than {limits.MAX_POLICY_ID_BYTES}",
            hint="write a shorter one, or leave the id out to have it computed",
            column=column,
        )
    if "\0" in text:
        raise PolicyInvalid(
            f"{what} holds \\u0000, which databases do not store",
            hint="leave that character out",
            column=column,
        )


def _field(value: Any) -> str:
    return value if isinstance(value, str) else literal(value)


def _column(value: Any) -> str | None:
    if isinstance(value, str):
        # Databases do not store this character; the policy itself has it as an escape.
        return None if "\0" in value else value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return None


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return "a text" if value else "an empty text"
    if isinstance(value, list):
        return "a list"
    return "an object" if isinstance(value, dict) else "a number"
