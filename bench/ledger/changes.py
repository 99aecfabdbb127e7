"""One change, and the time until each of a number of followers has it.

One follower is a node in a process of its own, as everywhere; the others are played
(`bench.crowd`). A played one has a change when its entry is here; the node when
``blockchain get`` shows it, which it does when it is on its disk.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from bench.child import Child, cpu_seconds
from bench.crowd import Arrival, Crowd, Member, running_crowd
from bench.ledger.asking import NEWS, Place, heading, place_now, question
from bench.master import Master
from bench.part import Settings
from bench.policies import policy_id, policy_line
from edgelake.limits import MAX_LEDGER_TELL_PAUSE_S

__all__ = ["FOLLOWERS", "changes"]

FOLLOWERS = (1, 50, 1000)

_CHANGES, _QUICK_CHANGES = 20, 5
_FIRST = 2_000_000
"""Number of the first policy that is inserted here; no ledger is that large."""
_NO_HASH = "0"


@dataclass(slots=True)
class _Seen:
    """What became of the changes so far, times in seconds since the insert's command."""

    stored_s: list[float] = field(default_factory=list)
    node_s: list[float] = field(default_factory=list)
    played_s: list[float] = field(default_factory=list)
    last_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    received: list[int] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)
    blocks: list[int] = field(default_factory=list)


def changes(
    master: Master, node: Child, settings: Settings, followers: Sequence[int] = FOLLOWERS
) -> list[dict[str, Any]]:
    """Return what one change costs, for each number of followers.

    Parameters
    ----------
    node : Child
        ``bench.follower_node``, which follows the master already.

    Raises
    ------
    RuntimeError
        A change did not reach somebody in time.
    """
    count = _QUICK_CHANGES if settings.quick else _CHANGES
    found = []
    number = _FIRST
    for total in followers:
        seen = _Seen()
        # One member more: it inserts, and follows nobody.
        with running_crowd(master.child.port, total) as crowd:
            place = place_now(crowd, master.hash)
            for turn in range(count + 1):
                place = _change(master, node, crowd, place, number, seen)
                number += 1
                if turn == 0:
                    seen = _Seen()  # the first one is for warming up
                    # It also told those who asked before this: the master rests after many.
                    time.sleep(MAX_LEDGER_TELL_PAUSE_S)
        found.append(_summary(total, seen))
    return found


def _change(
    master: Master, node: Child, crowd: Crowd, place: Place, number: int, seen: _Seen
) -> Place:
    writer, *played = crowd.members
    ask = question(place, _NO_HASH)
    if played:
        crowd.ask_all(ask, played)
    asked = set(played)
    had: dict[Member, float] = {}
    stored = 0.0
    new: Place | None = None
    received = sent = blocks = 0

    def take(member: Member, arrival: Arrival) -> None:
        nonlocal stored, new, received, sent, blocks
        if member is writer:
            if arrival.text.startswith(NEWS):
                return  # it asked where the log ends
            if not arrival.text.startswith(b"printstored "):
                raise RuntimeError(f"the master answered {arrival.text[:200]!r}")
            stored = arrival.at_s
            return
        received += arrival.text_bytes
        blocks += arrival.blocks
        if arrival.text.startswith(NEWS):
            # One for a member of an earlier crowd, which had this address, may come late.
            if int(arrival.text.split()[3]) > place.seq:
                sent += member.ask(ask)
            return
        top = heading(arrival)
        if top["kind"] != "changes" or top["count"] != 1:
            raise RuntimeError(f"one change was {top['kind']}: {top.get('count')}")
        new = Place(top["epoch"], top["seq"], top["chain"])
        had[member] = arrival.at_s

    before = cpu_seconds(master.child.pid)
    begin = time.perf_counter()
    writer.ask(f"blockchain push confirm {policy_line(number)}")
    crowd.receive(take, lambda: bool(stored) and len(had) == len(asked))
    last = time.perf_counter()
    seen.cpu_s.append(cpu_seconds(master.child.pid) - before)
    node_s = node.ask(f"await {policy_id(number)}")["at_s"] - begin
    seen.stored_s.append(stored - begin)
    seen.node_s.append(node_s)
    seen.played_s += [at - begin for at in had.values()]
    seen.last_s.append(max(last - begin, node_s))
    if played:
        seen.received.append(received // len(played))
        seen.sent.append(sent // len(played))
        seen.blocks.append(blocks // len(played))
    return new or place_now(crowd, _NO_HASH)


def _summary(total: int, seen: _Seen) -> dict[str, Any]:
    every = sorted(seen.node_s + seen.played_s)
    return {
        "followers": total,
        "changes": len(seen.node_s),
        "stored_ms": median(seen.stored_s) * 1e3,
        "node_ms": median(seen.node_s) * 1e3,
        "p50_ms": _share(every, 0.50) * 1e3,
        "p99_ms": _share(every, 0.99) * 1e3,
        "max_ms": every[-1] * 1e3,
        "all_ms": median(seen.last_s) * 1e3,
        "cpu_ms": median(seen.cpu_s) * 1e3,
        "received_bytes": median(seen.received) if seen.received else None,
        "sent_bytes": median(seen.sent) if seen.sent else None,
        "received_blocks": median(seen.blocks) if seen.blocks else None,
    }


def _share(ordered: Sequence[float], share: float) -> float:
    """Return the value that so large a share of all does not exceed."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
