"""Processes are killed at random points; what is on disk is whole, and nodes converge again."""

from __future__ import annotations

import json
import random
import sqlite3
import threading
from contextlib import closing

from tests.system.conftest import NodeProcess
from tests.system.test_two_nodes import bring_up, policies
from tests.waiting import eventually

KILLS = 50


def check_whole(node: NodeProcess) -> None:
    """Assert that every line of the ledger file is a policy and the database is intact."""
    if node.ledger.exists():
        content = node.ledger.read_bytes()
        assert content == b"" or content.endswith(b"\n")
        for line in content.splitlines():
            if line:
                assert isinstance(json.loads(line), dict)
    if node.database.exists():
        with closing(sqlite3.connect(node.database)) as database:
            assert database.execute("pragma integrity_check").fetchone() == ("ok",)


def follow(node: NodeProcess, master: str) -> None:
    """Start the follower's synchronizer."""
    node.ask(
        "run blockchain sync where source = master and time = 1 second and dest = file"
        f" and dest = dbms and connection = {master}"
    )


def lead(node: NodeProcess) -> None:
    """Start the master's synchronizer."""
    node.ask("run blockchain sync where source = dbms and time = 1 second and dest = file")


def test_killed_nodes_converge(start):
    rng = random.Random(20_260)
    master = start("master")
    address = bring_up(master)
    port = int(address.rpartition(":")[2])
    lead(master)
    follower = start("follower")
    bring_up(follower)
    follow(follower, address)
    inserted = 0
    for round_number in range(KILLS):
        victim = follower if round_number % 2 else master
        count = rng.randrange(1, 4)
        killer = threading.Timer(rng.uniform(0.0, 0.06), victim.kill)
        killer.start()
        for _ in range(count):
            try:
                follower.type(
                    f'blockchain insert where policy = {{"device": {{"name": "n{inserted}"}}}}'
                    f" and local = true and master = {address}"
                )
            except (BrokenPipeError, ValueError):
                break
            inserted += 1
        killer.join()
        check_whole(victim)
        if victim is master:
            master = start("master")
            bring_up(master, port)
            lead(master)
        else:
            follower = start("follower")
            bring_up(follower)
            follow(follower, address)
    kept = {json.loads(line)["device"]["name"] for line in policies(follower)}
    follower.ask(
        'blockchain insert where policy = {"device": {"name": "last"}}'
        f" and local = true and master = {address}"
    )
    kept.add("last")

    def equal() -> bool:
        here, there = policies(follower), policies(master)
        return here == there and any('"last"' in line for line in here)

    eventually(equal, "equal ledgers after the last kill", 30.0)
    names = {json.loads(line)["device"]["name"] for line in policies(master)}
    assert kept <= names
    check_whole(master)
    check_whole(follower)
