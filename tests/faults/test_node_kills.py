"""Nodes are killed at moments and at system calls that nobody chose; none loses anything."""

from __future__ import annotations

import random
import re
import threading
from pathlib import Path

import pytest

from tests.faults.conftest import kills
from tests.faults.injection import Call
from tests.faults.network import Network

pytestmark = pytest.mark.faults

MOMENTS = 20
CASES = 16
CONVERGE_EVERY = 12


def test_nodes_killed_at_random_moments_lose_nothing(start, library, tmp_path: Path) -> None:
    chance = random.Random(20_260)
    network = Network(start, library, tmp_path, chance)
    for member in network.members.values():
        assert network.up(member)
    for number in range(1, kills(MOMENTS) + 1):
        victim = chance.choice(list(network.members.values()))
        assert victim.process is not None
        killer = threading.Timer(chance.uniform(0.0, 0.06), victim.process.kill)
        killer.start()
        for _ in range(chance.randrange(1, 5)):
            network.change()
        killer.join()
        network.restart(victim)
        if number % CONVERGE_EVERY == 0:
            network.converge()
    network.converge()


def points(calls: list[Call]) -> list[tuple[str, str]]:
    """Return what kinds of calls there were on which files, each once; reading kills nobody."""
    found = {
        (call.kind, re.sub(r"[0-9a-f]{16}", "*", call.path))
        for call in calls
        if call.kind not in ("read", "mkdir")
    }
    return sorted(found)


def test_nodes_that_die_at_chosen_calls_lose_nothing(start, library, tmp_path: Path) -> None:
    chance = random.Random(20_261)
    network = Network(start, library, tmp_path, chance)
    starting: dict[str, int] = {}
    for member in network.members.values():
        assert network.up(member)
        starting[member.name] = len(member.faults.calls())
        member.faults.forget()
    for _ in range(12):
        network.change()
    network.converge()
    cases = [
        (member, f"{kind} {pattern} {number} {number} {action}")
        for member in network.members.values()
        for kind, pattern in points(member.faults.calls())
        for number in (1, 2, 4)
        for action in ("die-before", "die-within", "die-after")
        if action != "die-within" or kind == "write"
    ]
    wanted = {rule.split(" ")[0] for _, rule in cases}
    assert {"create", "write", "sync", "rename"} <= wanted
    cases = chance.sample(cases, min(kills(CASES), len(cases)))
    died = 0
    for number, (victim, rule) in enumerate(cases, 1):
        victim.faults.let(rule)
        for _ in range(12):
            network.change()
            if not victim.alive:
                break
        else:
            # What a follower does when it is told of a change comes a moment later, or not.
            victim.process.kill()
        died += victim.process.child.wait() != 0
        network.restart(victim)
        if number % CONVERGE_EVERY == 0:
            network.converge()
    # And in the middle of starting.
    for victim in network.members.values():
        for _ in range(max(1, len(cases) // 12)):
            victim.process.kill()
            at = chance.randrange(1, starting[victim.name] + 1)
            victim.faults.let(f"any * {at} {at} {chance.choice(['die-before', 'die-after'])}")
            if not network.up(victim):
                died += 1
            else:
                victim.process.kill()
            network.restart(victim)
    network.converge()
