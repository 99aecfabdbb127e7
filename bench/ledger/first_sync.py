"""The first ledger of a node: how fast it comes, and the memory it takes on both sides."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from bench.child import Child, cpu_seconds, forget_peak, memory, peak_bytes, running_child
from bench.crowd import running_crowd
from bench.ledger.asking import NOWHERE, heading, question
from bench.master import Master
from bench.part import Settings
from edgelake.limits import LEDGER_BUSY_PAUSE_S

__all__ = ["AT_ONCE", "first_sync", "following", "many_at_once"]

AT_ONCE = 20
"""Followers that want their first ledger in the same moment."""

_ROUNDS, _QUICK_ROUNDS = 3, 1
_DEADLINE_S = 120.0
_NO_ROOM = b"echooverloaded"


@contextmanager
def following(master: Master, policies: int) -> Iterator[tuple[Child, dict[str, Any]]]:
    """Run a node that has just taken the ledger of a master; give it, and what that cost."""
    with (
        tempfile.TemporaryDirectory(prefix="edgelake-bench-") as home,
        running_child("bench.follower_node", "--home", home) as child,
    ):
        found = child.ask(f"follow {master.child.port} {policies}")
        size = Path(child.ready["ledger"]).stat().st_size
        yield child, {**found, "file_bytes": size}


def first_sync(master: Master, policies: int, settings: Settings) -> dict[str, Any]:
    """Return how a node with nothing takes the whole ledger.

    Raises
    ------
    RuntimeError
        It did not come, or not whole.
    """
    rounds = []
    for _ in range(_QUICK_ROUNDS if settings.quick else _ROUNDS):
        with following(master, policies) as (_, found):
            rounds.append(found)
    seconds = median(one["seconds"] for one in rounds)
    above = median(one["peak_bytes"] - one["idle_bytes"] for one in rounds)
    size = rounds[0]["file_bytes"]
    return {
        "seconds": seconds,
        "per_second": policies / seconds,
        "file_bytes": size,
        "idle_bytes": median(one["idle_bytes"] for one in rounds),
        "peak_above_idle_bytes": above,
        "peak_ratio": above / size,
        "queried_ratio": median(one["queried_bytes"] - one["idle_bytes"] for one in rounds) / size,
    }


def many_at_once(master: Master, followers: int = AT_ONCE) -> dict[str, Any]:
    """Return what it costs a master when many nodes want the whole ledger at once.

    They are played (`bench.crowd`): what they do with it is not measured.

    Raises
    ------
    RuntimeError
        One did not get it.
    """
    pid = master.child.pid
    with running_crowd(master.child.port, followers) as crowd:
        idle = memory(pid).resident_bytes
        forget_peak(pid)
        before, begin = cpu_seconds(pid), time.perf_counter()
        waiting, refused = crowd.members, 0
        while waiting:
            answers = crowd.ask_all(question(NOWHERE, "0"), waiting, _DEADLINE_S)
            waiting = [member for member in waiting if answers[member].text.startswith(_NO_ROOM)]
            if waiting:
                refused += len(waiting)
                time.sleep(LEDGER_BUSY_PAUSE_S)
            for member, answer in answers.items():
                if member not in waiting and heading(answer)["kind"] != "ledger":
                    raise RuntimeError("the master sent no ledger")
        seconds = time.perf_counter() - begin
    return {
        "followers": followers,
        "seconds": seconds,
        "refused": refused,
        "cpu_s": cpu_seconds(pid) - before,
        "peak_above_idle_bytes": peak_bytes(pid) - idle,
        "answer_bytes": answer.text_bytes,
    }
