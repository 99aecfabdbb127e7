"""The findings about existing networks that need several nodes at work, done again here.

Each test is named by the number of its finding; `docs/ledger-findings.md` lists all of them.
"""

from __future__ import annotations

import json
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from edgelake import Client, Node, limits
from edgelake.errors import RemoteError
from edgelake.services.synchronizer import Synchronizer
from edgelake.services.tcp import TcpService
from tests.integration.test_ledger_log import figures, follow, listen, make_master, push
from tests.old_ledger import OldFollower, OldMaster
from tests.old_node import BLOCK, old_node
from tests.waiting import eventually


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def served(node: Node) -> dict[str, int]:
    """Return the counters of a node's server and sender."""
    found = node._parts.services.find(TcpService).figures()
    return {**found["server"], "written": found["sender"]["sent_bytes"]}


def ids(node: Node) -> list[str]:
    """Return the ids that a node shows."""
    return [next(iter(p.values()))["id"] for p in node.run("blockchain get *").data or []]


def insert(node: Node, name: str, where: str = "local = true") -> None:
    """Insert a policy on a node."""
    policy = json.dumps({"device": {"name": name, "id": name}})
    node.run(f"blockchain insert where policy = {policy} and {where}")


# ------------------------------------------------- 6: torn and empty ledgers


def test_6_every_ledger_that_is_sent_is_whole_and_one_the_master_had(
    tmp_path: Path, stack: ExitStack
) -> None:
    node, address = make_master(tmp_path / "master")
    stack.enter_context(node)
    stored = node._parts.master_ledger()
    for number in range(100):
        push(node, f"p{number:03}")
    had = {stored.snapshot().data}
    followers = [stack.enter_context(closing(OldFollower(address, 0.01))) for _ in range(6)]
    for follower in followers:
        follower.start()
    number = 100
    while min(len(follower.received) for follower in followers) < 15:
        push(node, f"p{number:03}")
        had.add(stored.snapshot().data)
        number += 1
        assert number < 3000, "polls were not answered"
    received = [ledger for follower in followers for ledger in follower.received]
    assert set(received) <= had
    assert len({len(ledger) for ledger in received}) > 3
    assert [follower.refused for follower in followers] == [0] * 6
    for follower in followers:
        want = stored.snapshot().data
        eventually(lambda f=follower, w=want: f.content() == w, "the last ledger")


# --------------------------- 12, 13, 14: what a poll of an unchanged ledger costs


def cost_of_polls(home: Path, policies: int, polls: int) -> tuple[int, int, int]:
    """Return the bytes that polls of our follower cost both ways, and of the ledger in them."""
    node, address = make_master(home / "master")
    with node, Node(home / "follower") as follower:
        for number in range(policies):
            policy = {"device": {"id": f"p{number}", "date": "2026", "text": "x" * 1000}}
            node.run(f"blockchain push {json.dumps(policy)}")
        follow(follower, address)
        eventually(lambda: len(ids(follower)) == policies, "the ledger")
        eventually(lambda: figures(follower)["sync_ok"] > 0, "the end of the first cycle")
        before, calls = served(node), figures(follower)["calls"]
        for number in range(1, polls + 1):
            follower.run("run blockchain sync")
            eventually(lambda at=calls + number: figures(follower)["calls"] >= at, "a poll")
        eventually(
            lambda: served(node)["messages"] >= before["messages"] + polls, "the polls counted"
        )
        after = served(node)
        took = after["bytes"] - before["bytes"]
        gave = after["sent_bytes"] + after["written"] - before["sent_bytes"] - before["written"]
        return took, gave, figures(follower)["bytes"]


def test_12_and_14_a_poll_costs_the_same_for_any_ledger(tmp_path: Path) -> None:
    small = cost_of_polls(tmp_path / "small", 2, 5)
    large = cost_of_polls(tmp_path / "large", 100, 5)
    # A block each way for each poll, and one for acknowledgements of the session, which may
    # still belong to what was before.
    most = 2 * (5 + 1) * BLOCK
    assert max(small[:2]) <= most
    assert max(large[:2]) <= most
    assert large[2] > 4 * most


