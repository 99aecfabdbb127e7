"""What a follower asks its master, and what the answer says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from bench.crowd import Arrival, Crowd

__all__ = ["NEWS", "TOKEN", "Place", "heading", "place_now", "question"]

TOKEN = "0123456789abcdef01234567"
"""As long as that of a node, which is random."""

NEWS = b"event ledger_changed "
"""Begins what tells a follower that there is something to ask for."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a master's log."""

    epoch: str
    seq: int
    chain: str


NOWHERE = Place("0", 0, "0")


def question(place: Place, md5: str) -> str:
    """Return what a follower at a place asks."""
    return f"event get_ledger_after {place.epoch} {place.seq} {place.chain} {md5} {TOKEN}"


def heading(arrival: Arrival) -> dict[str, Any]:
    """Return the first line of an answer.

    Raises
    ------
    RuntimeError
        It is another answer.
    """
    if not arrival.text.startswith(b"print{"):
        raise RuntimeError(f"the master answered {arrival.text[:200]!r}")
    found: dict[str, Any] = json.loads(arrival.text.removeprefix(b"print").split(b"\n")[0])
    return found


def place_now(crowd: Crowd, md5: str) -> Place:
    """Return where the log of a master ends, whose ledger has that hash."""
    asker = crowd.members[:1]
    (answer,) = crowd.ask_all(question(NOWHERE, md5), asker).values()
    found = heading(answer)
    return Place(found["epoch"], found["seq"], found["chain"])
