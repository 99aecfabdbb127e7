"""Polls of a ledger that has not changed: bytes, and processor time of the master."""

from __future__ import annotations

from statistics import median
from typing import Any

from bench.child import cpu_seconds
from bench.crowd import Crowd, running_crowd
from bench.ledger.asking import heading, place_now, question
from bench.load import Load, run_load
from bench.master import Master
from bench.part import Settings
from bench.running import RunningTarget, running
from bench.targets import floor_target

__all__ = ["FOLLOWERS", "polls"]

FOLLOWERS = 1000
"""Of the crowd that asks at once."""

_POLLS, _QUICK_POLLS = 1000, 300


def polls(master: Master, settings: Settings, followers: int = FOLLOWERS) -> dict[str, Any]:
    """Return what a poll costs that brings nothing, in turns with bare C loops.

    Raises
    ------
    RuntimeError
        The master failed, or answered with something else than nothing.
    """
    count = _QUICK_POLLS if settings.quick else _POLLS
    rounds: list[dict[str, float]] = []
    with (
        running(floor_target(1, kind="answer")) as answering,
        running(floor_target(1)) as closing,
        running_crowd(master.child.port, followers) as crowd,
    ):
        command = question(place_now(crowd, master.hash), master.hash)
        alone = crowd.members[:1]
        answer = crowd.ask_all(command, alone)[alone[0]]
        if (kind := heading(answer)["kind"]) != "none":
            raise RuntimeError(f"the master had news for who knows all: {kind}")
        master.poll_unchanged(count)
        for _ in range(settings.rounds):
            rounds.append(
                {
                    "session_us": _asked(master, crowd, command, 1, count),
                    "crowd_us": _asked(master, crowd, command, followers, count),
                    "exchange_floor_us": _floor(answering, "exchange", count),
                    "connection_us": master.poll_unchanged(count) / count * 1e6,
                    "connection_floor_us": _floor(closing, "connection", count),
                }
            )
    found: dict[str, Any] = {
        name: median(one[name] for one in rounds) for name in (rounds[0] if rounds else ())
    }
    for name, floor in (("session", "exchange"), ("crowd", "exchange"), ("connection",) * 2):
        ratios = [one[f"{name}_us"] / one[f"{floor}_floor_us"] for one in rounds]
        found[f"{name}_ratio"] = median(ratios)
    poll = f"event get_blockchain blockchain_{'0' * 24}.new {master.hash} 0"
    return {
        **found,
        "asked_bytes": len(command),
        "answered_bytes": answer.text_bytes,
        "blocks": answer.blocks,
        "connection_asked_bytes": len(poll),
    }


def _asked(master: Master, crowd: Crowd, command: str, members: int, count: int) -> float:
    """Return the master's processor time for one of ``count`` polls, in microseconds."""
    asking = crowd.members[:members]
    times = max(1, count // members)
    before = cpu_seconds(master.child.pid)
    for _ in range(times):
        crowd.ask_all(command, asking)
    return (cpu_seconds(master.child.pid) - before) / (times * members) * 1e6


def _floor(target: RunningTarget, mode: str, count: int) -> float:
    load = Load(clients=1, messages=count, mode=mode, threads=1)
    before = target.cpu_s()
    messages = run_load(target.port, load).messages
    target.settle()
    return (target.cpu_s() - before) / messages * 1e6
