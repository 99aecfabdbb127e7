"""Nodes of ours keep their ledgers in step by the master's log."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edgelake import Client, Node, limits
from edgelake.errors import PolicyConflict, RemoteError
from edgelake.services.following import Following
from tests.waiting import eventually

LONG = "30 minutes"


def listen(node: Node, port: int = 0) -> str:
    node.run(
        f"run tcp server where external_ip = 127.0.0.1 and external_port = {port}"
        " and bind = true and threads = 2"
    )
    return str(node.run("get connections").data["TCP"]["external"])


def make_master(home: Path, port: int = 0) -> tuple[Node, str]:
    node = Node(home)
    node.run("create work directories")
    node.run("connect dbms blockchain where type = sqlite")
    node.run("create table ledger where dbms = blockchain")
    return node, listen(node, port)


def follow(node: Node, address: str, time: str = LONG, dest: str = "") -> None:
    listen(node)
    node.run(
        f"run blockchain sync where source = master and time = {time} and dest = file{dest}"
        f" and connection = {address}"
    )


def push(node: Node, name: str, date: str = "2026-01-01") -> None:
    policy = {"device": {"name": name, "id": name, "date": date}}
    node.run(f"blockchain push {json.dumps(policy)}")


def names(node: Node) -> list[str]:
    return [next(iter(p.values()))["name"] for p in node.run("blockchain get *").data or []]


def figures(node: Node) -> dict[str, object]:
    return node.run("get synchronizer").data


def same(master: Node, follower: Node) -> bool:
    """Tell whether a follower has the master's bytes."""
    return follower._parts.ledger.master_hash() == master._parts.master_ledger().snapshot().md5


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Callable[[str], Node]]:
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


