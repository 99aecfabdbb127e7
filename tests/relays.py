"""Nodes that follow one another, for tests of relays.

A test module takes the fixtures by assigning them: ``chain = relays.chain``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edgelake import Client, Node
from tests.integration.test_ledger_log import LONG, listen, make_master, names, push
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


def ask(address: str, command: str) -> str:
    with Client(address) as peer:
        return peer.request(command)


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


@dataclass
class Chain:
    """A master, two relays and a follower, one behind the other, and the addresses of all."""

    master: Node
    one: Node
    two: Node
    last: Node
    addresses: list[str]


@pytest.fixture
def chain(master, nodes) -> Chain:
    """Four nodes that have one policy."""
    top, address = master
    push(top, "a")
    addresses = [address]
    made = [nodes(name) for name in ("one", "two", "last")]
    for node in made:
        relay = node is not made[-1]
        addresses.append(follow(node, addresses[-1], relay=relay))
        eventually(lambda n=node: names(n) == ["a"], "the first ledger")
    return Chain(top, *made, addresses)
