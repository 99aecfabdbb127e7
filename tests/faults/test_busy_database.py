"""Another program keeps the master's database locked for long: nothing is lost, nothing stops."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.faults.network import Member, Network
from tests.waiting import eventually

pytestmark = pytest.mark.faults

LOCKED_S = float(os.environ.get("LOCKED", 7))
"""How long the database is locked; more than the 5 s for which a change waits for it."""


def figures(member: Member) -> dict[str, Any]:
    """Return the figures of a node's synchronizer."""
    found: dict[str, Any] = json.loads(
        "\n".join(member.ask("get synchronizer where format = json"))
    )
    return found


def shown(member: Member) -> list[str]:
    """Return the ids that a node shows."""
    text = "\n".join(member.ask("blockchain get *"))
    return [policy["device"]["id"] for policy in json.loads(text)] if text else []


def insert(member: Member, network: Network, policy_id: str, *, local: bool) -> str:
    """Insert a policy for the master; return what the node says."""
    policy = json.dumps({"device": {"id": policy_id}})
    where = f"local = {str(local).lower()} and master = {network.address}"
    return "\n".join(member.ask(f"blockchain insert where policy = {policy} and {where}"))


def test_a_database_that_is_locked_for_long_loses_nothing(start, library, tmp_path: Path) -> None:
    network = Network(start, library, tmp_path, random.Random(30))
    master, one, two = network.members.values()
    for member in (master, one, two):
        assert network.up(member)
    assert "error" not in insert(one, network, "before", local=True)
    for member in (master, one, two):
        eventually(lambda member=member: shown(member) == ["before"], f"{member.name} has it")
    kept = [f"kept{number}" for number in range(5)]
    assert master.process is not None
    with closing(sqlite3.connect(master.process.database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        end_s = time.monotonic() + LOCKED_S
        for policy_id in kept:
            assert "error" not in insert(one, network, policy_id, local=True)
        assert shown(one) == ["before", *kept]
        # What is kept nowhere is told to be stored nowhere.
        said = insert(two, network, "nowhere", local=False)
        assert "cannot take policy nowhere now, and it is kept nowhere" in said
        eventually(lambda: figures(one)["postponed"] != [], "why it waits")
        waits = figures(one)["postponed"][0]
        assert waits["id"] in kept
        assert "locked" in waits["reason"] or "busy" in waits["reason"]
        while time.monotonic() < end_s:
            # Who only reads is answered, by all of them.
            assert shown(master) == ["before"]
            assert shown(two) == ["before"]
            assert figures(one)["pending_policies"] == len(kept)
        assert "Not Running" not in "\n".join(master.ask("get synchronizer"))
        other.execute("ROLLBACK")
    for member in (master, one, two):
        eventually(
            lambda member=member: sorted(shown(member)) == ["before", *kept],
            f"{member.name} has all of it",
            40,
        )
    eventually(lambda: figures(one)["pending_policies"] == 0, "the outbox is empty")
    assert figures(one)["refused"] == figures(one)["postponed"] == []
