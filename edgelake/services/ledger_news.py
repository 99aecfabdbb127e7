"""What follows a place in a master's log, as text: made by the master, read by a follower.

Source: ``docs/protocol.md``, "Changes of the ledger".
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgelake.errors import DatabaseError, LedgerInvalid
from edgelake.interfaces import LogEntry, LogPosition
from edgelake.services.master import MasterLedger

__all__ = ["LedgerNews", "news_text", "read_news"]


@dataclass(frozen=True, slots=True)
class LedgerNews:
    """What a master said.

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
    """

    place: LogPosition
    head: int
    entries: tuple[LogEntry, ...] = ()
    ledger: bytes | None = None
    count: int = 0
    same: bool = False


def news_text(master: MasterLedger, asked: LogPosition, md5: str, token: str) -> str:
    """Return what a follower at a place has to know.

    Parameters
    ----------
    asked : LogPosition
        Where the follower is; any other log's place, if it does not know.
    md5 : str
        Hash of the ledger it has, ``0`` if it has none.
    token : str
        Random word of the question, which the answer repeats.

    Raises
    ------
    DatabaseError
    """
    head = master.position()
    if asked == head:
        return _heading(token, "none", head, head.seq)
    entries = master.entries(asked.epoch, asked.seq, asked.chain)
    if entries:
        last = entries[-1]
        place = LogPosition(head.epoch, last.seq, last.chain)
        lines = [_heading(token, "changes", place, max(head.seq, last.seq), count=len(entries))]
        for entry in entries:
            lines += (entry.heading(), entry.policy)
        return "\n".join(lines)
    position, snapshot = master.sequenced()
    if position is None:
        raise DatabaseError("the table ledger is being changed by another program")
    if snapshot.md5 == md5:
        return _heading(token, "same", position, position.seq)
    top = _heading(
        token,
        "ledger",
        position,
        position.seq,
        count=snapshot.count,
        bytes=len(snapshot.data),
        sha256=hashlib.sha256(snapshot.data).hexdigest(),
    )
    return f"{top}\n{snapshot.data.decode()}"


def read_news(text: str, asked: LogPosition, token: str) -> LedgerNews:
    """Return what a master answered to who is at a place.

    Raises
    ------
    LedgerInvalid
        The text is damaged, no continuation of that place, or from somebody who was
        not asked: it lacks the question's token.
    """
    top, _, rest = text.partition("\n")
    try:
        data: dict[str, Any] = json.loads(top)
        if not hmac.compare_digest(str(data["token"]).encode(), token.encode()):
            raise LedgerInvalid("news of the ledger came from somebody who was not asked")
        kind, head = data["kind"], int(data["head"])
        place = LogPosition(str(data["epoch"]), int(data["seq"]), str(data["chain"]))
        if kind in ("none", "same"):
            if kind == "none" and place != asked:
                raise LedgerInvalid("the master named another place than it was asked for")
            return LedgerNews(place, head, same=True)
        if kind == "changes":
            return LedgerNews(place, head, _entries(rest, int(data["count"]), asked, place))
        if kind == "ledger":
            return LedgerNews(place, head, ledger=_whole(rest, data), count=int(data["count"]))
    except (ValueError, KeyError, TypeError, RecursionError) as exc:
        raise LedgerInvalid(f"the news of the ledger are damaged: {exc!r}") from exc
    raise LedgerInvalid(f"the news of the ledger are of an unknown kind: {kind!r}")


# ------------------------------------------------------------------- parts


def _heading(token: str, kind: str, place: LogPosition, head: int, **more: object) -> str:
    return json.dumps(
        {
            "token": token,
            "kind": kind,
            "epoch": place.epoch,
            "seq": place.seq,
            "chain": place.chain,
            "head": head,
            **more,
        },
        separators=(",", ":"),
    )


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


def _whole(text: str, data: dict[str, Any]) -> bytes:
    ledger = text.encode()
    if len(ledger) != data["bytes"] or hashlib.sha256(ledger).hexdigest() != data["sha256"]:
        raise LedgerInvalid(
            f"the ledger was damaged on the way: {len(ledger)} of {data['bytes']} bytes,"
            " or another hash"
        )
    count = sum(1 for line in ledger.split(b"\n") if line.strip())
    if count != data["count"]:
        raise LedgerInvalid(f"{data['count']} policies were announced, {count} came")
    return ledger
