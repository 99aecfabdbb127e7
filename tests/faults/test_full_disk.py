"""Disks that are full, broken or read-only: one clear line, nothing half done, and on it goes."""

from __future__ import annotations

import json
import random
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.network import Member, Network
from tests.waiting import eventually

pytestmark = pytest.mark.faults

REASONS = {
    "ENOSPC": "no space left on device",
    "EDQUOT": "disk quota exceeded",
    "EROFS": "read-only file system",
    "EIO": "input/output error",
}
CHANGING = ("create", "open", "write", "truncate", "rename", "unlink", "mkdir")


@pytest.fixture(scope="module")
def nodes(start_all, library: Path) -> Network:
    """Three nodes with some policies."""
    start, work = start_all
    made = Network(start, library, work, random.Random(7))
    for member in made.members.values():
        assert made.up(member)
    for _ in range(4):
        made.change()
    made.converge()
    return made


@pytest.fixture
def network(nodes: Network) -> Iterator[Network]:
    """The same with all disks in order, before and after."""
    yield nodes
    for member in nodes.members.values():
        member.faults.mend()


def shown(member: Member) -> list[str]:
    """Return the ids that a node shows."""
    text = "\n".join(member.ask("blockchain get *"))
    return [policy["device"]["id"] for policy in json.loads(text)] if text else []


def insert(network: Network, member: Member, policy_id: str) -> list[str]:
    """Insert a policy; return what the node says."""
    policy = json.dumps({"device": {"id": policy_id}})
    if member is network.master:
        return member.ask(f"blockchain push {policy}")
    where = f"local = true and master = {network.address}"
    return member.ask(f"blockchain insert where policy = {policy} and {where}")


def refused(answer: list[str]) -> str:
    """Return the one line that an answer is."""
    (line,) = answer
    assert line.startswith("error ")
    return line


def everywhere(network: Network, ids: set[str]) -> None:
    """Wait until all nodes show these policies, and the same."""
    members = list(network.members.values())
    eventually(lambda: all(ids <= set(shown(m)) for m in members), "all policies everywhere")
    eventually(lambda: len({tuple(shown(m)) for m in members}) == 1, "the same everywhere")


def test_a_follower_whose_disk_fails_refuses_and_goes_on(network: Network) -> None:
    one = network.members["one"]
    taken: set[str] = set()
    for number, (error, reason) in enumerate(REASONS.items()):
        for kind in ("create", "write", "sync", "rename"):
            before = shown(one)
            one.faults.let(f"{kind} blockchain/* 1 0 {error}")
            answer = insert(network, one, f"{kind}-{number}")
            # Not each change makes or renames a file, but each writes one.
            if answer or kind in ("write", "sync"):
                line = refused(answer)
                assert reason in line
                assert "blockchain" in line
                assert f"{kind}-{number}" not in shown(one)
            assert set(before) <= set(shown(one))
            # Others' changes cannot be taken now, and are not lost.
            if kind == "write":
                assert insert(network, network.master, f"from-master-{number}") == []
                taken.add(f"from-master-{number}")
                assert f"from-master-{number}" not in shown(one)
            one.faults.mend()
            if answer:
                assert insert(network, one, f"{kind}-{number}") == []
            taken.add(f"{kind}-{number}")
    everywhere(network, taken)


def test_a_master_whose_disk_fails_refuses_and_goes_on(network: Network) -> None:
    one, master = network.members["one"], network.master
    taken: set[str] = set()
    for error in ("ENOSPC", "EIO"):
        for kind in ("write", "sync"):
            name = f"{kind}-{error}"
            master.faults.let(f"{kind} data/dbms/* 1 0 {error}", f"{kind} blockchain/* 1 0 {error}")
            line = refused(insert(network, master, f"never-{name}"))
            assert "database 'blockchain'" in line
            # It waits in the follower's outbox.
            assert insert(network, one, f"waits-{name}") == []
            assert f"waits-{name}" in shown(one)
            assert not {f"never-{name}", f"waits-{name}"} & network.log().put
            master.faults.mend()
            assert insert(network, master, f"then-{name}") == []
            taken |= {f"then-{name}", f"waits-{name}"}
    everywhere(network, taken)
    assert not any(policy_id.startswith("never-") for policy_id in shown(master))
    assert len(network.log().states[-1]) == len(shown(master))


def test_writes_that_are_cut_short_are_continued(network: Network) -> None:
    for member in network.members.values():
        member.faults.let("write * 1 0 short")
        assert insert(network, member, f"short-{member.name}") == []
    everywhere(network, {f"short-{name}" for name in network.members})
    network.log()
    for member in network.members.values():
        member.process.kill()
        network.restart(member)
    everywhere(network, {f"short-{name}" for name in network.members})


def test_a_file_that_may_not_grow_is_refused_by_the_system_itself(network: Network) -> None:
    one = network.members["one"]
    child = one.process.child.pid
    before, (_, most) = shown(one), resource.prlimit(child, resource.RLIMIT_FSIZE)
    resource.prlimit(child, resource.RLIMIT_FSIZE, (1, most))
    assert "file too large" in refused(insert(network, one, "big"))
    assert shown(one) == before
    resource.prlimit(child, resource.RLIMIT_FSIZE, (most, most))
    assert insert(network, one, "big") == []
    everywhere(network, {"big"})


def test_a_node_on_a_read_only_disk_shows_what_it_has(network: Network) -> None:
    one = network.members["one"]
    before = shown(one)
    one.process.kill()
    one.faults.let(*(f"{kind} * 1 0 EROFS" for kind in CHANGING))
    one.process = one.start(one.name, env=one.faults.env)
    assert shown(one) == before
    assert "read-only file system" in refused(insert_here(one, "late"))
    assert shown(one) == before
    one.faults.mend()
    assert insert_here(one, "late") == []
    assert set(shown(one)) == {*before, "late"}
    one.process.kill()
    assert network.up(one)


def test_a_ledger_that_cannot_be_read_is_not_written_over(network: Network) -> None:
    one = network.members["one"]
    before = shown(one)
    one.process.kill()
    one.faults.let("read blockchain/* 1 0 EIO")
    one.process = one.start(one.name, env=one.faults.env)
    assert "input/output error" in refused(one.ask("blockchain get *"))
    assert "input/output error" in refused(insert_here(one, "new"))
    one.faults.mend()
    assert shown(one) == before
    assert insert_here(one, "new") == []
    assert set(shown(one)) == {*before, "new"}
    one.process.kill()
    assert network.up(one)


def insert_here(member: Member, policy_id: str) -> list[str]:
    """Insert a policy that stays on the node."""
    return member.ask(
        f'blockchain insert where policy = {{"device": {{"id": "{policy_id}"}}}} and local = true'
    )