def test_12_an_existing_follower_that_knows_the_hash_gets_nothing(
    tmp_path: Path, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LEDGER_LEASE_S", 3600)
    node, address = make_master(tmp_path / "master")
    stack.enter_context(node)
    push(node, "a")
    follower = stack.enter_context(closing(OldFollower(address, knows_hash=True)))
    follower.poll()
    eventually(lambda: len(follower.received) == 1, "the ledger")
    before = served(node)
    for _ in range(20):
        follower.poll()
    eventually(lambda: served(node)["messages"] == before["messages"] + 20, "the polls")
    assert served(node)["native"] == before["native"] + 20
    assert served(node)["written"] == before["written"]
    assert len(follower.received) == 1


def test_13_polls_hold_no_worker(tmp_path: Path, stack: ExitStack) -> None:
    """Existing masters sleep 5 s for each of these but the first ten, six at a time."""
    node, address = make_master(tmp_path / "master")
    stack.enter_context(node)
    push(node, "a")
    followers = [stack.enter_context(closing(OldFollower(address))) for _ in range(10)]
    with Client(address) as other:
        for _ in range(12):
            for follower in followers:
                follower.poll()
            assert "Not Running" in other.request("get synchronizer")
    eventually(lambda: all(len(f.received) == 12 for f in followers), "each poll answered")


# -------------------------------------------------------- 23: a master that is down


def test_23_inserts_wait_for_no_master(
    tmp_path: Path, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This one takes connections and says nothing; the cycle waits for it, and nobody else does."""
    monkeypatch.setattr(limits, "LEDGER_NEWS_WAIT_S", 3600)
    silent = stack.enter_context(closing(socket.create_server(("127.0.0.1", 0), backlog=50)))
    master = f"127.0.0.1:{silent.getsockname()[1]}"
    node = stack.enter_context(Node(tmp_path / "node"))
    follow(node, master, "1 second")
    for number in range(20):
        insert(node, f"p{number}", f"local = true and master = {master}")
    assert len(ids(node)) == 20
    assert figures(node)["pending_policies"] == 20
    assert figures(node)["calls"] == 0
    silent.close()


def test_23_what_was_done_while_the_master_was_down_arrives(
    tmp_path: Path, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SYNC_BACKOFF_MAX_S", 1.0)
    node, address = make_master(tmp_path / "master")
    with node:
        push(node, "there")
        follower = stack.enter_context(Node(tmp_path / "follower"))
        follow(follower, address, "1 second")
        eventually(lambda: ids(follower) == ["there"], "the ledger")
    wanted = [f"p{number}" for number in range(10)]
    for name in wanted:
        insert(follower, name, f"local = true and master = {address}")
    follower.run(f"blockchain delete policy where id = there and master = {address}")
    eventually(lambda: figures(follower)["failures_in_a_row"] > 1, "failures")
    found = figures(follower)
    assert (found["status"], found["pending_policies"]) == ("Running", 10)
    assert found["last_error"]
    assert "Retrying" in follower._parts.services.find(Synchronizer).describe()
    node, _ = make_master(tmp_path / "master", int(address.rpartition(":")[2]))
    stack.enter_context(node)
    stored = node._parts.master_ledger()
    eventually(lambda: stored.snapshot().count == 10, "all of them on the master")
    eventually(lambda: figures(follower)["pending_policies"] == 0, "the acknowledgements")
    eventually(lambda: figures(follower)["failures_in_a_row"] == 0, "the end of the failures")
    assert sorted(ids(follower)) == wanted


def test_23_pauses_grow_while_a_master_is_down_and_have_an_end() -> None:
    sync = Synchronizer(source=None, interval_s=3.0)  # type: ignore[arg-type]
    pauses = []
    for failures in range(10):
        sync._failures = failures
        pauses.append(sync._pause_s(None))
    assert pauses[:5] == [3.0, 3.0, 6.0, 12.0, 24.0]
    assert pauses[-1] == limits.SYNC_BACKOFF_MAX_S


# ----------------------------------------------------------------- 25: reports


def test_25_reports_tell_what_waits_and_why(tmp_path: Path, stack: ExitStack) -> None:
    """The states of findings 2, 7 and 9, in which existing nodes report no error."""
    node, address = make_master(tmp_path / "master")
    follower = stack.enter_context(Node(tmp_path / "follower"))
    with node:
        push(node, "a")
        follow(follower, address, "1 second")
        eventually(lambda: ids(follower) == ["a"], "the ledger")
        eventually(lambda: figures(follower)["sequence"] == 1, "the place in the log")
        found = figures(follower)
        assert found["last_success"]
        assert (found["lag"], found["last_error"], found["outbox"]) == (0, None, [])
    # 2: the master is down, and something waits for it.
    insert(follower, "x", f"local = true and master = {address}")
    eventually(lambda: figures(follower)["failures_in_a_row"] > 0, "a failure")
    found = figures(follower)
    (waiting,) = found["outbox"]
    assert (waiting["id"], waiting["change"], waiting["refused"]) == ("x", "insert", None)
    assert found["sync_err"] > 0
    assert f"Last error: {found['last_error']}" in follower.run("get synchronizer").text
    # 7: an entry of the ledger that is no policy.
    node, _ = make_master(tmp_path / "master", int(address.rpartition(":")[2]))
    stack.enter_context(node)
    with closing(sqlite3.connect(node.home.databases_dir / "blockchain.dbms")) as other, other:
        other.execute(
            "INSERT INTO ledger (policy_type, policy_id, host, policy)"
            """ VALUES ('table', 'bad', 'x', '{"table": {"name": "t", "id": "bad"}}')"""
        )
    node.run("run blockchain sync where source = dbms and time = 1 second and dest = file")
    eventually(lambda: figures(node).get("quarantine") == 1, "the quarantine on the master")
    eventually(lambda: figures(follower)["pending_policies"] == 0, "the other policy")
    assert ids(follower) == ["a", "x"]
    # 9: a torn line in the file of the follower.
    follower.close()
    path = follower.home.ledger_file
    again = stack.enter_context(Node(tmp_path / "follower"))
    path.write_bytes(path.read_bytes() + b'{"device": {"id": "torn')
    follow(again, address, "1 second")
    insert(again, "y", f"local = true and master = {address}")
    eventually(lambda: figures(again)["pending_policies"] == 0, "the next policy")
    eventually(lambda: ids(again) == ["a", "x", "y"], "the ledger")
    found = figures(again)
    assert found["damage"] == 1
    assert "not JSON" in found["damage_reason"]


def test_25_lag_is_counted_in_entries(tmp_path: Path, stack: ExitStack, monkeypatch) -> None:
    monkeypatch.setattr(limits, "MAX_LEDGER_ENTRIES_PER_ANSWER", 4)
    node, address = make_master(tmp_path / "master")
    stack.enter_context(node)
    push(node, "a")
    follower = stack.enter_context(Node(tmp_path / "follower"))
    follow(follower, address)
    eventually(lambda: figures(follower)["sequence"] == 1, "the ledger")
    follower.run("exit synchronizer")
    for number in range(10):
        push(node, f"p{number}")
    source = _source(follower, address)
    for lag in (6, 2, 0, 0):
        source.cycle()
        assert source.figures()["lag"] == lag


def _source(node: Node, address: str) -> Any:
    """Return a source of the ledger whose cycles the test runs."""
    from edgelake.services.master_source import MasterSource
    from edgelake.wire import parse_endpoint

    parts = node._parts
    return MasterSource(
        parts.ledger, None, parse_endpoint(address), parts.tcp, parts.jobs, parts.relay
    )


# ------------------------------------------------------ 28: who may write what


WRITES = {
    "metadata": (
        'blockchain push {"device": {"id": "x"}}',
        'blockchain push ignore {"device": {"id": "x"}}',
        'blockchain push confirm {"device": {"id": "x"}}',
        "blockchain drop policy where id = a",
        'blockchain replace policy a with {"device": {"id": "a", "name": "b"}}',
    ),
    "admin": (
        'blockchain insert where policy = {"device": {"id": "x"}} and local = true',
        "blockchain delete policy where id = a and local = true",
        "blockchain delete local file",
        "blockchain drop table",
        "blockchain drop by host 127.0.0.1",
        "blockchain update file /tmp/other.json",
        "blockchain switch network where master = 127.0.0.1:9",
        "exit synchronizer",
    ),
}


@pytest.mark.parametrize("level", ["read", "metadata"])
def test_28_a_peer_changes_what_its_level_allows(tmp_path: Path, level: str) -> None:
    node, address = make_master(tmp_path / "master")
    with node:
        push(node, "a")
        node.run(f"set remote permission = {level}")
        refused = [*WRITES["admin"], *(WRITES["metadata"] if level == "read" else ())]
        before = node._parts.master_ledger().snapshot()
        with Client(address) as peer:
            for command in refused:
                with pytest.raises(RemoteError) as found:
                    peer.request(command)
                assert found.value.remote_code == 212, command
            assert node._parts.master_ledger().snapshot() == before
            if level == "metadata":
                assert peer.request(WRITES["metadata"][2]).startswith("stored ")


@pytest.mark.parametrize("flag", [0, 1, 2])
def test_28_a_file_that_nobody_asked_for_is_no_ledger(
    tmp_path: Path, stack: ExitStack, flag: int
) -> None:
    node, address = make_master(tmp_path / "master")
    stack.enter_context(node)
    push(node, "a")
    follower = stack.enter_context(Node(tmp_path / "follower"))
    place = listen(follower)
    follower.run(
        "run blockchain sync where source = master and time = 30 minutes and dest = file"
        f" and connection = {address}"
    )
    eventually(lambda: figures(follower)["sync_ok"] > 0, "the end of the first cycle")
    assert ids(follower) == ["a"]
    ledger = follower.home.ledger_file
    follower._parts.ledger.write_file()
    before = sorted(p for p in tmp_path.rglob("*") if "log" not in p.name), ledger.read_bytes()
    stranger = stack.enter_context(old_node())
    for name in (
        ledger,
        ledger.with_suffix(".new"),
        ledger.with_name("blockchain.master_id_1.new"),
        tmp_path / "chosen_by_the_sender",
    ):
        buffer = bytearray(BLOCK)
        buffer[205:207] = flag.to_bytes(2, "big")
        stranger._send(buffer, place, f"file write {name}", b'{"device": {"id": "evil"}}\n')
    eventually(lambda: len(stranger.errors) == 4, "a refusal for each")
    after = sorted(p for p in tmp_path.rglob("*") if "log" not in p.name), ledger.read_bytes()
    assert after == before
    assert ids(follower) == ["a"]


def test_28_a_master_chooses_no_path_here(
    tmp_path: Path, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers a question of this node under a name of its own."""
    monkeypatch.setattr(limits, "LEDGER_NEWS_WAIT_S", 0.05)
    chosen = tmp_path / "chosen_by_the_master"
    evil = b'{"device": {"id": "evil", "date": "2026"}}\n'

    class Elsewhere(OldMaster):
        def _serve_ledger(self, buffer: bytearray, asker: str, words: list[str]) -> None:
            self.polls += 1
            buffer[205:207] = (2).to_bytes(2, "big")
            self._send(buffer, asker, f"file write {chosen}", evil, info_type=0)

    master = stack.enter_context(closing(Elsewhere()))
    node = stack.enter_context(Node(tmp_path / "node"))
    follow(node, master.address, "1 second")
    eventually(lambda: len(master.errors) > 0, "its answer refused")
    assert not chosen.exists()
    assert ids(node) == []
