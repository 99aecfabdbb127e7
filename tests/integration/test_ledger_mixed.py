"""Networks of nodes of both kinds: every ledger becomes the master's, byte for byte."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from edgelake import Node, limits
from tests.integration.test_ledger_log import follow, make_master
from tests.old_ledger import OldFollower, OldMaster
from tests.waiting import eventually


def device(name: str, **more: object) -> dict[str, object]:
    """Return a policy."""
    date = "2026-01-01T00:00:00.000000Z"
    return {"device": {"name": name, "id": name, "date": date, **more}}


def insert(node: Node, name: str, master: str) -> None:
    """Insert a policy on a node of ours."""
    policy = json.dumps(device(name, text="it's café"))
    node.run(f"blockchain insert where policy = {policy} and local = true and master = {master}")


def ids(content: bytes) -> list[str]:
    """Return the ids in a ledger file."""
    return [
        next(iter(json.loads(line).values()))["id"] for line in content.splitlines() if line.strip()
    ]


def content(node: Node) -> bytes:
    """Return the ledger file of a node of ours."""
    path = node.home.ledger_file
    return path.read_bytes() if path.exists() else b""


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def test_our_master_with_followers_of_both_kinds(tmp_path: Path, stack: ExitStack) -> None:
    node, address = make_master(tmp_path / "master")
    stack.enter_context(node)
    # One sends hash 0 for ever, one the hash of what it has.
    forgetful = stack.enter_context(closing(OldFollower(address)))
    careful = stack.enter_context(closing(OldFollower(address, knows_hash=True)))
    ours = stack.enter_context(Node(tmp_path / "ours"))
    follow(ours, address, "1 second")
    for old in (forgetful, careful):
        old.start()
    for number in range(5):
        forgetful.insert(device(f"f{number}"))
        careful.insert(device(f"c{number}", text="a\\'b"))
        insert(ours, f"o{number}", address)
    node.run(f"blockchain push {json.dumps(device('m'))}")
    wanted = sorted([f"{who}{n}" for who in "fco" for n in range(5)] + ["m"])

    def same() -> bool:
        data = node._parts.master_ledger().snapshot().data
        return {data} == {forgetful.content(), careful.content(), content(ours)}

    eventually(lambda: sorted(ids(content(ours))) == wanted, "all policies on ours")
    eventually(same, "one ledger")
    forgetful.delete("f1")
    ours.run(f"blockchain delete policy where id = c2 and master = {address}")
    careful.delete("o3")
    left = sorted(set(wanted) - {"f1", "c2", "o3"})
    eventually(lambda: sorted(ids(content(ours))) == left, "the deletes")
    eventually(same, "one ledger without them")
    assert (forgetful.refused, careful.refused) == (0, 0)


def test_an_old_follower_that_marks_first_and_sends_later_loses_nothing(
    tmp_path: Path, stack: ExitStack
) -> None:
    """Finding 2: it sends `push ignore` in the middle of a merge, once, and calls it global."""
    node, address = make_master(tmp_path / "master")
    stack.enter_context(node)
    node.run(f"blockchain push {json.dumps(device('m'))}")
    old = stack.enter_context(closing(OldFollower(address)))
    old.lines = [json.dumps(device(f"x{n}", ledger="local")) for n in range(5)]
    old.poll()
    stored = node._parts.master_ledger()
    eventually(lambda: len(ids(stored.snapshot().data)) == 6, "its policies on the master")
    old.poll()
    eventually(lambda: old.content() == stored.snapshot().data, "the master's bytes")


@pytest.mark.parametrize("kind", ["silent", "torn", "empty"])
def test_our_followers_of_an_old_master(
    tmp_path: Path, stack: ExitStack, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LEDGER_NEWS_WAIT_S", 0.1)
    spoiled: list[int] = []

    def spoil(ledger: bytes, number: int) -> bytes:
        if kind == "silent" or number % 3:
            return ledger
        spoiled.append(number)
        return b"\n" if kind == "empty" else ledger[: len(ledger) * 2 // 3]

    master = stack.enter_context(closing(OldMaster(spoil=spoil)))
    old = stack.enter_context(closing(OldFollower(master.address)))
    ours = [stack.enter_context(Node(tmp_path / name)) for name in ("one", "two")]
    for node in ours:
        follow(node, master.address, "1 second")
    if kind == "silent":
        old.start()
    for number in range(4):
        insert(ours[0], f"a{number}", master.address)
        insert(ours[1], f"b{number}", master.address)
    wanted = {f"{who}{number}" for who in "ab" for number in range(4)}
    if kind == "silent":
        old.insert(device("old"))
        wanted.add("old")
    eventually(lambda: set(master.rows) == wanted, "all policies on the master", 30)

    def one_ledger() -> bool:
        return {content(node) for node in ours} == {master.content()}

    eventually(one_ledger, "one ledger", 30)
    if kind != "silent":
        eventually(lambda: len(spoiled) > 1, "a ledger that was spoiled", 30)
        for _ in range(2):
            for node in ours:
                node.run("run blockchain sync")
        # What a node has once it keeps: neither half a ledger nor an empty one is taken.
        assert {content(node) for node in ours} == {master.content()}
        assert all(set(ids(content(node))) == wanted for node in ours)
    else:
        eventually(lambda: old.content() == master.content(), "the old follower's too", 30)
    ours[0].run(f"blockchain delete policy where id = b1 and master = {master.address}")
    eventually(lambda: set(master.rows) == wanted - {"b1"}, "the delete", 30)
    eventually(one_ledger, "one ledger without it", 30)
    for node in ours:
        found = node.run("get synchronizer").data
        assert (found["pending_policies"], found["pending_deletes"]) == (0, 0)


def test_our_followers_pass_from_an_old_master_to_ours(tmp_path: Path, stack: ExitStack) -> None:
    """What waited for the one that is gone reaches the other one."""
    old = OldMaster()
    ours = stack.enter_context(Node(tmp_path / "ours"))
    with closing(old):
        follow(ours, old.address, "1 second")
        insert(ours, "a", old.address)
        eventually(lambda: set(old.rows) == {"a"}, "the policy on the old master")
        eventually(lambda: b'"global"' in content(ours), "its return", 30)
    insert(ours, "b", old.address)
    node, address = make_master(tmp_path / "master")
    stack.enter_context(node)
    node.run(f"blockchain push {old.content().decode().strip()}")
    ours.run(f"blockchain switch network where master = {address}")
    data = node._parts.master_ledger().snapshot
    eventually(lambda: set(ids(data().data)) == {"a", "b"}, "both policies on ours", 30)
    eventually(lambda: content(ours) == data().data, "one ledger", 30)
