"""Ledgers of processes that die: at every kind of system call, and at random moments."""

from __future__ import annotations

import random
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.conftest import kills
from tests.faults.injection import Call, Faults
from tests.faults.stores import Stores, digest, left_over

pytestmark = pytest.mark.faults

CHANGES = 25
MOMENTS = 100
"""Kills at random moments, of each kind of ledger."""
LONGEST_S = 0.02
"""Longest life of a process that is killed at a random moment."""
CALLS = 20
"""Calls at which a process dies, of each kind of ledger."""
CUTS = ("nothing", "names", "contents")
"""What a power cut may spare of what was not synchronised."""


class Place:
    """The folder of one ledger, and the program that forks processes on it."""

    def __init__(self, kind: str, library: Path, work: Path, *, disk: bool = False) -> None:
        self.kind = kind
        self.folder = work / "node"
        self.folder.mkdir()
        self.faults = Faults(library, self.folder, work / "faults", disk=disk)
        self.stores = Stores(self.faults.env)

    def empty(self) -> None:
        """Begin with nothing."""
        self.faults.mend()
        shutil.rmtree(self.folder)
        self.folder.mkdir()
        self.faults.forget()
        self.faults.begin()

    def states(self, seed: int, changes: int) -> list[str]:
        """Return the states of a history without any fault."""
        self.empty()
        found = self.stores.run(self.kind, self.folder, seed, 0, changes, states=True)
        assert (found["done"], found["error"]) == (changes, "")
        return found["states"]

    def state(self) -> str:
        """Return the state that a process finds."""
        return digest(self.stores.state(self.kind, self.folder))


@pytest.fixture(params=["local", "log"])
def place(request: pytest.FixtureRequest, library: Path, tmp_path: Path) -> Iterator[Place]:
    """An empty folder for each kind of ledger."""
    made = Place(request.param, library, tmp_path)
    yield made
    made.stores.close()


@pytest.fixture(params=["local", "log"])
def disk(request: pytest.FixtureRequest, library: Path, tmp_path: Path) -> Iterator[Place]:
    """The same on a disk that forgets what is not synchronised."""
    made = Place(request.param, library, tmp_path, disk=True)
    yield made
    made.stores.close()


def chosen(calls: list[Call], chance: random.Random, count: int) -> list[int]:
    """Return numbers of calls: the first, middle and last ones of each kind and file, and others.

    ``count`` is how many, or fewer if there are no more; counted from 1.
    """
    found: dict[tuple[str, str], list[int]] = {}
    for number, call in enumerate(calls, 1):
        path = re.sub(r"[0-9a-f]{16}", "", call.path)
        found.setdefault((call.kind, path), []).append(number)
    wanted = {numbers[at] for numbers in found.values() for at in (0, len(numbers) // 2, -1)}
    others = [number for number in range(1, len(calls) + 1) if number not in wanted]
    more = max(0, count - len(wanted))
    return sorted(wanted | set(chance.sample(others, min(more, len(others)))))


def test_a_death_at_any_call_leaves_the_ledger_before_or_after_a_change(place: Place) -> None:
    chance = random.Random(20261126)
    states = place.states(1, CHANGES)
    calls = place.faults.calls()
    died = 0
    for number in chosen(calls, chance, kills(CALLS)):
        actions = ["die-before", "die-within", "die-after"]
        if calls[number - 1].kind != "write":
            actions.remove("die-within")
        action = chance.choice(actions)
        place.empty()
        place.faults.let(f"any * {number} {number} {action}")
        found = place.stores.run(place.kind, place.folder, 1, 0, CHANGES)
        place.faults.mend()
        what = f"{action} {calls[number - 1]} ({number})"
        died += found["signal"] == signal.SIGKILL
        done = found["done"]
        state = place.state()
        assert state in states[done : done + 2], what
        # From there on everything goes its way.
        done = states.index(state, done)
        found = place.stores.run(place.kind, place.folder, 1, done, CHANGES)
        assert (found["done"], found["error"]) == (CHANGES - done, ""), what
        assert place.state() == states[-1], what
        assert left_over(place.folder) == [], what
    assert died > CALLS / 2


def test_a_power_cut_at_any_call_leaves_the_ledger_before_or_after_a_change(disk: Place) -> None:
    chance = random.Random(20261127)
    states = disk.states(2, CHANGES)
    calls = disk.faults.calls()
    for number in chosen(calls, chance, kills(CALLS)):
        disk.empty()
        action = chance.choice(["die-before", "die-within", "die-after"])
        disk.faults.let(f"any * {number} {number} {action}")
        done = disk.stores.run(disk.kind, disk.folder, 2, 0, CHANGES)["done"]
        disk.faults.mend()
        left = {cut: disk.faults.left(cut) for cut in CUTS}
        for cut, files in left.items():
            disk.faults.put(files)
            what = f"{cut} left, {action} {calls[number - 1]} ({number})"
            assert disk.state() in states[done : done + 2], what
        disk.faults.put(left[chance.choice(CUTS)])
        done = states.index(disk.state(), done)
        found = disk.stores.run(disk.kind, disk.folder, 2, done, CHANGES)
        assert (found["done"], found["error"]) == (CHANGES - done, ""), what
        assert disk.state() == states[-1], what


def test_deaths_at_random_moments_lose_nothing(place: Place) -> None:
    chance = random.Random(20261128)
    wanted, died, whole = kills(MOMENTS), 0, 0
    while died < wanted:
        states = place.states(10 + whole, CHANGES)
        place.empty()
        done = 0
        while done < CHANGES:
            found = place.stores.run(
                *(place.kind, place.folder, 10 + whole, done, CHANGES),
                kill_s=chance.uniform(0, LONGEST_S),
            )
            died += found["signal"] == signal.SIGKILL
            done += found["done"]
            state = place.state()
            assert state in states[done : done + 2], f"after {died} deaths"
            done = states.index(state, done)
            assert left_over(place.folder) == []
        whole += 1