class TestFollowing:
    def test_changes_come_at_once_and_alone(self, master, nodes):
        node, address = master
        for name in ("b", "d"):
            push(node, name, f"2026-{name}")
        one, two = nodes("one"), nodes("two")
        for follower in (one, two):
            follow(follower, address)
        for follower in (one, two):
            eventually(lambda f=follower: names(f) == ["b", "d"], "the first ledger")
        whole = figures(one)["bytes"]
        # The interval is far longer than this test: they are told.
        push(node, "c", "2026-c")
        push(node, "a", "2026-a")
        push(node, "e", "2026-e")
        node.run("blockchain drop policy where id = d")
        for follower in (one, two):
            eventually(lambda f=follower: names(f) == ["a", "b", "c", "e"], "the changes")
            assert same(node, follower)
            eventually(lambda f=follower: figures(f)["sequence"] == 6, "the place in the log")
            assert figures(follower)["lag"] == 0
        row = json.dumps({"device": {"name": "c", "id": "c", "date": "2026-c"}})
        assert figures(one)["bytes"] == whole + 3 * len(row)
        node.run("blockchain drop policy where id = a,b,c,e")
        for follower in (one, two):
            eventually(lambda f=follower: names(f) == [], "the delete of the last policy")
            assert same(node, follower)

    def test_a_change_behind_the_first_answer_is_not_missed(self, master, nodes, monkeypatch):
        node, address = master
        push(node, "a")
        follower = nodes("one")
        answer = Following._answer

        def late(self, *question):
            found = answer(self, *question)
            if names(node_ledger(node)) == ["a"]:
                # The master tells of it before the follower has read what it asked for.
                push(node, "b")
                eventually(
                    lambda: "ledger_changed" in follower.run("get event log").text, "the word"
                )
            return found

        monkeypatch.setattr(Following, "_answer", late)
        follow(follower, address)
        eventually(lambda: names(follower) == ["a", "b"], "both")

    def test_a_follower_goes_on_where_it_was(self, master, nodes, tmp_path):
        node, address = master
        for number in range(50):
            push(node, f"p{number}")
        first = nodes("one")
        follow(first, address)
        eventually(lambda: len(names(first)) == 50, "the first ledger")
        first.close()
        push(node, "new")
        again = nodes("one")
        follow(again, address)
        eventually(lambda: len(names(again)) == 51, "what was missed")
        assert same(node, again)
        assert figures(again)["bytes"] < 200

    def test_a_position_without_its_ledger_is_worth_nothing(self, master, nodes):
        node, address = master
        push(node, "a")
        first = nodes("one")
        follow(first, address)
        eventually(lambda: names(first) == ["a"], "the first ledger")
        path = first.home.ledger_file
        first.close()
        # A node that ended between the two files, or somebody who put another one there.
        other = {"device": {"name": "x", "id": "x", "date": "2026"}}
        path.write_text(json.dumps(other) + "\n")
        push(node, "b")
        again = nodes("one")
        follow(again, address)
        eventually(lambda: names(again) == ["a", "b"], "the whole ledger")
        assert same(node, again)

    def test_too_much_missed_is_fetched_whole(self, master, nodes, monkeypatch):
        monkeypatch.setattr(limits, "MAX_LEDGER_LOG_ENTRIES", 5)
        node, address = master
        push(node, "a")
        first = nodes("one")
        follow(first, address)
        eventually(lambda: names(first) == ["a"], "the first ledger")
        first.close()
        for number in range(8):
            push(node, f"p{number}")
        again = nodes("one")
        follow(again, address)
        eventually(lambda: len(names(again)) == 9, "the whole ledger")
        assert same(node, again)

    def test_many_changes_come_in_several_answers(self, master, nodes, monkeypatch):
        monkeypatch.setattr(limits, "MAX_LEDGER_ENTRIES_PER_ANSWER", 3)
        node, address = master
        push(node, "a")
        first = nodes("one")
        follow(first, address)
        eventually(lambda: names(first) == ["a"], "the first ledger")
        first.run("exit synchronizer")
        for number in range(10):
            push(node, f"p{number}")
        first.run(
            f"run blockchain sync where source = master and time = {LONG} and dest = file"
            f" and connection = {address}"
        )
        eventually(lambda: len(names(first)) == 11, "all of them")
        assert same(node, first)

    def test_a_master_made_anew_has_another_log(self, tmp_path, nodes):
        node, address = make_master(tmp_path / "master")
        with node:
            push(node, "a")
            follower = nodes("one")
            follow(follower, address, "1 second")
            eventually(lambda: names(follower) == ["a"], "the first ledger")
        other, _ = make_master(tmp_path / "other", int(address.rpartition(":")[2]))
        with other:
            eventually(
                lambda: "without policies" in str(figures(follower)["last_error"]), "a refusal"
            )
            assert names(follower) == ["a"]
            push(other, "z")
            eventually(lambda: names(follower) == ["z"], "the other ledger")
            assert same(other, follower)

    def test_what_another_program_writes_comes_too(self, master, nodes):
        node, address = master
        push(node, "a")
        node.run("run blockchain sync where source = dbms and time = 1 second and dest = file")
        follower = nodes("one")
        follow(follower, address)
        eventually(lambda: names(follower) == ["a"], "the first ledger")
        path = node._parts.databases.get("blockchain").path
        policy = json.dumps({"device": {"name": "b", "id": "b", "date": "2025"}})
        with closing(sqlite3.connect(path)) as other, other:
            other.execute(
                "INSERT INTO ledger (policy_type, policy_id, date, host, policy)"
                " VALUES ('device', 'b', '2025', 'h', ?)",
                (policy,),
            )
        eventually(lambda: names(follower) == ["b", "a"], "the row")
        assert same(node, follower)
        assert figures(node)["sequence"] == 2

    def test_an_unchanged_ledger_costs_a_few_bytes(self, master, nodes):
        node, _ = master
        for number in range(20):
            push(node, f"p{number}")
        place = node._parts.master_ledger().position()
        md5 = hashlib.md5(b"any").hexdigest()
        asked = f"event get_ledger_after {place.epoch} {place.seq} {place.chain} {md5} {'f' * 24}"
        answer = node.run(asked)
        assert len(asked) <= 200
        assert len(answer.text) <= 200
        assert json.loads(answer.text)["kind"] == "none"

    def test_a_table_that_follows_is_changed_where_the_ledger_is(self, master, nodes, monkeypatch):
        node, address = master
        for name in ("a", "b"):
            push(node, name)
        follower = nodes("follower")
        follower.run("connect dbms blockchain where type = sqlite")
        follower.run("create table ledger where dbms = blockchain")
        table = follower._parts.master_ledger().rows
        whole: list[int] = []
        replace = table.replace_all

        def counted(rows, host):
            whole.append(len(rows))
            return replace(rows, host)

        monkeypatch.setattr(table, "replace_all", counted)

        def shown() -> list[str]:
            path = follower._parts.databases.get("blockchain").path
            with closing(sqlite3.connect(path)) as other:
                return [row[0] for row in other.execute("SELECT policy_id FROM ledger ORDER BY 1")]

        follow(follower, address, dest=" and dest = dbms")
        eventually(lambda: shown() == ["a", "b"], "the first ledger")
        push(node, "c")
        eventually(lambda: shown() == ["a", "b", "c"], "a new row")
        node.run("blockchain drop policy where id = a")
        eventually(lambda: shown() == ["b", "c"], "a row that goes")
        follower.run('blockchain insert where policy = {"device": {"id": "l"}} and local = true')
        follower.run("run blockchain sync")
        eventually(lambda: shown() == ["b", "c", "l"], "a local one")
        assert whole == [2]
        # What another program did is found with the next change, and made good.
        path = follower._parts.databases.get("blockchain").path
        with closing(sqlite3.connect(path)) as other, other:
            other.execute("DELETE FROM ledger WHERE policy_id = 'b'")
        push(node, "d")
        eventually(lambda: shown() == ["b", "c", "d", "l"], "the whole table")
        assert whole == [2, 4]

    def test_hints_that_are_none_cost_one_question(self, master, nodes):
        node, address = master
        push(node, "a")
        follower = nodes("one")
        follow(follower, address)
        eventually(lambda: names(follower) == ["a"], "the first ledger")
        eventually(lambda: figures(follower)["calls"] > 0, "the end of the cycle")
        calls = figures(follower)["calls"]
        for number in range(20):
            follower.run(f"event ledger_changed 00 {number}")
            eventually(lambda: figures(follower)["calls"] > calls, "the question")
        assert figures(follower)["calls"] == calls + 1


