"""A relay killed while changes pass through it: nothing is lost, and nothing is mixed."""

from __future__ import annotations

import json
import random

from tests.faults.network import read_log
from tests.system.conftest import NodeProcess
from tests.system.test_two_nodes import bring_up
from tests.waiting import eventually

ROUNDS = 3


def stored(master: NodeProcess) -> list[str]:
    """Return the names in the master's table, as its log has them, too."""
    return [_name(line) for line in read_log(master.database).states[-1]]


def shown(node: NodeProcess) -> list[str]:
    """Return the names in a node's ledger file."""
    lines = node.ledger.read_text().splitlines() if node.ledger.exists() else []
    return [_name(line) for line in lines if line]


def _name(line: str) -> str:
    return str(next(iter(json.loads(line).values()))["name"])


def test_kills_of_the_relay_lose_nothing(start):
    chance = random.Random(20261126)
    master, relay, last = start("master"), start("relay"), start("last")
    address = bring_up(master)
    up = bring_up(relay)
    port = int(up.rpartition(":")[2])
    sync = "run blockchain sync where source = master and time = 1 second and dest = file"
    relaying = f"{sync} and connection = {address} and relay = true"
    relay.ask(relaying)
    bring_up(last)
    last.ask(f"{sync} and connection = {up}")
    wanted: list[str] = []
    for round_ in range(ROUNDS):
        for number in range(chance.randrange(1, 12)):
            name = f"p{round_}_{number}"
            last.ask(
                f'blockchain insert where policy = {{"device": {{"name": "{name}"}}}}'
                f" and local = true and master = {up}"
            )
            wanted.append(name)
        relay.kill()
        # The file of policies is written after the journal that has them.
        eventually(
            lambda: set(wanted) <= set(shown(last)) | set(stored(master)), "all of them somewhere"
        )
        relay = start("relay")
        bring_up(relay, port)
        relay.ask(relaying)
    eventually(lambda: sorted(stored(master)) == sorted(wanted), "all on the master", 40)
    eventually(lambda: shown(last) == stored(master), "the same at the end", 40)
    eventually(lambda r=relay: shown(r) == stored(master), "the same on the relay", 40)
    eventually(lambda: '"local"' not in last.ledger.read_text(), "an empty outbox", 40)
    assert len(read_log(master.database).entries) == len(wanted)
