"""What follows a place in a master's log, as text: made by who serves it, read by a follower.

Source: ``docs/protocol.md``, "Changes of the ledger".
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from edgelake import limits
from edgelake.errors import DatabaseError, LedgerInvalid
from edgelake.interfaces import LogEntry, LogPosition
from edgelake.ledger import Snapshot

__all__ = ["LedgerNews", "LogSource", "Standing", "Told", "heading", "news_text", "read_news"]

_compact = json.JSONEncoder(separators=(",", ":")).encode
_MAX_NAME_CHARS = 64
_MAX_ADDRESS_CHARS = 300


class LogSource(Protocol):
    """Who can answer for a log: a master, or a relay."""

    def position(self) -> LogPosition:
        """Return how far the log goes here."""

    def entries(self, epoch: str, seq: int, chain: str) -> tuple[LogEntry, ...] | None:
        """Return the next changes after a place, ``None`` if it is not known here."""

    def sequenced(self) -> tuple[LogPosition | None, Snapshot]:
        """Return the whole ledger, and the place at which it was like that."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How who answered stands to the master; as it is here, of the master itself.

    Attributes
    ----------
    via : tuple of str
        Random names of the relays between, that next to the master first.
    age_s : float or None
        How long ago the master was heard, as far as these know; ``None``: never since they run.
    behind : int
        Changes that the last relay knows of and has not got.
    master : str
        Address of the master, as the relay next to it writes it; empty of the master itself.
    """

    via: tuple[str, ...] = ()
    age_s: float | None = 0.0
    behind: int = 0
    master: str = ""

    def data(self) -> dict[str, Any]:
        """Return what an answer says of it; nothing of a master."""
        if not self.via:
            return {}
        age = None if self.age_s is None else round(self.age_s, 1)
        found: dict[str, Any] = {"via": list(self.via), "master": self.master, "age": age}
        return {**found, "behind": self.behind} if self.behind else found


@dataclass(frozen=True, slots=True)
class LedgerNews:
    """What a master or a relay said.

    Attributes
    ----------
    place : LogPosition
        Where the follower is when it has taken this.
    head : int
        Last number of the master's log; above ``place.seq`` there is more to ask for.
    entries : tuple of LogEntry
        Changes to apply; none if nothing changed, or the ledger is sent whole.
    ledger : bytes or None
        The whole ledger, checked against its declared length, count and hash.
    count : int
        Its policies.
    same : bool
        The ledger of the follower is that at ``place``.
    standing : Standing
    refused : str
        Why a relay gives nothing now; empty if it does. Nothing else counts then.
    short : bool
        The relay has not come as far as the follower is.
    """

    place: LogPosition
    head: int
    entries: tuple[LogEntry, ...] = ()
    ledger: bytes | None = None
    count: int = 0
    same: bool = False
    standing: Standing = Standing()
    refused: str = ""
    short: bool = False


class Told(NamedTuple):
    """What a follower is told.

    Attributes
    ----------
    text : str
    place : LogPosition or None
        How far the log goes by that.
    body : bytes
        The whole ledger, which follows the text: the snapshot's own bytes, whoever asks.
    """

    text: str
    place: LogPosition | None
    body: bytes = b""


def news_text(
    source: LogSource,
    asked: LogPosition,
    md5: str,
    token: str,
    standing: Mapping[str, object] | None = None,
) -> Told:
    """Return what a follower at a place has to know.

    Parameters
    ----------
    asked : LogPosition
        Where the follower is; any other log's place, if it does not know.
    md5 : str
        Hash of the ledger it has, ``0`` if it has none.
    token : str
        Random word of the question, which the answer repeats.
    standing : mapping or None
        `Standing.data` of a relay.

    Raises
    ------
    DatabaseError
    """
    said = standing or {}
    head = source.position()
    if asked == head:
        return Told(heading(token, "none", head, head.seq, **said), head)
    entries = source.entries(asked.epoch, asked.seq, asked.chain)
    if entries:
        last = entries[-1]
        place = LogPosition(head.epoch, last.seq, last.chain)
        top = max(head.seq, last.seq)
        lines = [heading(token, "changes", place, top, count=len(entries), **said)]
        for entry in entries:
            lines += (entry.heading(), entry.policy)
        return Told("\n".join(lines), head if head.seq >= last.seq else place)
    position, snapshot = source.sequenced()
    if position is None:
        raise DatabaseError("the table ledger is being changed by another program")
    if snapshot.md5 == md5:
        return Told(heading(token, "same", position, position.seq, **said), position)
    first = heading(
        token,
        "ledger",
        position,
        position.seq,
        count=snapshot.count,
        bytes=len(snapshot.data),
        sha256=snapshot.sha256,
        **said,
    )
    return Told(f"{first}\n", position, snapshot.data)


def read_news(answer: bytes, asked: LogPosition, token: str) -> LedgerNews:
    """Return what a master answered to who is at a place.

    Raises
    ------
    LedgerInvalid
        The text is damaged, no continuation of that place, or from somebody who was
        not asked: it lacks the question's token.
    """
    top, _, rest = answer.partition(b"\n")
    try:
        data: dict[str, Any] = json.loads(top)
        if not hmac.compare_digest(str(data["token"]).encode(), token.encode()):
            raise LedgerInvalid("news of the ledger came from somebody who was not asked")
        kind, standing = data["kind"], _standing(data)
        if kind == "later":
            reason = str(data["reason"])[: limits.MAX_RELAY_REASON_CHARS]
            return LedgerNews(asked, 0, standing=standing, refused=reason)
        head = int(data["head"])
        place = LogPosition(str(data["epoch"]), int(data["seq"]), str(data["chain"]))
        if kind == "short":
            return LedgerNews(place, head, standing=standing, short=True)
        if kind in ("none", "same"):
            if kind == "none" and place != asked:
                raise LedgerInvalid("the master named another place than it was asked for")
            return LedgerNews(place, head, same=True, standing=standing)
        if kind == "changes":
            entries = _entries(rest.decode(), int(data["count"]), asked, place)
            return LedgerNews(place, head, entries, standing=standing)
        if kind == "ledger":
            ledger, count = _whole(rest, data), int(data["count"])
            return LedgerNews(place, head, ledger=ledger, count=count, standing=standing)
    except (ValueError, KeyError, TypeError, RecursionError) as exc:
        raise LedgerInvalid(f"the news of the ledger are damaged: {exc!r}") from exc
    raise LedgerInvalid(f"the news of the ledger are of an unknown kind: {kind!r}")


# ------------------------------------------------------------------- parts


def heading(token: str, kind: str, place: LogPosition, head: int, **more: object) -> str:
    """Return the first line of an answer."""
    return _compact(
        {
            "token": token,
            "kind": kind,
            "epoch": place.epoch,
            "seq": place.seq,
            "chain": place.chain,
            "head": head,
            **more,
        }
    )


def _standing(data: Mapping[str, Any]) -> Standing:
    """Return how who answers stands to the master; `ValueError` if that is nonsense."""
    via, age, behind = data.get("via", []), data.get("age", 0.0), data.get("behind", 0)
    if not isinstance(via, list) or not all(
        isinstance(name, str) and 0 < len(name) <= _MAX_NAME_CHARS for name in via
    ):
        raise ValueError("the relays have no usable names")
    if age is not None and not (isinstance(age, int | float) and 0 <= age < math.inf):
        raise ValueError(f"{age!r} is no number of seconds")
    if not isinstance(behind, int) or behind < 0:
        raise ValueError(f"{behind!r} is no number of changes")
    master = data.get("master", "")
    if not isinstance(master, str) or len(master) > _MAX_ADDRESS_CHARS:
        raise ValueError("the address of the master is none")
    # One more than may be is enough to be refused for.
    return Standing(tuple(via[: limits.MAX_RELAYS + 1]), age, behind, master)


def _entries(text: str, count: int, asked: LogPosition, place: LogPosition) -> tuple[LogEntry, ...]:
    """Return the entries of an answer, checked to follow the place that was asked for."""
    lines: Sequence[str] = text.split("\n")
    if len(lines) != 2 * count:
        raise LedgerInvalid(f"{count} changes were announced, {len(lines) / 2:g} came")
    found: list[LogEntry] = []
    chain, seq = asked.chain, asked.seq
    for heading, policy in zip(lines[::2], lines[1::2], strict=True):
        number, op, policy_id, after_id = json.loads(heading)
        seq += 1
        if number != seq or not all(isinstance(t, str) for t in (op, policy_id, after_id)):
            raise LedgerInvalid(f"change {seq} is missing")
        entry = LogEntry(seq, op, policy_id, after_id, policy)
        chain = entry.chained(chain)
        found.append(entry)
    if LogPosition(asked.epoch, seq, chain) != place:
        raise LedgerInvalid("the changes do not lead to the place that the master named")
    return tuple(found)


def _whole(ledger: bytes, data: dict[str, Any]) -> bytes:
    if len(ledger) != data["bytes"] or hashlib.sha256(ledger).hexdigest() != data["sha256"]:
        raise LedgerInvalid(
            f"the ledger was damaged on the way: {len(ledger)} of {data['bytes']} bytes,"
            " or another hash"
        )
    count = sum(1 for line in ledger.split(b"\n") if line.strip())
    if count != data["count"]:
        raise LedgerInvalid(f"{data['count']} policies were announced, {count} came")
    return ledger
