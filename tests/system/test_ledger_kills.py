"""Processes killed at moments that nobody chose: nothing that was acknowledged is lost."""

from __future__ import annotations

import json
import random
import sqlite3
from contextlib import closing

from tests.system.conftest import NodeProcess
from tests.system.test_two_nodes import bring_up
from tests.waiting import eventually

ROUNDS = 5


def stored(master: NodeProcess) -> list[str]:
    """Return the names in the master's table."""
    with closing(sqlite3.connect(master.database)) as database:
        rows = database.execute("SELECT policy FROM ledger ORDER BY date, sequence_id").fetchall()
    return [next(iter(json.loads(text).values()))["name"] for (text,) in rows]


def shown(node: NodeProcess) -> list[str]:
    """Return the names in a node's ledger file."""
    lines = node.ledger.read_text().splitlines() if node.ledger.exists() else []
    return [next(iter(json.loads(line).values()))["name"] for line in lines if line]


def numbers(master: NodeProcess) -> list[int]:
    """Return the numbers of the master's log."""
    with closing(sqlite3.connect(master.database)) as database:
        return [seq for (seq,) in database.execute("SELECT seq FROM ledger_log ORDER BY seq")]


def test_kills_of_both_sides_lose_nothing(start):
    chance = random.Random(20261125)
    master, follower = start("master"), start("follower")
    address = bring_up(master)
    port = int(address.rpartition(":")[2])
    master.ask("run blockchain sync where source = dbms and time = 1 second and dest = file")
    sync = (
        "run blockchain sync where source = master and time = 1 second and dest = file"
        f" and connection = {address}"
    )
    bring_up(follower)
    follower.ask(sync)
    wanted: list[str] = []
    for round_ in range(ROUNDS):
        for number in range(chance.randrange(1, 12)):
            name = f"p{round_}_{number}"
            answer = follower.ask(
                f'blockchain insert where policy = {{"device": {{"name": "{name}"}}}}'
                f" and local = true and master = {address}"
            )
            assert [line for line in answer if "synchronizer:" not in line] == []
            wanted.append(name)
        if round_ % 2:
            follower.kill()
            assert set(wanted) <= set(shown(follower)) | set(stored(master))
            follower = start("follower")
            bring_up(follower)
            follower.ask(sync)
        else:
            master.kill()
            master = start("master")
            bring_up(master, port)
            master.ask(
                "run blockchain sync where source = dbms and time = 1 second and dest = file"
            )
    eventually(lambda m=master: sorted(stored(m)) == sorted(wanted), "all on the master", 40)
    eventually(lambda f=follower: sorted(shown(f)) == sorted(wanted), "all on the follower", 40)
    eventually(lambda f=follower, m=master: shown(f) == stored(m), "one order", 40)
    assert numbers(master) == list(range(1, len(wanted) + 1))
