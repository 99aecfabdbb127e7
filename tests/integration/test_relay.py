"""Followers follow followers: chains, trees, circles, and what goes up to the master."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgelake import Client, Node, limits
from edgelake.errors import BadArgument, LedgerCircle, RemoteError
from tests.integration.test_ledger_log import (
    LONG,
    figures,
    listen,
    make_master,
    names,
    push,
)
from tests.integration.ledger_cases import rows_of
from tests.old_node import old_node
from tests.waiting import eventually

Make = Callable[[str], Node]


def follow(node: Node, upstream: str, time: str = LONG, relay: bool = False) -> str:
    """Have a node follow another; return its own address."""
    address = listen(node)
    node.run(sync(upstream, time, relay))
    return address


def sync(upstream: str, time: str = LONG, relay: bool = False) -> str:
    return (
        f"run blockchain sync where source = master and time = {time} and dest = file"
        f" and connection = {upstream}" + (" and relay = true" if relay else "")
    )


def insert(node: Node, name: str, master: str) -> None:
    node.run(
        f'blockchain insert where policy = {{"device": {{"id": "{name}", "name": "{name}"}}}}'
        f" and local = true and master = {master}"
    )


def master_bytes(node: Node) -> bytes:
    return node._parts.ledger.master_bytes()


def ledger_of(master: Node) -> bytes:
    return master._parts.master_ledger().snapshot().data


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Make]:
    made: list[Node] = []

    def make(name: str) -> Node:
        made.append(Node(tmp_path / name))
        return made[-1]

    yield make
    for node in reversed(made):
        node.close()


@pytest.fixture
def master(tmp_path: Path) -> Iterator[tuple[Node, str]]:
    node, address = make_master(tmp_path / "master")
    with node:
        yield node, address


@pytest.fixture
def chain(master, nodes) -> tuple[Node, Node, Node, Node, str, list[str]]:
    """A master with a policy, two relays and a follower, one behind the other."""
    top, address = master
    push(top, "a")
    addresses = [address]
    made = [nodes(name) for name in ("one", "two", "last")]
    for node in made:
        relay = node is not made[-1]
        addresses.append(follow(node, addresses[-1], relay=relay))
        eventually(lambda n=node: names(n) == ["a"], "the first ledger")
    return top, *made, address, addresses


class TestChain:
    def test_changes_run_down_and_up(self, chain):
        master, one, two, last, address, addresses = chain
        up = addresses[-2]
        whole = figures(last)["bytes"]
        push(master, "b", "2026-b")
        eventually(lambda: names(last) == ["a", "b"], "the change at the end of the chain")
        # Entries travel, not the ledger.
        row = json.dumps({"device": {"name": "b", "id": "b", "date": "2026-b"}})
        assert figures(last)["bytes"] == whole + len(row)
        insert(last, "mine", up)
        eventually(lambda: "mine" in ledger_of(master).decode(), "the insert on the master")
        eventually(lambda: figures(last)["pending_policies"] == 0, "the acknowledgement")
        eventually(lambda: figures(last)["lag"] == 0, "all of it here")
        assert sorted(names(last)) == ["a", "b", "mine"]
        last.run(f"blockchain delete policy where id = a and master = {up}")
        eventually(lambda: b'"id": "a"' not in ledger_of(master), "the delete on the master")
        eventually(lambda: figures(last)["pending_deletes"] == 0, "its end here")
        for node in (one, two, last):
            eventually(lambda n=node: master_bytes(n) == ledger_of(master), "the same bytes")
        assert [figures(node)["depth"] for node in (one, two, last)] == [1, 2, 3]
        assert [figures(node)["role"] for node in (one, two, last)] == [
            "relay",
            "relay",
            "follower",
        ]
        assert figures(last)["master_heard_s"] is not None
        assert "Master: 3 hops away" in last.run("get synchronizer").text
        relayed = one.run("get relay where format = json").data
        assert relayed["forwarded"] == 2
        assert relayed["upstream"] == address
        assert relayed["followers_told"] > 0