class TestOutbox:
    def test_an_insert_is_acknowledged_by_its_id(self, master, nodes):
        node, address = master
        follower = nodes("one")
        follow(follower, address)
        eventually(lambda: figures(follower)["sync_ok"] > 0, "a first cycle")
        follower.run(
            'blockchain insert where policy = {"device": {"name": "mine"}} and local = true'
            f" and master = {address}"
        )
        eventually(lambda: names(node_ledger(node)) == ["mine"], "the policy on the master")
        eventually(lambda: figures(follower)["pending_policies"] == 0, "the acknowledgement")
        assert names(follower) == ["mine"]
        assert same(node, follower)

    def test_a_policy_that_somebody_removed_meanwhile_does_not_come_back(self, master, nodes):
        node, address = master
        push(node, "a")
        follower = nodes("one")
        follow(follower, address, "1 second")
        eventually(lambda: names(follower) == ["a"], "the first ledger")
        stored = node._parts.master_ledger()
        push_once = stored.push_later

        def push_and_drop(policy, host, **how):
            pushed = push_once(policy, host, **{**how, "waits": True})
            if pushed.result().added and policy.id == "mine":
                stored.drop(["mine"])
            return pushed

        stored.push_later = push_and_drop
        follower.run(
            'blockchain insert where policy = {"device": {"id": "mine", "name": "mine"}}'
            f" and master = {address}"
        )
        eventually(lambda: figures(follower)["pending_policies"] == 0, "the acknowledgement")
        eventually(lambda: names(follower) == ["a"], "the end of the policy")
        assert names(node_ledger(node)) == ["a"]

    def test_the_log_tells_what_was_stored_when_no_acknowledgement_did(self, master, nodes):
        node, address = master
        push(node, "a")
        follower = nodes("one")
        follow(follower, address)
        eventually(lambda: names(follower) == ["a"], "the first ledger")
        # As after the end of a node: what was sent is stored, and nobody here knows.
        follower.run("exit synchronizer")
        follower.run(
            'blockchain insert where policy = {"device": {"id": "mine", "name": "mine"}}'
            f" and local = true and master = {address}"
        )
        eventually(lambda: "mine" in names(node_ledger(node)), "the policy on the master")
        node.run("blockchain drop policy where id = mine")
        push(node, "b")
        follower.run(
            "run blockchain sync where source = master and time = 1 second and dest = file"
            f" and connection = {address}"
        )
        eventually(lambda: names(follower) == ["a", "b"], "the end of the policy")
        eventually(lambda: figures(follower)["sync_ok"] > 2, "what would be sent is sent")
        assert names(node_ledger(node)) == names(follower) == ["a", "b"]
        assert figures(follower)["pending_policies"] == 0

    def test_what_was_removed_is_not_stored_again_by_a_late_push(self, master, nodes):
        node, _ = master
        policy = json.dumps({"device": {"name": "a", "id": "a", "date": "2026"}})
        with Client(node.run("get connections").data["TCP"]["external"]) as peer:
            assert peer.request(f"blockchain push confirm {policy}").startswith("stored 1 ")
            node.run("blockchain drop policy where id = a")
            for verb in ("push", "push ignore", "push confirm"):
                with pytest.raises(RemoteError, match="'a' was removed from the ledger") as found:
                    peer.request(f"blockchain {verb} {policy}")
                assert found.value.remote_code == 30
            assert names(node_ledger(node)) == []
            later = policy.replace("2026", "2027")
            assert peer.request(f"blockchain push confirm {later}").startswith("stored 3 ")
        node.run("blockchain drop policy where id = a")
        node.run(f"blockchain push {policy}")
        assert names(node_ledger(node)) == ["a"]

    def test_a_late_delete_removes_nothing_that_came_since(self, master, nodes):
        node, _ = master
        push(node, "a")
        place = node._parts.master_ledger().position()
        known = json.dumps({"id": "a", "epoch": place.epoch, "sequence": 1})
        drops = (f"blockchain drop confirm {known}", f"blockchain forward drop 10.0.0.9 8 {known}")
        with Client(node.run("get connections").data["TCP"]["external"]) as peer:
            assert peer.request(drops[0]) == f"dropped 2 {place.epoch} a"
            assert peer.request(drops[1]) == f"absent 2 {place.epoch} a"
            assert names(node_ledger(node)) == []
            push(node, "a", "2027")
            listed = drops[1].replace('"a"', '["a"]')
            for drop in (*drops, listed):
                with pytest.raises(RemoteError, match="'a' was stored after it was") as found:
                    peer.request(drop)
                assert found.value.remote_code == 30
            assert names(node_ledger(node)) == ["a"]
            for wrong in (
                '{"id": "a", "sequence": 3}',
                '{"id": "a", "epoch": "5b"}',
                '{"id": "a", "epoch": 5, "sequence": 3}',
                '{"id": "a", "epoch": "5b", "sequence": -1}',
                '{"id": "a", "epoch": "5b", "sequence": true}',
                '{"id": "a", "epoch": "5b", "sequence": "3"}',
            ):
                for verb in ("drop confirm", "forward drop 10.0.0.9 8"):
                    with pytest.raises(RemoteError, match="no place in the log"):
                        peer.request(f"blockchain {verb} {wrong}")
            assert peer.request(listed.replace(" 1}", " 3}")) == f'dropped 4 {place.epoch} ["a"]'

    def test_a_refusal_is_reported_and_stays_visible(self, master, nodes, monkeypatch):
        node, address = master
        push(node, "a")
        follower = nodes("one")
        follow(follower, address, "1 second")
        eventually(lambda: names(follower) == ["a"], "the first ledger")
        node._parts.master_ledger().push_later = refuse
        for name in ("bad", "worse"):
            follower.run(
                f'blockchain insert where policy = {{"device": {{"id": "{name}", "name": "x"}}}}'
                f" and local = true and master = {address}"
            )
        eventually(lambda: len(figures(follower)["refused"]) == 2, "the refusals")
        found = {refusal["id"]: refusal for refusal in figures(follower)["refused"]}
        assert found.keys() == {"bad", "worse"}
        first = found["bad"]
        assert first["code"] == 87
        assert "not in this network" in first["reason"]
        assert (
            "Refused by the master: policy bad, error 87" in follower.run("get synchronizer").text
        )
        assert "refused policy bad" in follower.run("get error log").text
        # It is kept, and others go on.
        del node._parts.master_ledger().push_later
        follower.run(
            'blockchain insert where policy = {"device": {"id": "good", "name": "good"}}'
            f" and local = true and master = {address}"
        )
        eventually(lambda: sorted(names(node_ledger(node))) == ["a", "good"], "the good one")
        eventually(lambda: figures(follower)["pending_policies"] == 2, "its acknowledgement")
        assert len(figures(follower)["refused"]) == 2
        follower.run("blockchain delete policy where id = bad and local = true")
        eventually(lambda: len(figures(follower)["refused"]) == 1, "the end of the refusal")

    def test_other_content_under_the_same_id_is_refused(self, master, nodes):
        node, address = master
        follower = nodes("one")
        follower.run(
            'blockchain insert where policy = {"device": {"id": "x", "name": "second"}}'
            " and local = true"
        )
        first = 'blockchain push confirm {"device": {"id": "x", "name": "first", "date": "2026"}}'
        for _ in range(2):
            answer = node.run(first)
            assert answer.text.startswith("stored 1 ")
            assert answer.text.endswith(" x")
        with pytest.raises(PolicyConflict, match="'x' exists already, with other content"):
            node.run(first.replace("first", "third"))
        follow(follower, address)
        eventually(
            lambda: "other content" in follower.run("get error log").text, "the refusal told"
        )
        assert names(follower) == ["first"]

    def test_a_busy_master_loses_nothing(self, master, nodes, monkeypatch):
        """Weakness 1: the database of the master is locked while nodes insert."""
        node, address = master
        follower = nodes("one")
        follow(follower, address, "1 second")
        eventually(lambda: figures(follower)["sync_ok"] > 0, "a first cycle")
        database = node._parts.databases.get("blockchain")
        wanted = [f"w{number}" for number in range(10)]
        with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            for name in wanted:
                follower.run(
                    f'blockchain insert where policy = {{"device": {{"id": "{name}",'
                    f' "name": "{name}"}}}} and local = true and master = {address}'
                )
            eventually(lambda: figures(follower)["sync_err"] > 0, "the failure")
            assert figures(follower)["pending_policies"] == 10
            assert figures(follower)["refused"] == []
            other.execute("ROLLBACK")
        eventually(lambda: sorted(names(node_ledger(node))) == wanted, "all of them")
        eventually(lambda: figures(follower)["pending_policies"] == 0, "the acknowledgements")
        assert sorted(names(follower)) == wanted

    def test_changes_made_while_the_master_is_down_arrive(self, tmp_path, nodes):
        """Weaknesses 2 and 3: the master comes back and dies before it has stored anything."""
        node, address = make_master(tmp_path / "master")
        with node:
            for name in ("a", "b"):
                push(node, name)
            follower = nodes("one")
            follow(follower, address, "1 second")
            eventually(lambda: names(follower) == ["a", "b"], "the first ledger")
        for name in ("x", "y"):
            follower.run(
                f'blockchain insert where policy = {{"device": {{"id": "{name}",'
                f' "name": "{name}"}}}} and local = true and master = {address}'
            )
        follower.run(f"blockchain delete policy where id = a and master = {address}")
        assert names(follower) == ["b", "x", "y"]
        assert [(c["id"], c["change"]) for c in figures(follower)["outbox"]] == [
            ("x", "insert"),
            ("y", "insert"),
            ("a", "delete"),
        ]
        follower.run("exit synchronizer")
        assert figures(follower)["pending_policies"] == 2
        assert len(follower.run("blockchain get * where ledger = local").data) == 2
        port = int(address.rpartition(":")[2])
        node, _ = make_master(tmp_path / "master", port)
        with node:
            follower.run(
                "run blockchain sync where source = master and time = 1 second and dest = file"
                f" and connection = {address}"
            )
            eventually(lambda: sorted(names(node_ledger(node))) == ["b", "x", "y"], "the changes")
            eventually(
                lambda: (
                    figures(follower)["pending_policies"]
                    == figures(follower)["pending_deletes"]
                    == 0
                ),
                "an empty outbox",
            )
            assert names(follower) == ["b", "x", "y"]
            assert same(node, follower)


def refuse(policy, host, **how):
    from edgelake.errors import PolicyInvalid

    raise PolicyInvalid("that type is not in this network")


class _Table:
    """The master's table, with the face of a node."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def run(self, command: str):
        from edgelake.interfaces import Result

        lines = self._node._parts.master_ledger().rows.read()
        return Result([json.loads(line) for line in lines])


def node_ledger(node: Node) -> _Table:
    return _Table(node)
