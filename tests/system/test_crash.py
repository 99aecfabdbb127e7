"""Processes are killed at random points; what is on disk is whole, and nodes converge again."""

from __future__ import annotations

import json
import random
import sqlite3
import threading
from contextlib import closing

from tests.system.conftest import NodeProcess
from tests.system.test_two_nodes import bring_up, policies, table
from tests.waiting import eventually

KILLS = 50
CONVERGE_EVERY = 10


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


def names(node: NodeProcess) -> set[str]:
    """Return the names of the policies in the node's ledger file."""
    return {json.loads(line)["device"]["name"] for line in policies(node) if line}


class Network:
    """A master and a follower, either of which may be killed and started again."""

    def __init__(self, start) -> None:
        self._start = start
        self.port = 0
        self.master = self._lead()
        self.follower = self._follow()
        self.acknowledged: set[str] = set()

    def _lead(self) -> NodeProcess:
        node = self._start("master")
        self.address = bring_up(node, self.port)
        self.port = int(self.address.rpartition(":")[2])
        node.ask("run blockchain sync where source = dbms and time = 1 second and dest = file")
        return node

    def _follow(self) -> NodeProcess:
        node = self._start("follower")
        bring_up(node)
        node.ask(
            "run blockchain sync where source = master and time = 1 second and dest = file"
            f" and dest = dbms and connection = {self.address}"
        )
        return node

    def restart(self, victim: NodeProcess) -> None:
        """Start a killed node again, in its old home."""
        if victim is self.master:
            self.master = self._lead()
        else:
            self.follower = self._follow()

    def insert(self, name: str) -> None:
        """Insert on the follower; a command that was answered counts as acknowledged."""
        try:
            answer = self.follower.ask(
                f'blockchain insert where policy = {{"device": {{"name": "{name}"}}}}'
                f" and local = true and master = {self.address}"
            )
        except (EOFError, BrokenPipeError):
            return
        if not any(line.startswith("error") for line in answer):
            self.acknowledged.add(name)

    def converge(self) -> None:
        """Wait until both nodes hold everything that was acknowledged, and the same."""

        def equal() -> bool:
            here, there = policies(self.follower), policies(self.master)
            return here == there and self.acknowledged <= names(self.follower)

        eventually(equal, f"equal ledgers with all of {len(self.acknowledged)} inserts", 30.0)
        eventually(
            lambda: table(self.follower) == table(self.master) == policies(self.master),
            "equal tables",
        )


def test_killed_nodes_converge(start):
    rng = random.Random(20_260)
    network = Network(start)
    for number in range(KILLS):
        victim = network.follower if number % 2 else network.master
        killer = threading.Timer(rng.uniform(0.0, 0.06), victim.kill)
        killer.start()
        for part in range(rng.randrange(1, 4)):
            network.insert(f"n{number}-{part}")
        killer.join()
        check_whole(victim)
        network.restart(victim)
        if number % CONVERGE_EVERY == CONVERGE_EVERY - 1:
            network.converge()
    network.insert("last")
    assert "last" in network.acknowledged
    assert len(network.acknowledged) > KILLS
    network.converge()
    check_whole(network.master)
    check_whole(network.follower)
